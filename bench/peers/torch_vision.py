#!/usr/bin/env python3
"""The operators of oag_vision_bench in PyTorch on the processor, in turns with oag_vision_bench itself.

usage: torch_vision.py OAG_VISION_BENCH [--patches N] [--threads T] [--rounds R] [--weights f32|bf16|f16]

Each of R rounds (5) runs every operator once in PyTorch, then all of them in one call of OAG_VISION_BENCH, so that both
meet the same neighbours. Printed: the medians in milliseconds, how many times faster oag is, and the load average before
and after. PyTorch multiplies in f32 whatever the weights are stored as: it gets f32 weights.
"""
import argparse
import json
import os
import statistics
import subprocess
import time

import torch
import torch.nn.functional as F

WIDTH, HEADS, MLP, PATCH = 1536, 12, 4096, 1176


def operators(n):
    """Name, as oag_vision_bench prints it, and a function without arguments."""
    def rand(*dims):
        return torch.rand(*dims) * 2 - 1

    x, wide, merged, merged_wide = rand(n, WIDTH), rand(n, MLP), rand(n // 4, MLP), rand(n // 4, 13696)
    up, other, scale, bias = rand(n, MLP), rand(n, WIDTH), rand(WIDTH), rand(WIDTH)
    q, k, v = (rand(1, HEADS, n, WIDTH // HEADS) for _ in range(3))
    heads, cos, sin = rand(n, HEADS, WIDTH // HEADS), rand(n, 1, WIDTH // HEADS), rand(n, 1, WIDTH // HEADS)

    def rotary():
        half = heads.shape[-1] // 2
        turned = torch.cat((-heads[..., half:], heads[..., :half]), dim=-1)
        return heads * cos + turned * sin

    def linear(name, x, outputs):
        w = rand(outputs, x.shape[1])
        return f"{name} {x.shape[1]}x{outputs}", lambda: F.linear(x, w)

    return [
        linear("patch embedding", rand(n, PATCH), WIDTH),
        ("RMSNormalization", lambda: F.rms_norm(x, (WIDTH,), scale, 1e-5)),
        linear("qkv", x, 3 * WIDTH),
        ("RotaryEmbedding", rotary),
        ("Attention", lambda: F.scaled_dot_product_attention(q, k, v)),
        linear("attention output", x, WIDTH),
        ("Add", lambda: x + other),
        linear("gate or up", x, MLP),
        ("SwiGLU", lambda: F.silu(wide) * up),
        linear("down", wide, WIDTH),
        ("LayerNormalization", lambda: F.layer_norm(x, (WIDTH,), scale, bias, 1e-5)),
        ("Gelu", lambda: F.gelu(x)),
        linear("merger, gate or up", merged, 13696),
        linear("merger, down", merged_wide, MLP),
    ]


def milliseconds(function):
    begin = time.perf_counter()
    function()
    return (time.perf_counter() - begin) * 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench", metavar="OAG_VISION_BENCH")
    parser.add_argument("--patches", type=int, default=5928)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--weights", default="f32")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    command = [options.bench, "--json", "--rounds", "1", "--patches", str(options.patches), "--weights", options.weights]
    environment = dict(os.environ, OAG_THREADS=str(options.threads))
    before = os.getloadavg()[0]
    theirs, ours, peaks = {}, {}, []
    with torch.inference_mode():
        work = operators(options.patches)
        for _, function in work:
            function()
        for _ in range(options.rounds):
            for name, function in work:
                theirs.setdefault(name, []).append(milliseconds(function))
            answer = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
            peaks.append(answer["f32_gflop_s"])
            for name, value in answer["ms"].items():
                ours.setdefault(name, []).append(value)
    print(f"PyTorch {torch.__version__}, {options.threads} threads, {options.patches} patches, {options.weights} weights in oag;"
          f" peak {statistics.median(peaks):.0f} GFLOP/s; load {before:.2f} to {os.getloadavg()[0]:.2f}\n")
    print("| operator | oag ms | PyTorch ms | oag is faster by |\n|---|---:|---:|---:|")
    for name, _ in work:
        a, b = statistics.median(ours[name]), statistics.median(theirs[name])
        print(f"| {name} | {a:.1f} | {b:.1f} | {b / a:.2f} |")


if __name__ == "__main__":
    main()
