#!/usr/bin/env python3
"""Seeds for tests/fuzz/gguf_fuzz.cc: small valid files and files with one hostile field each.

Usage: make_gguf_corpus.py OUTPUT_FOLDER     (no packages needed)
"""
import pathlib
import struct
import sys

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
HUGE = (2**63 - 1, 2**63, 2**64 - 1, 2**32, 2**61)


def string(text):
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def key(name, kind, payload):
    return string(name) + struct.pack("<I", kind) + payload


def tensor(name, dims, kind=0, offset=0):
    return string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


def file(keys=(), tensors=(), data=b"", version=3, n_tensors=None, n_keys=None, alignment=32):
    n_tensors = len(tensors) if n_tensors is None else n_tensors
    n_keys = len(keys) if n_keys is None else n_keys
    head = b"GGUF" + struct.pack("<IQQ", version, n_tensors, n_keys) + b"".join(keys) + b"".join(tensors)
    return head + b"\0" * (-len(head) % alignment) + data


def seeds():
    yield "empty", b""
    yield "header_only", file()
    yield "version1", file(version=1)
    yield "big_endian", b"GGUF" + struct.pack(">IQQ", 3, 0, 0)
    yield "old_ggjt", b"tjgg" + bytes(20)
    numbers = [key(f"n{kind}", kind, bytes(size)) for kind, size in
               ((U8, 1), (I8, 1), (U16, 2), (I16, 2), (U32, 4), (I32, 4), (F32, 4), (BOOL, 1), (U64, 8), (I64, 8), (F64, 8))]
    yield "numbers", file(numbers + [key("s", STRING, string("text"))])
    yield "arrays", file([
        key("strings", ARRAY, struct.pack("<IQ", STRING, 2) + string("a") + string("")),
        key("i32", ARRAY, struct.pack("<IQ3i", I32, 3, 1, 2, 3)), key("bools", ARRAY, struct.pack("<IQ", BOOL, 2) + b"\0\1"),
        key("nested", ARRAY, struct.pack("<IQ", ARRAY, 1) + struct.pack("<IQ2B", U8, 2, 7, 8))])
    yield "deep_array", file([key("deep", ARRAY, struct.pack("<IQ", ARRAY, 1) * 40)])
    for kind in (0, 1, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 16, 20, 23, 30, 39, 77):
        yield f"tensor_type{kind}", file([], [tensor("w", [256, 2], kind)], bytes(range(256)) * 8)
    yield "alignment64", file([key("general.alignment", U32, struct.pack("<I", 64))],
                              [tensor("a", [3]), tensor("b", [3], 0, 64)], bytes(128), alignment=64)
    for bad in (0, 3, 1, 2**31):
        yield f"alignment{bad}", file([key("general.alignment", U32, struct.pack("<I", bad))], [tensor("a", [8])], bytes(32))
    for i, huge in enumerate(HUGE):
        yield f"huge_tensor_count{i}", file(n_tensors=huge)
        yield f"huge_key_count{i}", file(n_keys=huge)
        yield f"huge_dim{i}", file([], [tensor("a", [huge, 2])], bytes(64))
        yield f"huge_offset{i}", file([], [tensor("a", [8], 0, huge & ~31)], bytes(64))
        yield f"huge_string{i}", file([key("s", STRING, struct.pack("<Q", huge))])
        yield f"huge_array{i}", file([key("s", ARRAY, struct.pack("<IQ", F64, huge))])
    yield "overlap", file([], [tensor("a", [16]), tensor("b", [16], 0, 32)], bytes(128))
    yield "misaligned", file([], [tensor("a", [8], 0, 4)], bytes(64))
    yield "zero_dim", file([], [tensor("a", [0, 8])], bytes(64))
    yield "five_dims", file([], [tensor("a", [1] * 5)], bytes(64))
    yield "duplicate_key", file([key("k", U8, b"\1"), key("k", U8, b"\2")])
    yield "duplicate_tensor", file([], [tensor("a", [8]), tensor("a", [8], 0, 32)], bytes(64))
    yield "bool2", file([key("b", BOOL, b"\2")])
    yield "bad_key", file([key("new\nline", U8, b"\0")])


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name, data in seeds():
        (out / name).write_bytes(data)


main()
