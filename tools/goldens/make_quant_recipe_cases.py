#!/usr/bin/env python3
"""Storage types per tensor and recipe for src/engine/formats/gguf/quant_recipe_test.cc, as llama-quantize chooses them.

Usage: make_quant_recipe_cases.py LLAMA_QUANTIZE OUTPUT_FOLDER NAME=MODEL.gguf...      (numpy, gguf)
Besides the named models, models of Llama's shape are made up: many layers, grouped heads, eight experts. OUTPUT_FOLDER
gets one NAME.txt each: "layers heads kv_heads experts", the recipes, then "tensor source dims types...", dims slowest
first; "-" where llama-quantize refuses the model. Nothing is quantised (--dry-run).
"""
import pathlib
import re
import subprocess
import sys
import tempfile

import gguf
import numpy as np

RECIPES = ("f32 f16 bf16 q4_0 q4_1 q5_0 q5_1 q8_0 q2_k q3_k_s q3_k_m q3_k_l q4_k_s q4_k_m q5_k_s q5_k_m q6_k iq4_nl iq4_xs "
           "mxfp4_moe").split()
LINE = re.compile(r"\[ *\d+/ *\d+\] (\S+) +- \[([ \d,]+)\], type = +(\w+), size = [^(\n]*(?:\((\w+)\))?")
# The made-up models are large in layers only: their golden files list what recipes treat apart.
SPECIAL = re.compile(r"attn_(v|k|output)\.|ffn_down|ffn_gate_inp|^output|^token")


def write_made_up(path, layers, heads, kv_heads, experts):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(layers)
    writer.add_context_length(128)
    writer.add_embedding_length(256)
    writer.add_feed_forward_length(256)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(256 // heads)
    writer.add_vocab_size(32)
    if experts:
        writer.add_expert_count(experts)
        writer.add_expert_used_count(2)

    def add(name, *dims):
        writer.add_tensor(name, np.zeros(dims, np.float32))

    add("token_embd.weight", 32, 256)
    add("output_norm.weight", 256)
    add("output.weight", 32, 256)
    kv = 256 // heads * kv_heads
    for i in range(layers):
        for name, rows in [("attn_q", 256), ("attn_k", kv), ("attn_v", kv), ("attn_output", 256)]:
            add(f"blk.{i}.{name}.weight", rows, 256)
        add(f"blk.{i}.attn_norm.weight", 256)
        add(f"blk.{i}.ffn_norm.weight", 256)
        if experts:
            add(f"blk.{i}.ffn_gate_inp.weight", experts, 256)
        for name in ["ffn_gate", "ffn_up", "ffn_down"]:
            if experts:
                add(f"blk.{i}.{name}_exps.weight", experts, 32, 256)
            else:
                add(f"blk.{i}.{name}.weight", 32, 256)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def chosen_types(program, model, recipe):
    run = subprocess.run([program, "--allow-requantize", "--dry-run", model, recipe.upper()], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if run.returncode != 0:  # it asks a vision model for its heads and aborts
        return None
    found = {}
    for name, dims, source, target in LINE.findall(run.stdout):
        sizes = [int(size) for size in dims.split(",")]
        found[name] = (source, sizes, (target or source).lower())
    assert found, run.stdout[-2000:]
    return found


def number(reader, key, default=0):
    field = reader.fields.get(key)
    return int(field.contents()) if field else default


def write_case(program, name, model, out, only_special):
    reader = gguf.GGUFReader(model)
    arch = reader.fields["general.architecture"].contents()
    heads = number(reader, f"{arch}.attention.head_count")
    facts = [number(reader, f"{arch}.block_count"), heads, number(reader, f"{arch}.attention.head_count_kv", heads),
             number(reader, f"{arch}.expert_count")]
    if arch == "clip":
        facts = [0, 0, 0, 0]
    shapes = {tensor.name: tensor.shape for tensor in reader.tensors}
    types = {recipe: chosen_types(program, model, recipe) for recipe in RECIPES}
    lines = [" ".join(map(str, facts)), " ".join(RECIPES)]
    for tensor, (source, _, _) in types[RECIPES[0]].items():
        if only_special and not SPECIAL.search(tensor):
            continue
        dims = "x".join(str(size) for size in reversed(shapes[tensor]))
        lines.append(" ".join([tensor, source.lower(), dims] + [types[recipe][tensor][2] if types[recipe] else "-"
                                                             for recipe in RECIPES]))
    (out / f"{name}.txt").write_text("\n".join(lines) + "\n")


def main():
    program, out = sys.argv[1], pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    for argument in sys.argv[3:]:
        name, model = argument.split("=", 1)
        write_case(program, name, model, out, False)
    with tempfile.TemporaryDirectory() as folder:
        for name, shape in {"grouped_40": (40, 8, 2, 0), "grouped_80": (80, 8, 1, 0), "experts_8": (32, 8, 2, 8),
                            "experts_4": (20, 4, 2, 4)}.items():
            model = f"{folder}/{name}.gguf"
            write_made_up(model, *shape)
            write_case(program, name, model, out, True)


main()
