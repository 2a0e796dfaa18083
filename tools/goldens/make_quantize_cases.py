#!/usr/bin/env python3
"""Cases for src/engine/tensor/quantize_test.cc.

Usage: make_quantize_cases.py LIBGGML_BASE_SO SMOLLM2_GGUF OUTPUT_FOLDER      (numpy, gguf)
Writes
  rows.npy, rows_{TYPE}.bin  seeded rows of 32 values and what gguf-py encodes them to (legacy types)
  {DATA}.npy, errors.txt     weights of several distributions, and the mean squared error of what ggml_quantize_chunk
                             makes of them without an importance matrix, decoded by gguf-py: lines "TYPE DATA ERROR"
"""
import ctypes
import pathlib
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as QT

LEGACY = "F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0".split()
SEARCHED = "Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS MXFP4".split()


def seeded_rows():
    rng = np.random.default_rng(31)
    normal = rng.normal(0, 1, (160, 32)) * 10.0 ** rng.integers(-6, 5, (160, 1))
    heavy = rng.standard_t(2, (64, 32)) * 0.02
    ties = rng.integers(-8, 9, (64, 32)) / 2.0  # halves between levels, both extremes often present
    negative = -np.abs(rng.normal(0, 1, (16, 32)))
    offset = rng.normal(300, 1, (16, 32))
    denormal = rng.normal(0, 3e-37, (24, 32))  # down to where 1 / scale overflows and gguf-py casts infinities
    denormal[:, ::3] *= 0.02
    huge = np.clip(rng.normal(0, 1, (8, 32)) * 3e4, -65504, 65504)
    one = np.zeros((16, 32))
    one[np.arange(16), rng.integers(0, 32, 16)] = rng.normal(0, 5, 16)
    constant = np.repeat(rng.normal(0, 1, (8, 1)), 32, 1)
    return np.concatenate([normal, heavy, ties, negative, offset, denormal, huge, one, constant]).astype(np.float32)


def distributions(smollm2):
    rng = np.random.default_rng(5)
    shape = (24, 256)
    columns = rng.normal(0, .02, shape)
    columns[:, rng.integers(0, 256, 4)] *= 20
    sparse = rng.normal(0, .02, shape)
    sparse[rng.random(shape) < .5] = 0
    made = {"gaussian": rng.normal(0, .02, shape), "uniform": rng.uniform(-.05, .05, shape),
            "heavy_tailed": rng.standard_t(3, shape) * .01, "outlier_columns": columns, "sparse": sparse,
            "offset": rng.normal(1, .1, shape), "negative": rng.normal(-1, .1, shape)}
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(smollm2).tensors}
    for data, name in [("smollm2_ffn_down", "blk.3.ffn_down.weight"), ("smollm2_embedding", "token_embd.weight")]:
        tensor = tensors[name]
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).ravel()
        made[data] = values[:24 * 256].reshape(shape)
    return {name: values.astype(np.float32) for name, values in made.items()}


def ggml_error(library, name, values):
    blocks = np.zeros(values.size * 4, np.uint8)
    rows, columns = values.shape
    size = library.ggml_quantize_chunk(int(QT[name]), values.ctypes.data_as(ctypes.c_void_p),
                                       blocks.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(0),
                                       ctypes.c_int64(rows), ctypes.c_int64(columns), None)
    read = gguf.quants.dequantize(blocks[:size].reshape(rows, -1), QT[name])
    return np.mean((read.astype(np.float64) - values) ** 2)


def main():
    library, smollm2, out = ctypes.CDLL(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    out.mkdir(parents=True, exist_ok=True)
    rows = seeded_rows()
    np.save(out / "rows.npy", rows)
    for name in LEGACY:
        (out / f"rows_{name}.bin").write_bytes(gguf.quants.quantize(rows, QT[name]).tobytes())
    lines = []
    for data, values in distributions(smollm2).items():
        np.save(out / f"{data}.npy", values)
        lines += [f"{name.lower()} {data} {ggml_error(library, name, values):.15e}\n" for name in SEARCHED]
    (out / "errors.txt").write_text("".join(lines))


main()
