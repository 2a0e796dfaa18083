#!/usr/bin/env python3
"""Makes tests/data/images: small pictures of every kind and the RGB pixels that Pillow reads from them, and the
checksums of Pillow's bicubic resize.

Run from the repository root: python3 tools/goldens/make_image_cases.py   (needs pillow 13.0, numpy)
"""
import io
import json
import struct
import zlib
from pathlib import Path

import numpy
from PIL import Image, ImageOps

OUT = Path("tests/data/images")
WIDTH, HEIGHT = 19, 13
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
DEPTHS = {GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), RGBA: (8, 16)}
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def noise(count, binary=False):
    """Bytes that the tests make again from the same formula."""
    x = numpy.arange(count, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
    x ^= x >> numpy.uint64(29)
    x *= numpy.uint64(0xBF58476D1CE4E5B9)
    values = (x >> numpy.uint64(56)).astype(numpy.uint8)
    return (values >> 7) * numpy.uint8(255) if binary else values


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def photo(width=WIDTH, height=HEIGHT):
    """A picture with slopes, edges and some noise, as lossy formats like it."""
    y, x = numpy.mgrid[0:height, 0:width]
    rgb = numpy.stack([x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), (x * y * 7) % 256], -1)
    rgb = rgb + noise(rgb.size).reshape(rgb.shape) // 16
    return Image.fromarray(numpy.clip(rgb, 0, 255).astype(numpy.uint8))


