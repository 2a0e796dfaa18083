"""Pictures as phones take them, as data URIs."""

import base64
import struct
import zlib

RGB, RGBA = 2, 6


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, rows, colour=RGBA):
    """A PNG file of rows of bytes."""
    body = zlib.compress(b"".join(b"\0" + row for row in rows), 1)
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def screen(number=0, width=1080, height=2400):
    """A phone's screen, RGBA; each number gives another one."""
    grey, accent = bytes([240, 240, 244, 255]), bytes([20 + 30 * number % 200, 120, 200, 255])
    rows, at = [], 0
    while at < height:
        lines = min(height - at, 120 if at else 80)
        width_of_block = (width // 8) * ((at // 120 + number) % 7 + 1)
        row = accent * width_of_block + grey * (width - width_of_block)
        rows += [row] * lines
        at += lines
    return png(width, height, rows)


def black_screen(width=1080, height=2400):
    """What screenshots of payment pages are."""
    return png(width, height, [bytes(3 * width)] * height, RGB)


def huge_header(side=60000):
    """A PNG that says it is huge, and is not."""
    head = struct.pack(">IIBBBBB", side, side, 8, RGBA, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 4096)) + chunk(b"IEND", b"")


def data_uri(data, kind="image/png"):
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
