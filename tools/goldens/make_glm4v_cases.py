#!/usr/bin/env python3
"""A tiny GLM-4.1V and its answers for tests/data/glm4v/.

Usage: make_glm4v_cases.py REFERENCE_FOLDER OUTPUT_FOLDER      (numpy, gguf)
REFERENCE_FOLDER is one of make_tiny_models.py: a Hugging Face folder, GGUF files in f32 written with gguf-py, and ref/,
written by transformers in f32. Its weights are exact in bf16, as which they are kept here, once: in the GGUF files. Of
model.safetensors a hash is kept, tests/glm4v_folder.h makes the file.
"""
import json
import pathlib
import shutil
import struct
import sys

import gguf
import numpy as np

from generated_texts import Fnv1a

CASES = ["text", "img_a", "img_b", "img_ab"]
PICTURES = {"img_a": 1, "img_b": 1, "img_ab": 2}
LAYERS = ["patch_embed", "post_conv_norm", "pos_added", "block0.qkv", "block0.attn", "block0.mlp", "block0", "block1",
          "post_norm", "downsample", "merger.proj", "merger"]  # of the tower, case img_b
VISION_REFERENCES = ["img_a", "img_ab"]  # the rows of whole pictures


def to_bf16(values):
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    assert not (bits & 0xFFFF).any(), "weights are not exact in bf16"
    return (bits >> 16).astype(np.uint16)


def hash_safetensors(source):
    """Of name, dims and bf16 values of every tensor, by name, as tests/glm4v_folder.h computes it."""
    data = source.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    body, value = data[8 + size :], Fnv1a()
    for name, entry in sorted(header.items()):
        begin, end = entry["data_offsets"]
        value.add_text(name)
        value.add_bytes(b"".join(dim.to_bytes(8, "little") for dim in entry["shape"]))
        value.add_bytes(to_bf16(np.frombuffer(body[begin:end], np.float32)).tobytes())
    return value.hex()


def copy_gguf(source, target):
    reader = gguf.GGUFReader(source)
    arch = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(target, arch)
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        kind = field.types[0]
        value = 32 if key == "general.file_type" else field.contents()  # MOSTLY_BF16
        writer.add_key_value(key, value, kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    for tensor in reader.tensors:
        values = np.array(tensor.data, np.float32).reshape(list(reversed(tensor.shape.tolist())))
        if values.ndim == 1:
            writer.add_tensor(tensor.name, values)
        else:
            writer.add_tensor(tensor.name, to_bf16(values).view(np.uint8), raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main(source, out):
    (out / "ref").mkdir(parents=True, exist_ok=True)
    for name in ["config.json", "config.v5.json", "generation_config.json", "preprocessor_config.json",
                 "tokenizer.json", "tokenizer_config.json"]:
        shutil.copy(source / name, out)
    (out / "weights_hash.txt").write_text(hash_safetensors(source / "model.safetensors") + "\n")
    copy_gguf(source / "glm4v.f32.gguf", out / "glm4v.bf16.gguf")
    copy_gguf(source / "mmproj-glm4v.f32.gguf", out / "mmproj-glm4v.bf16.gguf")
    for case in CASES:
        for kind in ["input_ids", "tokens", "step_logits"]:
            shutil.copy(source / "ref" / f"{case}.{kind}.npy", out / "ref")
        for i in range(PICTURES.get(case, 0)):
            shutil.copy(source / "ref" / f"{case}.image{i}.png", out / "ref")
    for layer in LAYERS:
        shutil.copy(source / "ref" / f"img_b.v.{layer}.npy", out / "ref")
    for case in VISION_REFERENCES:
        shutil.copy(source / "ref" / f"{case}.v.merger.npy", out / "ref")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