# --- PNG by hand: Pillow writes only some of the kinds ---

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def filtered(rows, step):
    """Rows of bytes with the filters 0 to 4 in turn."""
    out, above = b"", None
    for number, row in enumerate(rows):
        row = row.astype(int)
        up = numpy.zeros_like(row) if above is None else above
        left = numpy.concatenate([numpy.zeros(step, int), row])[: len(row)]
        corner = numpy.concatenate([numpy.zeros(step, int), up])[: len(row)]
        p = left + up - corner
        near = [abs(p - left), abs(p - up), abs(p - corner)]
        paeth = numpy.where((near[0] <= near[1]) & (near[0] <= near[2]), left,
                            numpy.where(near[1] <= near[2], up, corner))
        guess = [0, left, up, (left + up) // 2, paeth][number % 5]
        out += bytes([number % 5]) + ((row - guess) % 256).astype(numpy.uint8).tobytes()
        above = row
    return out


def packed(samples, depth):
    """Rows of samples [h, w * channels] as rows of bytes."""
    if depth == 16:
        return samples.astype(">u2").view(numpy.uint8).reshape(len(samples), -1)
    if depth == 8:
        return samples.astype(numpy.uint8)
    bits = (samples[..., None] >> numpy.arange(depth - 1, -1, -1)) & 1
    return numpy.packbits(bits.reshape(len(samples), -1).astype(numpy.uint8), axis=1)


def png(colour, depth, *, width=WIDTH, height=HEIGHT, interlaced=False, before=b"", after=b"", palette=None,
        samples=None, split=0):
    channels = CHANNELS[colour]
    if samples is None:
        wide = noise(width * height * channels * 2).astype(int)
        samples = ((wide[::2] << 8) | wide[1::2]) >> (16 - depth)
    samples = samples.reshape(height, width, channels)
    step = max(1, channels * depth // 8)
    if interlaced:
        body = b""
        for x0, y0, dx, dy in ADAM7:
            part = samples[y0::dy, x0::dx]
            if part.size:
                body += filtered(packed(part.reshape(part.shape[0], -1), depth), step)
    else:
        body = filtered(packed(samples.reshape(height, -1), depth), step)
    body = zlib.compress(body, 9)
    pieces = [body[i:i + split] for i in range(0, len(body), split)] if split else [body]
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    if colour == PALETTE and palette is None:
        palette = bytes(noise(3 << depth))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + (chunk(b"PLTE", palette) if palette else b"") + before
            + b"".join(chunk(b"IDAT", piece) for piece in pieces) + after + chunk(b"IEND", b""))


def exif(orientation, order="<"):
    """A TIFF header with one directory; a tag before the orientation, as cameras write it."""
    return ((b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, 2)
            + struct.pack(order + "HHII", 0x0100, 4, 1, 640) + struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
            + struct.pack(order + "I", 0))


def png_cases():
    for colour, depths in DEPTHS.items():
        for depth in depths:
            for interlaced in (False, True):
                yield f"png_c{colour}_d{depth}{'_i' if interlaced else ''}.png", png(colour, depth, interlaced=interlaced)
    trns = lambda *values: chunk(b"tRNS", struct.pack(f">{len(values)}H", *values))
    yield "png_grey_trns.png", png(GREY, 8, before=trns(7))
    yield "png_grey16_trns.png", png(GREY, 16, before=trns(700))
    yield "png_rgb_trns.png", png(RGB, 8, before=trns(7, 8, 9))
    yield "png_palette_trns.png", png(PALETTE, 8, before=chunk(b"tRNS", bytes(range(0, 250, 10))))
    few = noise(WIDTH * HEIGHT).astype(int) % 5
    yield "png_palette_short.png", png(PALETTE, 8, palette=bytes(range(40, 55)), samples=few)
    yield "png_palette_beyond.png", png(PALETTE, 8, palette=bytes(range(40, 49)), samples=few)
    # What fits 8 bits, and what does not: Pillow clips grey of 16 bits and takes the upper byte of everything else.
    steps = numpy.array([0, 1, 127, 128, 254, 255, 256, 257, 511, 4096, 32767, 65535])
    yield "png_grey16_steps.png", png(GREY, 16, width=12, height=1, samples=steps)
    yield "png_grey_alpha16_steps.png", png(GREY_ALPHA, 16, width=6, height=1, samples=steps)
    yield "png_rgb16_steps.png", png(RGB, 16, width=4, height=1, samples=steps)
    yield "png_gamma.png", png(RGB, 8, before=chunk(b"gAMA", struct.pack(">I", 100000)))
    yield "png_idat_pieces.png", png(RGBA, 8, split=7)
    yield "png_1x1.png", png(RGB, 8, width=1, height=1)
    yield "png_1x1_i.png", png(GREY, 1, width=1, height=1, interlaced=True)
    yield "png_1x40.png", png(RGBA, 8, width=1, height=40)
    yield "png_40x1_i.png", png(RGB, 8, width=40, height=1, interlaced=True)
    yield "png_exif6.png", png(RGB, 8, before=chunk(b"eXIf", exif(6)))
    yield "png_exif_late8.png", png(RGB, 8, after=chunk(b"eXIf", exif(8, ">")))
    yield "png_wrong_label.jpg", png(RGB, 8)


# --- JPEG ---

def jpeg(image=None, **options):
    out = io.BytesIO()
    (image or photo()).save(out, "JPEG", **{"quality": 85, **options})
    return out.getvalue()


def without_segment(data, marker):
    at = data.index(marker)
    return data[:at] + data[at + 2 + int.from_bytes(data[at + 2:at + 4], "big"):]


def with_segment(data, marker, body):
    return data[:2] + marker + struct.pack(">H", len(body) + 2) + body + data[2:]


def jpeg_cases():
    for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
        yield f"jpeg_{name}.jpg", jpeg(subsampling=subsampling)
    yield "jpeg_440.jpg", sampled_440(jpeg(photo(16, 32), subsampling=1))
    yield "jpeg_progressive.jpg", jpeg(progressive=True)
    yield "jpeg_restart.jpg", jpeg(restart_marker_blocks=1)
    yield "jpeg_grey.jpg", jpeg(photo().convert("L"))
    yield "jpeg_rgb.jpg", jpeg(keep_rgb=True)
    cmyk = jpeg(photo().convert("CMYK"))
    yield "jpeg_cmyk.jpg", cmyk
    yield "jpeg_cmyk_plain.jpg", without_segment(cmyk, b"\xff\xee")
    yield "jpeg_ycck.jpg", cmyk.replace(b"Adobe\0\x64\0\0\0\0\0", b"Adobe\0\x64\0\0\0\0\2")
    for orientation in range(1, 9):
        yield f"jpeg_exif{orientation}.jpg", jpeg(exif=b"Exif\0\0" + exif(orientation, "<>"[orientation % 2]))
    yield "jpeg_exif9.jpg", jpeg(exif=b"Exif\0\0" + exif(9))
    xmp = b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="adobe:ns:meta/"><d tiff:Orientation="3"/></x:xmpmeta>'
    yield "jpeg_xmp3.jpg", with_segment(jpeg(), b"\xff\xe1", xmp)
    yield "jpeg_junk_after.jpg", jpeg() + b"more\0bytes"
    yield "jpeg_1x1.jpg", jpeg(photo(1, 1))
    yield "jpeg_65x3.jpg", jpeg(photo(65, 3), quality=30)


def sampled_440(data):
    """The 4:2:2 picture with its factors exchanged: of 16x32 pixels both make four units of four blocks."""
    at = data.index(b"\xff\xc0")
    frame = bytearray(data[at:])
    assert frame[11] == 0x21
    frame[11] = 0x12
    return data[:at] + bytes(frame)


# --- WebP ---

def webp(image=None, **options):
    out = io.BytesIO()
    (image or photo()).save(out, "WEBP", **options)
    return out.getvalue()


def with_alpha(width=WIDTH, height=HEIGHT):
    image = photo(width, height)
    image.putalpha(Image.fromarray(noise(width * height).reshape(height, width)))
    return image


def riff(*chunks):
    body = b"WEBP"
    for kind, data in chunks:
        body += kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_cases():
    yield "webp_lossy.webp", webp(quality=80)
    yield "webp_lossless.webp", webp(lossless=True)
    yield "webp_lossy_alpha.webp", webp(with_alpha(), quality=80)
    yield "webp_lossless_alpha.webp", webp(with_alpha(), lossless=True, exact=True)
    yield "webp_palette.webp", webp(photo().quantize(4).convert("RGB"), lossless=True)
    yield "webp_exif6.webp", webp(exif=b"Exif\0\0" + exif(6), lossless=True)
    yield "webp_exif5_bare.webp", webp(exif=exif(5, ">"), lossless=True)
    yield "webp_1x1.webp", webp(photo(1, 1), lossless=True)
    yield "webp_animated.webp", webp(save_all=True, append_images=[ImageOps.invert(photo())], lossless=True)
    # A first frame smaller than the canvas.
    size = lambda value: struct.pack("<I", value)[:3]
    inner = webp(photo(8, 6), lossless=True)[12:]
    frame = size(4 // 2) + size(2 // 2) + size(7) + size(5) + size(100) + b"\0" + inner
    yield "webp_offset_frame.webp", riff((b"VP8X", b"\x02\0\0\0" + size(WIDTH - 1) + size(HEIGHT - 1)),
                                         (b"ANIM", b"\x10\x20\x30\xff\0\0"), (b"ANMF", frame))


def rgb_of(data):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    return numpy.asarray(image)


def resize_cases():
    sizes = [((1, 1), (1, 1)), ((1, 1), (28, 28)), ((2, 3), (28, 56)), ((100, 150), (112, 140)), ((37, 91), (84, 224)),
             ((640, 3), (336, 28)), ((5, 700), (28, 364)), ((301, 203), (29, 17)), ((257, 129), (1, 1)),
             ((64, 64), (64, 28)), ((64, 64), (28, 64)), ((1080, 2400), (1092, 2408)), ((1440, 3200), (1428, 3192)),
             ((333, 500), (112, 168))]
    for (width, height), (to_width, to_height) in sizes:
        for binary in (False, True):
            if binary and width * height > 1_000_000:
                continue
            source = noise(width * height * 3, binary).reshape(height, width, 3)
            result = Image.fromarray(source).resize((to_width, to_height), Image.Resampling.BICUBIC)
            yield {"from": [width, height], "to": [to_width, to_height], "binary": binary, "fnv1a": fnv1a(result.tobytes())}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    cases, pixels = [], b""
    for name, data in [*png_cases(), *jpeg_cases(), *webp_cases()]:
        (OUT / name).write_bytes(data)
        rgb = rgb_of(data)
        cases.append({"file": name, "width": rgb.shape[1], "height": rgb.shape[0], "at": len(pixels)})
        pixels += rgb.tobytes()
    (OUT / "pixels.bin").write_bytes(pixels)
    lines = ",\n".join(json.dumps(case) for case in cases)
    (OUT / "cases.json").write_text(f"[\n{lines}\n]\n")
    lines = ",\n".join(json.dumps(case) for case in resize_cases())
    (OUT / "resize.json").write_text(f"[\n{lines}\n]\n")


main()
