#!/usr/bin/env python3
"""Checks llama_exact.py against stored transformers references of tiny models.

Each folder holds NAME.f32.gguf and ref/{text,one,long}.{input_ids,prompt_logits,step_logits,tokens}.npy.
Usage: check_llama_exact.py FOLDER...     (exit status 1 when a logit is further than 2e-4 or a token
       differs)
"""

import glob
import os
import sys

import numpy as np

from llama_exact import ExactLlama


def main():
    bad = False
    for folder in sys.argv[1:]:
        model = ExactLlama(glob.glob(os.path.join(folder, "*.f32.gguf"))[0])
        for case in ("text", "one", "long"):
            load = lambda what: np.load(os.path.join(folder, "ref", f"{case}.{what}.npy"))
            ids, tokens = load("input_ids").ravel().tolist(), load("tokens").ravel().tolist()
            logits = model.logits(ids + tokens[:-1])
            prompt = np.abs(logits[: len(ids)] - load("prompt_logits").reshape(len(ids), -1)).max()
            steps = np.abs(logits[len(ids) - 1 :] - load("step_logits")).max()
            same = logits[len(ids) - 1 :].argmax(axis=1).tolist() == tokens
            bad |= not same or max(prompt, steps) > 2e-4
            print(
                f"{folder} {case}: prompt {prompt:.2e}, steps {steps:.2e}, "
                f"tokens {'same' if same else 'DIFFER'}"
            )
    sys.exit(int(bad))


if __name__ == "__main__":
    main()
