#!/usr/bin/env python3
"""Hugging Face folders and their references for tests/data/hugging_face/.

Usage: make_hugging_face_cases.py REFERENCE_FOLDER OUTPUT_FOLDER      (numpy, torch, transformers 5.23)
REFERENCE_FOLDER holds one folder a tiny model as transformers saved it (see tests/data/models/README.md). Weights that
tests/hugging_face_folder.h can make from the GGUF files of tests/data/models/ are not copied: a hash of each file is.
The cases of rope scaling and of sliding windows are other configs over the same weights, run here in float32.
"""
import json
import pathlib
import shutil
import sys

import numpy as np
import torch
import transformers

MODELS = ["llama", "llama3", "qwen2", "qwen3", "qwen3_bf16", "glm4", "glm", "llama_k"]
TOKENIZERS = {"llama": "llama", "qwen": "qwen3", "glm": "glm4", "spm": "tok_spm"}
CONFIGS = ["config.json", "config.v5.json", "generation_config.json", "tokenizer_config.json"]
STEPS = 8
NOT_OBSERVED = ("layer0.attn_concat", "layer0.q_norm", "layer0.k_norm")
LAYERS_OF = ["qwen3", "glm4"]  # whose intermediate values of case text are copied

# name: (model whose weights it has, changes of its config; keys of rope_parameters are joined)
VARIANTS = {
    "linear": ("llama", {"rope_parameters": {"rope_type": "linear", "factor": 4.0}}),
    "yarn": ("llama", {"rope_parameters": {"rope_type": "yarn", "factor": 8.0,
                                           "original_max_position_embeddings": 32}}),
    "yarn_options": ("qwen3", {"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "beta_fast": 16.0,
                                                   "beta_slow": 2.0, "attention_factor": 0.9, "truncate": False,
                                                   "original_max_position_embeddings": 64}}),
    "window": ("llama", {"model_type": "mistral", "architectures": ["MistralForCausalLM"], "sliding_window": 20}),
    "window_layers": ("qwen2", {"use_sliding_window": True, "sliding_window": 12, "max_window_layers": 1,
                                "layer_types": None}),
    "window_types": ("qwen3", {"use_sliding_window": True, "sliding_window": 15,
                               "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}),
}


def fnv1a(data):
    value = 14695981039346656037
    for byte in data:
        value = ((value ^ byte) * 1099511628211) & (2**64 - 1)
    return value


def copy_model(source, target):
    target.mkdir(parents=True, exist_ok=True)
    for name in CONFIGS + ["model.safetensors.index.json"]:
        if (source / name).exists():
            shutil.copy(source / name, target / name)


def variant_config(source, changes):
    config = json.loads((source / "config.v5.json").read_text())
    for key, value in changes.items():
        if isinstance(value, dict):
            config[key] = config[key] | value
        elif value is None:
            config.pop(key, None)
        else:
            config[key] = value
    return config


def run(folder, prompt):
    """Greedy tokens after the prompt and the logits that gave them, float32, attention written out."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    ids, tokens, logits = prompt.tolist(), [], []
    with torch.no_grad():
        for _ in range(STEPS):
            row = model(torch.tensor([ids]), use_cache=False).logits[0, -1].numpy()
            logits.append(row)
            tokens.append(int(row.argmax()))
            ids.append(tokens[-1])
    return np.array(tokens, np.int32), np.stack(logits).astype(np.float32)


def make_variant(reference, name, out):
    base, changes = VARIANTS[name]
    target, scratch = out / "variants" / name, out / "scratch"
    target.mkdir(parents=True)
    shutil.copytree(reference / base, scratch, ignore=shutil.ignore_patterns("*.gguf", "ref*", "*.v5.json"))
    config = json.dumps(variant_config(reference / base, changes), indent=1)
    (scratch / "config.json").write_text(config)
    (target / "config.json").write_text(config + "\n")
    prompt = np.load(reference / base / "ref" / "long.input_ids.npy")
    tokens, logits = run(scratch, prompt)
    np.save(target / "long.input_ids.npy", prompt.astype(np.int32))
    np.save(target / "long.tokens.npy", tokens)
    np.save(target / "long.step_logits.npy", logits)
    top = np.sort(logits, axis=1)
    plain = np.load(reference / base / "ref" / "long.step_logits.npy")
    print(f"{name}: smallest margin {np.min(top[:, -1] - top[:, -2]):.3f}, "
          f"first logits differ from the plain model's by {np.abs(logits[0] - plain[0]).max():.3f}")
    shutil.rmtree(scratch)


def main():
    reference, out = map(pathlib.Path, sys.argv[1:])
    hashes = []
    for model in MODELS:
        copy_model(reference / model, out / model)
        for file in sorted((reference / model).glob("*.safetensors")):
            if model != "llama_k":  # kept as K types alone
                hashes.append(f"{model} {file.name} {fnv1a(file.read_bytes()):016x}\n")
        if model in LAYERS_OF:
            (out / model / "layers").mkdir(exist_ok=True)
            for file in (reference / model / "ref").glob("text.*.npy"):
                part = file.name.removeprefix("text.")
                if part.startswith(("embed", "layer")) and not part.startswith(NOT_OBSERVED):
                    shutil.copy(file, out / model / "layers" / part)
    (out / "file_hashes.txt").write_text("".join(hashes))
    for name, model in TOKENIZERS.items():
        (out / "tokenizers" / name).mkdir(parents=True, exist_ok=True)
        for file in ["tokenizer.json", "tok_cases.json"]:
            shutil.copy(reference / model / file, out / "tokenizers" / name / file)
    shutil.rmtree(out / "variants", ignore_errors=True)
    for name in VARIANTS:
        make_variant(reference, name, out)


main()
