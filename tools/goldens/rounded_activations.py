#!/usr/bin/env python3
"""How far logits of the quantised tiny Llama models move when activations are rounded to 8 bits.

Usage: rounded_activations.py GGUF... for files whose folder holds ref/text.input_ids.npy and ref_gguf/<type>.*.npy, as in
tests/data/models; <type> is the last part but one of the file's name. Everything but the rounding is float64. The bounds in
tests/golden/tiny_models_test.cc follow from what this prints.
"""

import pathlib
import sys

import numpy as np

from llama_exact import ExactLlama


class RoundedLlama(ExactLlama):
    def operand(self, x):
        """Blocks of 32 values in steps of 1/127 of the largest."""
        blocks = x.reshape(x.shape[:-1] + (-1, 32))
        step = np.abs(blocks).max(axis=-1, keepdims=True) / 127
        step[step == 0] = 1
        return (np.rint(blocks / step) * step).reshape(x.shape)


def main():
    for path in map(pathlib.Path, sys.argv[1:]):
        kind = path.name.split(".")[-2]
        load = lambda name: np.load(path.parent / name)
        ids, tokens = load("ref/text.input_ids.npy").ravel().tolist(), load(f"ref_gguf/{kind}.tokens.npy").ravel().tolist()
        reference = load(f"ref_gguf/{kind}.step_logits.npy")
        error = RoundedLlama(path).logits(ids + tokens[:-1], len(ids) - 1) - reference
        print(
            f"{path.name}: root mean square {np.sqrt(np.mean(error**2)) / reference.std():.4f}, "
            f"largest {np.abs(error).max() / reference.std():.3f} standard deviations ({np.abs(error).max():.3f})"
        )


if __name__ == "__main__":
    main()
