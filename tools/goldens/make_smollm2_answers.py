#!/usr/bin/env python3
"""Greedy answers of llama.cpp for SmolLM2-135M-Instruct, judged position by position by an exact evaluation.

Writes OUT/answers.json and OUT/exact_logits.npy; the README.md beside them explains every field.
Usage: make_smollm2_answers.py --model M.gguf --f32-model M32.gguf --binding DIR --lib DIR --text
       us_constitution.txt OUT
M32.gguf is what dequantise_gguf.py makes of M.gguf.
"""

import argparse
import hashlib
import json
import os

import numpy as np

from llama_cpp_peer import LlamaCpp, add_arguments
from llama_exact import ExactLlama

STEPS = 64

SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"


def chat(*turns, system=SYSTEM):
    """A conversation as the model's own template writes it, ending where the assistant starts to speak."""
    roles = ["user", "assistant"] * len(turns)
    text = f"<|im_start|>system\n{system}<|im_end|>\n"
    for role, content in zip(roles, turns):
        text += f"<|im_start|>{role}\n{content}<|im_end|>\n"
    return text + "<|im_start|>assistant\n"


def prompts(text):
    """(name, prompt) pairs. `text` is the public-domain text that the long prompts are cut from."""
    preamble = text[text.index("We the People") :]
    return [
        ("chat_capital", chat("What is the capital of France?")),
        (
            "chat_story",
            chat("Write a short story about a lighthouse keeper who finds a message in a bottle."),
        ),
        (
            "chat_two_turns",
            chat(
                "My name is Ada and I like prime numbers.",
                "Nice to meet you, Ada! Prime numbers are fascinating.",
                "What is my name, and what is the next prime after 31?",
            ),
        ),
        (
            "chat_own_system",
            chat("How do I get to the moon?", system="You are a pirate. Answer in one sentence."),
        ),
        ("chat_code", chat("Write a Python function that reverses a linked list.")),
        ("chat_arithmetic", chat("What is 17 + 25? Think step by step.")),
        ("chat_list", chat("List five fruits that are red, as a numbered list.")),
        ("chat_emoji", chat("Please explain these emoji: 🍎🚀👩‍💻🇯🇵")),
        ("chat_chinese", chat("你好！请用一句话介绍北京。")),
        ("chat_summary", chat("Summarise this text in two sentences:\n\n" + preamble[:1900])),
        ("plain_fox", "The quick brown fox"),
        ("plain_science", "Photosynthesis is the process by which"),
        ("plain_history", "In 1492, Christopher Columbus"),
        ("plain_tale", "Once upon a time, in a village at the foot of a mountain, there lived"),
        ("plain_long", preamble[:2950]),
        ("one_token", "Hello"),
        ("one_special_token", "<|im_start|>"),
        ("code_python", 'def fibonacci(n):\n    """Return the n-th Fibonacci number."""\n'),
        ("code_c", "#include <stdio.h>\n\nint main(void) {\n\tfor (int i = 0; i < 10; ++i) {\n\t\t"),
        (
            "code_javascript",
            "// Fetch a user and print the name\nasync function printUser(id) {\n  const response =",
        ),
        ("code_sql", "SELECT customer_id, SUM(amount) AS total\nFROM orders\nWHERE"),
        ("code_html", "<!DOCTYPE html>\n<html>\n<head>\n  <title>My page</title>\n"),
        ("json", '{"name": "Alice", "age": 30, "languages": ["Python", "C++"], "address": {'),
        ("csv", "id,name,price\n1,apple,0.50\n2,banana,0.25\n3,cherry,"),
        ("count", "1, 2, 3, 4, 5, 6, 7, 8,"),
        ("digits", "3.14159265358979"),
        ("german", "Die Hauptstadt von Deutschland ist"),
        ("spanish", "Había una vez una niña que vivía en un pueblo pequeño y"),
        ("french", "Aujourd'hui, l'été a commencé et les élèves"),
        ("russian", "Москва — это столица"),
        ("japanese", "日本の首都は"),
        ("arabic", "مرحبا، كيف حالك؟"),
        ("whitespace", "   \n\n\t\tname:\t\t  value  \n\n\n        indented    text   with   gaps\n\n"),
        ("repeated", "the cat sat on the mat. " * 12),
        ("repeated_letter", "a" * 97),
        ("symbols", "$$ \\int_0^1 x^2 \\, dx = \\frac{1}{3} $$ and $$ \\sum_{k=1}^{n} k ="),
        ("end_token_inside", "<|im_start|>user\nSay hi.<|im_end|>\n<|im_start|>assistant\nHi!<|im_end|>\n"),
        ("file_tokens", "<repo_name>acme/tools<file_sep>src/main.rs\nfn main() {"),
    ]


