#!/usr/bin/env python3
"""Safetensors files for the reader's and writer's tests, and seeds for its fuzz target.

Usage: make_safetensors_cases.py OUTPUT_FOLDER CORPUS_FOLDER      (numpy, torch, safetensors 0.6 or later)
  all_types.safetensors   a tensor of every type that torch can store, a single value, an empty one, a name that is not
                          ASCII; safetensors_test.cc must produce the same bytes
  all_types.json          name: {type, dtype (this project's name), dims, hex}
  damaged.json            [{name, hex, accepted, said}]: files with one fault each; `accepted` is what the package does
                          with them, `said` a part of the line that this project refuses them with
"""
import json
import pathlib
import struct
import sys

import safetensors
import safetensors.torch
import torch

TYPES = {
    "F64": ("f64", torch.float64), "F32": ("f32", torch.float32), "F16": ("f16", torch.float16),
    "BF16": ("bf16", torch.bfloat16), "I64": ("i64", torch.int64), "I32": ("i32", torch.int32),
    "I16": ("i16", torch.int16), "I8": ("i8", torch.int8), "U8": ("u8", torch.uint8), "BOOL": ("bool", torch.bool),
    "F8_E4M3": ("f8e4m3fn", torch.float8_e4m3fn), "F8_E5M2": ("f8e5m2", torch.float8_e5m2),
}


def all_types(folder):
    tensors, expected = {}, {}

    def add(name, kind, tensor):
        tensors[name] = tensor
        raw = bytes(tensor.contiguous().view(torch.uint8).flatten().tolist()) if tensor.dim() else \
            bytes(tensor.reshape(1).view(torch.uint8).tolist())
        expected[name] = {"type": kind, "dtype": TYPES[kind][0], "dims": list(tensor.shape), "hex": raw.hex()}

    for kind, (_, dtype) in TYPES.items():
        add(f"{kind.lower()}.weight", kind, torch.arange(6).reshape(2, 3).to(dtype))
    add("single", "F32", torch.tensor(1.5))
    add("empty", "F16", torch.zeros((0, 4), dtype=torch.float16))
    add("na\u00efve \u6f22", "I64", torch.tensor([[[-1]]]))
    safetensors.torch.save_file(tensors, folder / "all_types.safetensors", metadata={"format": "pt"})
    (folder / "all_types.json").write_text(json.dumps(expected, indent=1) + "\n")


def file_of(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(begin, end, dtype="F32", shape=(1,), **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end], **more}


def damaged():
    four, eight = bytes(4), bytes(8)
    return [
        ("a good file", file_of({"a": tensor(0, 4)}, four), ""),
        ("a good file with blanks", file_of(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}   ', four), ""),
        ("no tensors", file_of({}), ""),
        ("nothing", b"", "has 0 bytes"),
        ("a length alone", eight[:7], "has 7 bytes"),
        ("a header of nothing", file_of(b"", four), "does not begin"),
        ("a header beyond the file", file_of({"a": tensor(0, 4)}, four, 1000), "the file is cut off"),
        ("a header beyond the limit", file_of({"a": tensor(0, 4)}, four, 2**40), "at most 100000000"),
        ("a header of 2^64 - 1 bytes", file_of({"a": tensor(0, 4)}, four, 2**64 - 1), "at most 100000000"),
        ("a list", file_of(b"[]"), "does not begin"),
        ("broken JSON", file_of(b'{"a":{"dtype":'), "not valid JSON"),
        ("text behind the header", file_of(b'{}x'), "not valid JSON"),
        ("bytes that are not UTF-8", file_of(b'{"\xff":{}}'), "not valid JSON"),
        ("no dtype", file_of({"a": {"shape": [1], "data_offsets": [0, 4]}}, four), "expected dtype"),
        ("no shape", file_of({"a": {"dtype": "F32", "data_offsets": [0, 4]}}, four), "expected dtype"),
        ("no offsets", file_of({"a": {"dtype": "F32", "shape": [1]}}, four), "expected dtype"),
        ("one offset", file_of({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4]}}, four), "two data_offsets"),
        ("three offsets", file_of({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 4]}}, four),
         "more than two offsets"),
        ("a dim below 0", file_of({"a": tensor(0, 4, shape=[-1])}, four), "has -1 at"),
        ("a dim with a fraction", file_of({"a": tensor(0, 4, shape=[1.0])}, four), "fraction"),
        ("a text as a dim", file_of({"a": tensor(0, 4, shape=["1"])}, four), "a text"),
        ("an unknown type", file_of({"a": tensor(0, 4, "F33")}, four), "F33"),
        ("offsets in the wrong order", file_of({"a": tensor(4, 0)}, four), "are said to be 4 to 0"),
        ("offsets beyond the data", file_of({"a": tensor(0, 8, shape=[2])}, four), "0 to 8 of 4"),
        ("too few bytes", file_of({"a": tensor(0, 4, shape=[2])}, four), "has 4 bytes, expected 8"),
        ("too many bytes", file_of({"a": tensor(0, 8)}, eight), "has 8 bytes, expected 4"),
        ("dims whose product overflows", file_of({"a": tensor(0, 4, shape=[2**62, 2**62])}, four), "whole number"),
        ("dims whose bytes overflow", file_of({"a": tensor(0, 4, "F64", [2**61])}, four), "whole number"),
        ("half a byte", file_of({"a": tensor(0, 1, "F4", [1])}, b"1"), "whole number"),
        ("tensors that share bytes", file_of({"a": tensor(0, 8, shape=[2]), "b": tensor(4, 8)}, eight), "shares bytes"),
        ("tensors that share all", file_of({"a": tensor(0, 4), "b": tensor(0, 4)}, four), "shares bytes"),
        ("a gap", file_of({"a": tensor(0, 4), "b": tensor(8, 12)}, bytes(12)), "belong to none"),
        ("a gap before the first", file_of({"a": tensor(4, 8)}, eight), "belong to none"),
        ("data behind the last", file_of({"a": tensor(0, 4)}, eight), "end at byte 4"),
        ("metadata that is no text", file_of({"__metadata__": {"a": 1}}), "has 1 at"),
        ("metadata that is a list", file_of({"__metadata__": []}), "a list"),
        ("a tensor that is a number", file_of({"a": 1}), "has 1 at"),
    ]


def accepts(data):
    try:
        safetensors.deserialize(data)
        return True
    except safetensors.SafetensorError:
        return False


def main():
    out, corpus = map(pathlib.Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    corpus.mkdir(parents=True, exist_ok=True)
    all_types(out)
    cases = []
    for name, data, said in damaged():
        accepted = accepts(data)
        if accepted != (said == ""):
            print(f"{name}: the package {'accepts' if accepted else 'refuses'} it")
        cases.append({"name": name, "accepted": said == "", "said": said, "hex": data.hex()})
    (out / "damaged.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
    (corpus / "all_types").write_bytes((out / "all_types.safetensors").read_bytes())
    for i, (name, data, _) in enumerate(damaged()):
        if i in (0, 2, 29, 31):
            (corpus / name.replace(" ", "_")).write_bytes(data)
    (corpus / "index").write_text('{"metadata":{"total_size":8},"weight_map":{"a":"one.safetensors","b":"two.safetensors"}}')


main()
