#!/usr/bin/env python3
"""Tiny models and their reference outputs for tests/data/models/.

Usage: make_tiny_models.py REFERENCE_FOLDER OUTPUT_FOLDER      (numpy, gguf)
REFERENCE_FOLDER holds one folder a model: <model>.<type>.gguf, ref/ and ref_gguf/ (see tests/data/models/README.md for
their origin). The weights are exact in bf16, so an f32 file is stored as bf16; every f32, f16 and q4_0 … q8_0 file
follows from it, and only a hash of the original is kept (tests/tiny_models.h makes the file again and checks it).
Formats that this project does not write are copied.
"""
import pathlib
import shutil
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as QT
from gguf import GGUFValueType as VT

MODELS = ["llama", "llama3", "qwen2", "qwen3", "glm4", "glm"]
DERIVED = ["f32", "f16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0"]
K_MODEL = "llama_k"
K_TYPES = ["q2_k", "q3_k", "q4_k", "q5_k", "q6_k"]  # iq4_nl and iq4_xs exist too; left out for their size
CASES = ["text", "one", "long"]
PROMPT_LOGITS = ["llama"]
BF16_FILE_TYPE = 32
LIMIT_BYTES = 9 * 2**20


def fnv1a(data):
    value = 14695981039346656037
    for byte in data:
        value = ((value ^ byte) * 1099511628211) & (2**64 - 1)
    return value


def copy_metadata(reader, writer):
    """All keys in order, general.file_type changed to BF16. (The writer sets general.architecture itself.)"""
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        value, sub_type = field.contents(), None
        if field.types[0] == VT.ARRAY:
            sub_type = field.types[-1]
        if name == "general.file_type":
            value = BF16_FILE_TYPE
        writer.add_key_value(name, value, field.types[0], sub_type=sub_type)


def write_bf16(source, target):
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    copy_metadata(reader, writer)
    for tensor in reader.tensors:
        assert tensor.tensor_type == QT.F32, tensor.name
        values = np.array(tensor.data)
        if values.ndim == 1:
            writer.add_tensor(tensor.name, values)
            continue
        blocks = gguf.quants.quantize(values, QT.BF16)
        again = gguf.quants.dequantize(blocks, QT.BF16)
        assert np.array_equal(again.view(np.uint32), values.view(np.uint32)), f"{source}: {tensor.name} is not bf16-exact"
        writer.add_tensor(tensor.name, blocks, raw_dtype=QT.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def copy_references(source, target, types, references):
    (target / "ref").mkdir(parents=True)
    (target / "ref_gguf").mkdir()
    for name in references:
        shutil.copy(source / "ref" / f"{name}.npy", target / "ref")
    for kind in types:
        for name in ("tokens", "step_logits", "margin"):
            shutil.copy(source / "ref_gguf" / f"{kind}.{name}.npy", target / "ref_gguf")


def main():
    source, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    hashes = []
    for model in MODELS:
        target = out / model
        shutil.rmtree(target, ignore_errors=True)
        derived = [kind for kind in DERIVED if (source / model / f"{model}.{kind}.gguf").exists()]
        references = [f"{case}.{name}" for case in CASES for name in ("input_ids", "tokens", "step_logits")]
        references += ["text.prompt_logits"] if model in PROMPT_LOGITS else []
        copy_references(source / model, target, [k for k in derived if k != "f32"], references)
        write_bf16(source / model / f"{model}.f32.gguf", target / f"{model}.bf16.gguf")
        for kind in derived:
            digest = fnv1a((source / model / f"{model}.{kind}.gguf").read_bytes())
            hashes.append(f"{model} {kind} {digest:016x}\n")
    target = out / K_MODEL
    shutil.rmtree(target, ignore_errors=True)
    copy_references(source / K_MODEL, target, K_TYPES, ["text.input_ids"])
    for kind in K_TYPES:
        shutil.copy(source / K_MODEL / f"{K_MODEL}.{kind}.gguf", target)
    (out / "derived_hashes.txt").write_text("".join(hashes))
    total = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{total} bytes")
    assert total <= LIMIT_BYTES, f"{total} bytes, limit {LIMIT_BYTES}"


main()