# Rows of exact_logits.npy: prompt and step. Step 0 follows the prompt, step 63 another 63 answer tokens.
EXACT_ROWS = [
    ("chat_capital", 0),
    ("plain_long", 0),
    ("code_python", 0),
    ("one_token", 0),
    ("chat_chinese", 63),
    ("plain_long", 63),
]


def greedy(peer, prompt_ids):
    """64 greedy tokens and the logits each was chosen from; end-of-generation tokens do not stop it."""
    peer.clear()
    tokens, rows = [], []
    logits = peer.decode(prompt_ids, 0)
    while True:
        rows.append(logits[0])
        tokens.append(int(logits[0].argmax()))
        if len(tokens) == STEPS:
            return tokens, np.stack(rows)
        logits = peer.decode(tokens[-1:], len(prompt_ids) + len(tokens) - 1)


def short(values, digits=5):
    return [float(f"{v:.{digits}g}") for v in values]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--f32-model", required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("out")
    args = parser.parse_args()
    peer, exact = LlamaCpp(args), ExactLlama(args.model)
    f32_peer = LlamaCpp(args, model=args.f32_model)
    wanted = {row: None for row in EXACT_ROWS}
    cases, parted, explained, worst, f32_worst = [], 0, 0, 0.0, 0.0
    for name, prompt in prompts(open(args.text, encoding="utf-8").read()):
        ids = peer.tokenize(prompt.encode())
        tokens, rows = greedy(peer, ids)
        truth = exact.logits(ids + tokens[:-1], first=len(ids) - 1)
        order = np.argsort(-truth, axis=1, kind="stable")[:, :2]
        best = np.take_along_axis(truth, order, axis=1)
        margin, error = best[:, 0] - best[:, 1], np.abs(rows - truth).max(axis=1)
        differ = order[:, 0] != tokens
        parted += int(differ.sum())
        explained += int((differ & (margin < error)).sum())
        worst = max(worst, float(error.max()))
        print(
            f"{name:20s} {len(ids):4d} tokens, error max {error.max():.3f} median {np.median(error):.3f}, "
            f"least margin {margin.min():.4f}, parted {int(differ.sum())}",
            flush=True,
        )
        f32_tokens, f32_rows = greedy(f32_peer, ids)
        same = next((k for k in range(STEPS) if f32_tokens[k] != tokens[k]), STEPS - 1) + 1  # equal histories
        f32_worst = max(f32_worst, float(np.abs(f32_rows[:same] - truth[:same]).max()))
        f32_best = -np.partition(-f32_rows, 1, axis=1)[:, :2].astype(np.float64)
        for name_, step in EXACT_ROWS:
            if name_ == name:
                wanted[name_, step] = truth[step].astype(np.float32)
        cases.append(
            {
                "name": name,
                "prompt": prompt,
                "prompt_ids": ids,
                "tokens": tokens,
                "top1": order[:, 0].tolist(),
                "top2": order[:, 1].tolist(),
                "top1_logit": short(best[:, 0], 7),
                "margin": short(margin),
                "error": short(error, 4),
                "f32_tokens": f32_tokens,
                "f32_margin": short(f32_best[:, 0] - f32_best[:, 1]),
            }
        )
    print(
        f"{len(cases)} prompts; llama.cpp parts from the exact best at {parted} of {len(cases) * STEPS} "
        f"positions, the margin is below its error at {explained} of them; worst error {worst:.3f}; with "
        f"f32 weights its worst error is {f32_worst:.1e}"
    )
    np.save(os.path.join(args.out, "exact_logits.npy"), np.stack([wanted[row] for row in EXACT_ROWS]).astype(np.float16))
    head = {
        "model_sha256": hashlib.sha256(open(args.model, "rb").read()).hexdigest(),
        "engine": f"llama.cpp of llama-cpp-python {peer.version}",
        "threads": args.threads,
        "engine_cpu": peer.system_info(),
        "kv": "f32",
        "steps": STEPS,
        "exact_logits": [{"prompt": name, "step": step} for name, step in EXACT_ROWS],
    }
    dump = lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    with open(os.path.join(args.out, "answers.json"), "w", encoding="utf-8") as out:
        out.write(dump(head)[:-1] + ',"cases":[\n' + ",\n".join(dump(c) for c in cases) + "\n]}\n")


if __name__ == "__main__":
    main()
