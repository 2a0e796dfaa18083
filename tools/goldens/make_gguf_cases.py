#!/usr/bin/env python3
"""Small GGUF files for the reader's and writer's tests.

Usage: make_gguf_cases.py OUTPUT_FOLDER      (numpy, gguf; written for gguf 0.19.0)
  all_types.gguf        every metadata type, nested arrays, alignment 64, several tensor types; gguf_writer_test.cc
                        must produce the same bytes
  version2.gguf         the same with version 2 in its header (the layout is that of version 3)
  big_endian.gguf       a big-endian file
  split-0000N-of-00003.gguf   one model in three parts
  iq2.gguf              a tensor of a type that the engine does not read beside one that it does
"""
import pathlib
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as QT
from gguf import GGUFValueType as VT


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def all_types(path):
    w = gguf.GGUFWriter(path, "test")
    w.add_uint8("t.u8", 200)
    w.add_int8("t.i8", -100)
    w.add_uint16("t.u16", 60000)
    w.add_int16("t.i16", -30000)
    w.add_uint32("t.u32", 4000000000)
    w.add_int32("t.i32", -2000000000)
    w.add_float32("t.f32", 0.1)
    w.add_bool("t.bool", True)
    w.add_string("t.string", "na\u00efve\n\u6f22\u5b57")
    w.add_uint64("t.u64", 2**63 + 1)
    w.add_int64("t.i64", -2**63)
    w.add_float64("t.f64", 0.1)
    w.add_array("a.u8", bytes([1, 2, 255]))
    w.add_key_value("a.i8", [-1, 2], VT.ARRAY, sub_type=VT.INT8)
    w.add_key_value("a.u16", [1, 65535, 3], VT.ARRAY, sub_type=VT.UINT16)
    w.add_array("a.i32", [-1, 0, 2147483647])
    w.add_key_value("a.u32", [4294967295], VT.ARRAY, sub_type=VT.UINT32)
    w.add_key_value("a.u64", [2**64 - 1, 5], VT.ARRAY, sub_type=VT.UINT64)
    w.add_array("a.f32", [0.5, -0.25, 1e30])
    w.add_key_value("a.f64", [0.1, -2.0], VT.ARRAY, sub_type=VT.FLOAT64)
    w.add_array("a.bool", [True, False, True])
    w.add_array("a.string", ["", "a", "h\u00e9llo"])
    w.add_array("a.nested", [[1, 2], [3]])
    w.add_array("a.nested_strings", [["x"], ["y", "zz"]])
    w.add_custom_alignment(64)
    w.add_tensor("f32.weight", np.arange(6, dtype=np.float32).reshape(2, 3))
    w.add_tensor("q8_0.weight", np.arange(68, dtype=np.uint8).reshape(2, 34), raw_dtype=QT.Q8_0)
    w.add_tensor("i64.ids", np.array([1, -2, 2**40], np.int64))
    w.add_tensor("bf16.cube", np.arange(16, dtype=np.uint8).reshape(1, 2, 1, 8), raw_dtype=QT.BF16)
    w.add_tensor("f16.bias", np.array([0.5, -1], np.float16))
    finish(w)


def split(folder):
    w = gguf.GGUFWriter(folder / "split.gguf", "test", split_max_tensors=2)
    w.add_uint32("test.block_count", 5)
    for i in range(5):
        w.add_tensor(f"blk.{i}.weight", np.full((2, 4), i, np.float32))
    finish(w)


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    all_types(out / "all_types.gguf")
    data = bytearray((out / "all_types.gguf").read_bytes())
    data[4:8] = (2).to_bytes(4, "little")
    (out / "version2.gguf").write_bytes(data)
    w = gguf.GGUFWriter(out / "big_endian.gguf", "test", endianess=gguf.GGUFEndian.BIG)
    w.add_tensor("x", np.ones(4, np.float32))
    finish(w)
    split(out)
    w = gguf.GGUFWriter(out / "iq2.gguf", "test")
    w.add_tensor("iq2.weight", np.zeros((2, 66), np.uint8), raw_dtype=QT.IQ2_XXS)
    w.add_tensor("f32.weight", np.ones(4, np.float32))
    finish(w)


main()
