#!/usr/bin/env python3
"""Perplexity of SmolLM2-135M-Instruct on the text in tests/data/text: llama.cpp's and the exact one.

The convention is that of llama-perplexity: the text is tokenised once, nothing added (the model asks for no
BOS), cut into windows of 512 tokens (a shorter tail is dropped), each window is evaluated on its own, and
the tokens 257..511 of it (counted from 0) are scored: 255 per window. With --tool the tool itself runs too
and must give the same number.

Three evaluations: llama.cpp, llama.cpp on the weights de-quantised to f32 (dequantise_gguf.py makes that
file), and the exact one in float64.
Usage: make_smollm2_perplexity.py --model M.gguf --f32-model M32.gguf --binding DIR --lib DIR [--tool
       llama-perplexity]
       TEXT OUT.json
"""

import argparse
import hashlib
import json
import os
import re
import subprocess

import numpy as np

from llama_cpp_peer import LlamaCpp, add_arguments
from llama_exact import ExactLlama

WINDOW = 512
FIRST = WINDOW // 2
EVALUATIONS = ("llama_cpp", "llama_cpp_f32", "exact")


def negative_log_likelihood(logits, targets):
    """Sum over rows of -log softmax(logits)[target], in float64."""
    logits = logits.astype(np.float64)
    top = logits.max(axis=1)
    log_sum = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return float((log_sum - logits[np.arange(len(targets)), targets]).sum())


def run_tool(args):
    command = [
        args.tool,
        "-m",
        args.model,
        "-f",
        args.text,
        "-c",
        str(WINDOW),
        "-b",
        str(WINDOW),
        "-t",
        str(args.threads),
        "-ctk",
        "f32",
        "-ctv",
        "f32",
        "-fa",
        "off",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(re.search(r"Final estimate: PPL = ([0-9.]+)", done.stdout + done.stderr).group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--f32-model", required=True)
    parser.add_argument("--tool")
    parser.add_argument("text")
    parser.add_argument("out")
    args = parser.parse_args()
    peer, exact = LlamaCpp(args, context=WINDOW), ExactLlama(args.model)
    f32_peer = LlamaCpp(args, model=args.f32_model, context=WINDOW)
    raw = open(args.text, "rb").read()
    ids = peer.tokenize(raw)
    windows = len(ids) // WINDOW
    result = {
        "model_sha256": hashlib.sha256(open(args.model, "rb").read()).hexdigest(),
        "text": os.path.basename(args.text),
        "text_sha256": hashlib.sha256(raw).hexdigest(),
        "engine": f"llama.cpp of llama-cpp-python {peer.version}",
        "threads": args.threads,
        "engine_cpu": peer.system_info(),
        "kv": "f32",
        "text_tokens": len(ids),
        "window": WINDOW,
        "windows": windows,
        "scored_per_window": WINDOW - 1 - FIRST,
        "window_nll_llama_cpp": [],
        "window_nll_llama_cpp_f32": [],
        "window_nll_exact": [],
    }
    for w in range(windows):
        window = ids[w * WINDOW : (w + 1) * WINDOW]
        targets = window[FIRST + 1 :]
        rows = {"exact": exact.logits(window, first=FIRST)[:-1]}
        for name, engine in (("llama_cpp", peer), ("llama_cpp_f32", f32_peer)):
            engine.clear()
            rows[name] = engine.decode(window, 0, all_logits=True)[FIRST:-1]
        for name in EVALUATIONS:
            result["window_nll_" + name].append(round(negative_log_likelihood(rows[name], targets), 6))
        print(w, *[result["window_nll_" + name][-1] for name in EVALUATIONS], flush=True)
    scored = windows * result["scored_per_window"]
    for name in EVALUATIONS:
        result["perplexity_" + name] = round(float(np.exp(sum(result["window_nll_" + name]) / scored)), 6)
    if args.tool:
        result["perplexity_llama_perplexity_tool"] = run_tool(args)
    print({k: v for k, v in result.items() if k.startswith("perplexity")})
    with open(args.out, "w", encoding="utf-8") as out:
        json.dump(result, out, indent=1)
        out.write("\n")


if __name__ == "__main__":
    main()
