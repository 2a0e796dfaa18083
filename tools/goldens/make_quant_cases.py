#!/usr/bin/env python3
"""Block-format vectors for src/engine/tensor/block_format_test.cc.

Usage: make_quant_cases.py REFERENCE_FOLDER OUTPUT_FOLDER      (numpy, gguf)
REFERENCE_FOLDER holds source.npy and {TYPE}.bin / {TYPE}.npy: blocks written by gguf-py (the K and IQ types by ggml's
C library) and their values by gguf-py. This script copies them, checks them against the installed gguf-py, and adds
  random_{TYPE}.{bin,npy}  blocks of random bytes with finite scales: every field takes every value
  edge.npy, edge_{TYPE}.bin  rows that encoders get wrong: zeros, constants, ties, signs, tiny and huge values
"""
import pathlib
import shutil
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as QT

READ = "F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS MXFP4".split()
WRITTEN = "F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0".split()
# Byte offsets of the f16 fields of a block: random bytes there would mostly be absurd scales or NaN.
F16_FIELDS = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
              "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": []}


def random_blocks(name, rng):
    block_values, block_bytes = gguf.GGML_QUANT_SIZES[QT[name]]
    count = 1024 // block_values
    blocks = rng.integers(0, 256, (count, block_bytes), dtype=np.uint8)
    for offset in F16_FIELDS[name]:
        scale = (rng.normal(0, 1, count) * 10.0 ** rng.integers(-6, 3, count)).astype(np.float16)
        blocks[:, offset:offset + 2] = scale.view(np.uint8).reshape(count, 2)
    if name == "MXFP4":  # exponents 0 and 1 give subnormal scales; 240 and more can overflow
        blocks[:, 0] = rng.integers(100, 140, count)
        blocks[:4, 0] = [0, 1, 2, 239]
    return blocks.reshape(1, -1)


def edge_rows():
    rng = np.random.default_rng(7)
    ramp = np.arange(32) - 15.5
    rows = [np.zeros(32), np.full(32, 0.75), np.full(32, -3.0), np.where(np.arange(32) % 2, 1.0, -1.0),
            np.where(np.arange(32) % 2, -1.0, 1.0), ramp, -ramp, np.arange(32) * 0.5, np.eye(32)[5] * -7.0,
            np.eye(32)[31] * 127.0, ramp * 1e-6, ramp * 3e3, rng.normal(0, 1, 32) + 100, rng.integers(-127, 128, 32) / 2.0,
            rng.uniform(0, 1, 32), np.concatenate([[-127.0], np.arange(31) + 0.5])]
    return np.array(rows, np.float32)


def main():
    source_folder, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20)
    source = np.load(source_folder / "source.npy")
    edge = edge_rows()
    shutil.copy(source_folder / "source.npy", out / "source.npy")
    np.save(out / "edge.npy", edge)
    for name in READ:
        raw = np.fromfile(source_folder / f"{name}.bin", np.uint8)
        values = np.load(source_folder / f"{name}.npy")
        again = gguf.quants.dequantize(raw.reshape(1, -1), QT[name]).astype(np.float32).reshape(values.shape)
        assert np.array_equal(again.view(np.uint32), values.view(np.uint32)), name
        if name in WRITTEN:
            assert gguf.quants.quantize(source, QT[name]).tobytes() == raw.tobytes(), name
            (out / f"edge_{name}.bin").write_bytes(gguf.quants.quantize(edge, QT[name]).tobytes())
        for suffix in ("bin", "npy"):
            shutil.copy(source_folder / f"{name}.{suffix}", out / f"{name}.{suffix}")
        if name in F16_FIELDS:
            blocks = random_blocks(name, rng)
            blocks.tofile(out / f"random_{name}.bin")
            random_values = gguf.quants.dequantize(blocks, QT[name]).astype(np.float32)
            assert np.isfinite(random_values).all(), name
            np.save(out / f"random_{name}.npy", random_values)


main()
