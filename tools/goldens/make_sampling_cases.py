#!/usr/bin/env python3
"""Greedy tokens that transformers' logits processors leave of made-up logits, step after step.

Writes OUT/cases.json; the README.md beside it explains the fields. Needs torch and transformers.
Usage: make_sampling_cases.py OUT
"""

import argparse
import json
import os
import random

import torch
import transformers
from transformers import (
    LogitsProcessorList,
    MinNewTokensLengthLogitsProcessor,
    NoBadWordsLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    SequenceBiasLogitsProcessor,
)

VOCAB = 48
STEPS = 40
END = 47  # the token that MinNewTokensLength bars; it does not end a case otherwise


def made_up_logits(seed):
    """[VOCAB] multiples of 1/8 from -8 to 7.875, from a 32-bit linear congruential generator."""
    state, row = seed & 0xFFFFFFFF, []
    for _ in range(VOCAB):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        row.append(((state >> 16) % 128 - 64) / 8)
    return row


def run(case):
    processors = LogitsProcessorList()
    prompt = case["prompt"]
    if "logit_bias" in case:
        processors.append(SequenceBiasLogitsProcessor([[[i], b] for i, b in case["logit_bias"]]))
    if "repeat_penalty" in case:
        processors.append(RepetitionPenaltyLogitsProcessor(case["repeat_penalty"]))
    if "bad_words" in case:
        processors.append(NoBadWordsLogitsProcessor(case["bad_words"]))
    if "min_tokens" in case:
        processors.append(MinNewTokensLengthLogitsProcessor(len(prompt), case["min_tokens"], [END]))
    ids = list(prompt)
    for step in range(STEPS):
        # Few different rows, so that tokens and sequences come again.
        logits = torch.tensor([made_up_logits(case["seed"] + step % 5)], dtype=torch.float32)
        ids.append(int(processors(torch.tensor([ids]), logits)[0].argmax()))
    return ids[len(prompt) :]


def bad_words_of(ids, rng):
    """Pieces of a text that would come, of 1 to 4 tokens, and some that only begin like it."""
    words = []
    for length in (1, 2, 2, 3, 3, 4):
        at = rng.randrange(len(ids) - length)
        words.append(ids[at : at + length])
    words.append(ids[1:3] + [rng.randrange(VOCAB)])
    return [list(word) for word in dict.fromkeys(map(tuple, words))]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    out = parser.parse_args().out
    rng = random.Random(4)
    cases = []
    for number in range(24):
        case = {"seed": number * 1000 + 17, "prompt": [rng.randrange(VOCAB) for _ in range(5)]}
        plain = run(case)
        if number % 2:
            ids = rng.sample(plain, 3) + rng.sample(range(VOCAB), 3)
            case["logit_bias"] = [[i, rng.randrange(-64, 65) / 16] for i in dict.fromkeys(ids)]
        if number % 3:
            case["repeat_penalty"] = rng.choice([1.25, 1.5, 2.0, 0.5])
        if number % 4 != 1:
            case["bad_words"] = bad_words_of(case["prompt"] + plain, rng)
            case["bad_words"] = [w for w in case["bad_words"] if w != [END]]  # which transformers lets pass
        if number % 5 > 2:
            case["min_tokens"] = rng.randrange(1, STEPS)
            case.setdefault("logit_bias", []).append([END, 40.0])
            case["logit_bias"] = [[i, b] for i, b in dict(map(tuple, case["logit_bias"])).items()]
        case["tokens"] = run(case)
        assert case["tokens"] != plain or len(case) == 3
        cases.append(case)
    data = {"transformers": transformers.__version__, "vocab": VOCAB, "end": END, "cases": cases}
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "cases.json"), "w") as file:
        lines = ",\n".join("  " + json.dumps(case) for case in cases)
        head = json.dumps({k: v for k, v in data.items() if k != "cases"})[:-1]
        file.write(head + ', "cases": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
