#!/usr/bin/env python3
"""A Hugging Face folder with random bf16 weights of a chosen size, to measure memory and speed with.

Usage: make_large_folder.py OUTPUT_FOLDER [MEGABYTES]      (numpy)
The words are those of tests/data/hugging_face/tokenizers/qwen; what the model says means nothing.
"""
import json
import pathlib
import shutil
import struct
import sys

import numpy as np

HIDDEN, FFN, HEADS, KV_HEADS, HEAD, VOCABULARY = 1024, 3072, 16, 4, 64, 32768
WORDS = pathlib.Path(__file__).parent.parent.parent / "tests" / "data" / "hugging_face" / "tokenizers" / "qwen"


def shapes(layers):
    yield "model.embed_tokens.weight", (VOCABULARY, HIDDEN)
    for i in range(layers):
        prefix = f"model.layers.{i}."
        yield prefix + "input_layernorm.weight", (HIDDEN,)
        yield prefix + "post_attention_layernorm.weight", (HIDDEN,)
        yield prefix + "self_attn.q_proj.weight", (HEADS * HEAD, HIDDEN)
        yield prefix + "self_attn.k_proj.weight", (KV_HEADS * HEAD, HIDDEN)
        yield prefix + "self_attn.v_proj.weight", (KV_HEADS * HEAD, HIDDEN)
        yield prefix + "self_attn.o_proj.weight", (HIDDEN, HEADS * HEAD)
        yield prefix + "mlp.gate_proj.weight", (FFN, HIDDEN)
        yield prefix + "mlp.up_proj.weight", (FFN, HIDDEN)
        yield prefix + "mlp.down_proj.weight", (HIDDEN, FFN)
    yield "model.norm.weight", (HIDDEN,)


def bytes_of(tensors):
    return sum(2 * int(np.prod(shape)) for _, shape in tensors)


def main():
    out = pathlib.Path(sys.argv[1])
    wanted = float(sys.argv[2] if len(sys.argv) > 2 else 300) * 1e6
    layers = 1
    while bytes_of(shapes(layers + 1)) <= wanted:
        layers += 1
    out.mkdir(parents=True)
    header, offset = {}, 0
    for name, shape in shapes(layers):
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    random = np.random.default_rng(1)
    with open(out / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in shapes(layers):
            values = random.standard_normal(shape, np.float32) * 0.02 if len(shape) > 1 else np.ones(shape, np.float32)
            file.write((values.view(np.uint32) >> 16).astype(np.uint16).tobytes())
    config = {"model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": FFN, "num_hidden_layers": layers,
              "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": HEAD, "vocab_size": VOCABULARY,
              "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
              "tie_word_embeddings": True, "torch_dtype": "bfloat16"}
    (out / "config.json").write_text(json.dumps(config, indent=1))
    shutil.copy(WORDS / "tokenizer.json", out / "tokenizer.json")
    print(f"{layers} layers, {(8 + len(text) + offset) / 1e6:.1f} MB")


main()
