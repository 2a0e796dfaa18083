#!/usr/bin/env python3
"""A GLM-4.1V vision tower in transformers on the processor: how long a picture takes and the most memory of the process.

usage: torch_tower.py [--blocks N] [--grid ROWSxCOLUMNS] [--threads T] [--rounds R] [--dtype float32|bfloat16]

Random weights in the shape of GLM-4.1V's tower with N of its 24 blocks (4), attention as transformers chooses it (sdpa);
114x52 patches (the default) are a screen of 720x1600, which oag_tower_bench takes as a picture. Memory is VmHWM, with
what it was before the tower and before the first picture; patches are random, so no picture is decoded.
"""
import argparse
import statistics
import time

import torch
from transformers.models.glm4v import Glm4vVisionModel
from transformers.models.glm4v.configuration_glm4v import Glm4vVisionConfig


def peak_mb():
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--grid", default="114x52")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--dtype", default="float32")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    imported = peak_mb()
    config = Glm4vVisionConfig(depth=options.blocks, hidden_size=1536, num_heads=12, out_hidden_size=4096,
                               intermediate_size=13696, patch_size=14, image_size=336, attention_bias=False)
    torch.set_default_dtype(getattr(torch, options.dtype))
    model = Glm4vVisionModel._from_config(config).eval()
    loaded = peak_mb()
    rows, columns = map(int, options.grid.split("x"))
    patches = torch.randn(rows * columns, 1176)
    grid = torch.tensor([[1, rows, columns]])
    seconds = []
    with torch.inference_mode():
        for _ in range(options.rounds):
            begin = time.perf_counter()
            model(patches, grid)
            seconds.append(time.perf_counter() - begin)
    weights = sum(p.numel() * p.element_size() for p in model.parameters()) / 2**20
    print(f"PyTorch {torch.__version__}, {model.config._attn_implementation}, {options.dtype}: {rows * columns} patches: "
          f"{statistics.median(seconds):.2f} s; peak memory {peak_mb():.0f} MB, {loaded:.0f} MB before the first picture, "
          f"{imported:.0f} MB before the tower, whose weights are {weights:.0f} MB")


if __name__ == "__main__":
    main()
