#!/usr/bin/env python3
"""An entry of data/doctor/references.json, which `oag doctor` compares a model's logits with, from a Hugging Face folder.

Usage: make_model_reference.py FOLDER FINGERPRINT [NAME]      (torch, transformers)
FINGERPRINT is what `oag doctor --quick --json FOLDER` calls so. The prompt is "Hello, world" without a template; transformers
computes in f32. Prints the document with this one entry.
"""
import json
import sys

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, AutoTokenizer

TEXT = "Hello, world"
KEPT = 10
TOLERANCE = 1e-2


def main(folder, fingerprint, name=None):
    config = AutoConfig.from_pretrained(folder)
    pictures = hasattr(config, "vision_config")
    kind = AutoModelForImageTextToText if pictures else AutoModelForCausalLM
    model = kind.from_pretrained(folder, dtype=torch.float32).eval()
    ids = AutoTokenizer.from_pretrained(folder)(TEXT, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
    values, best = logits.topk(KEPT)
    entry = {"name": name or folder, "fingerprint": fingerprint, "source": f"transformers {transformers.__version__}, f32",
             "prompt_ids": ids, "tolerance": TOLERANCE,
             "best": [{"id": i, "logit": round(v, 6)} for i, v in zip(best.tolist(), values.tolist())]}
    print(json.dumps({"references": [entry]}, indent=1))


main(*sys.argv[1:])
