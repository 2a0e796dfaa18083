#!/usr/bin/env python3
"""Makes a tiny model that stands in for AutoGLM-Phone where a server is tested.

Usage: make_tiny_agent.py FOLDER [--seed N]        (numpy)

A Hugging Face folder of the same kind as AutoGLM-Phone-9B: Glm4v with a vision tower, 65,536 positions, a chat template that
takes pictures, </answer> among the ids that end an answer. Its weights are random: what it writes is nonsense, and only a
grammar makes actions of it. It proves protocol, cache and stop handling, never intelligence.

The weights are random but for one thing. Channel 0 of the hidden state keeps one value from the embedding to the last norm,
so that column 0 of the output layer is a bias for each token: readable text, texts in quotes that end soon, and no end of
the answer before a grammar asks for one.
"""
import argparse
import collections
import json
import pathlib
import re
import struct

import numpy as np

HIDDEN, LAYERS, HEADS, KV_HEADS, HEAD_SIZE, INNER = 64, 2, 4, 2, 16, 96
VISION_HIDDEN, VISION_BLOCKS, VISION_HEADS, VISION_INNER = 32, 2, 2, 64
PATCH, MERGE, FRAMES, VISION_SIDE = 14, 2, 2, 336
POSITIONS = 65536
MERGES = 400

SPECIAL = ["<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>", "<|assistant|>",
           "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>", "<|image|>",
           "<|video|>", "<|begin_of_box|>", "<|end_of_box|>"]
MARKS = ["<think>", "</think>", "<answer>", "</answer>"]  # tokens that are part of the text
ENDS = ["<|endoftext|>", "<|user|>", "<|observation|>", "</answer>"]

# What the merges are learnt from: the words of the agent's answers, and some prose.
TEXT = """
The screen shows the list of apps. I tap the search field, type the name of the shop and open the first result.
The next step is to scroll down, since the button is not on the screen yet. Wait for the page to load, then go back.
do(action="Launch", app="Settings") do(action="Tap", element=[500,250]) do(action="Type", text="coffee near me")
do(action="Swipe", start=[500,800], end=[500,200]) do(action="Back") do(action="Home") do(action="Wait", duration="2 seconds")
do(action="Long Press", element=[120,640]) do(action="Double Tap", element=[301,402]) do(action="Take_over", message="Please sign in")
do(action="Note", message="True") do(action="Call_API", instruction="Sum up the page") do(action="Interact")
finish(message="The order has been placed.") finish(message="The alarm is set for seven.")
You are an agent that works on a phone. Task: open the settings and switch the dark mode on. ** Screen Info ** {"current_app": "System Home"}
"""

# Turns begin with their role; the content of users may be parts, that of others is written as it is.
CHAT_TEMPLATE = """[gMASK]<sop>
{%- for message in messages %}
{%- if message.role == 'user' %}{{ '<|user|>\\n' }}
{%- if message.content is string %}{{ message.content }}
{%- else %}
{%- for part in message.content %}
{%- if part.type == 'video' or 'video' in part %}<|begin_of_video|><|video|><|end_of_video|>
{%- elif part.type == 'image' or 'image' in part %}<|begin_of_image|><|image|><|end_of_image|>
{%- elif part.type == 'text' %}{{ part.text }}
{%- endif %}
{%- endfor %}
{%- endif %}
{%- else %}{{ '<|' + message.role + '|>\\n' + message.content }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"""

# How GLM-4 cuts text into words.
WORDS = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_letters():
    """The letter that stands for each byte in byte-level vocabularies."""
    letters, other = {}, 256
    for byte in range(256):
        shown = 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or 0xAE <= byte <= 0xFF
        letters[byte] = chr(byte if shown else other)
        other += not shown
    return letters


def learn_merges(text, count):
    """Byte pair encoding: the most frequent pairs within words, in order."""
    letters = byte_letters()
    words = collections.Counter(tuple(letters[byte] for byte in word.encode())
                                for word in re.findall(r" ?[A-Za-z]+|\d{1,3}| ?[^\sA-Za-z\d]+\n*|\s+", text))
    merges = []
    while len(merges) < count:
        pairs = collections.Counter()
        for word, times in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += times
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = collections.Counter({join_pair(word, best): times for word, times in words.items()})
    return merges


def join_pair(word, pair):
    joined, at = [], 0
    while at < len(word):
        both = word[at:at + 2] == pair
        joined.append("".join(pair) if both else word[at])
        at += 2 if both else 1
    return tuple(joined)


def make_tokenizer():
    """tokenizer.json and the texts of all tokens, by id."""
    letters = byte_letters()
    merges = learn_merges(TEXT, MERGES)
    pieces = list(dict.fromkeys([letters[byte] for byte in range(256)] + [a + b for a, b in merges]))
    names = pieces + SPECIAL + MARKS
    names += [f"<|unused_{i}|>" for i in range(-len(names) % 64)]
    added = [{"id": i, "content": names[i], "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": names[i] not in MARKS} for i in range(len(pieces), len(names))]
    split = {"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Isolated", "invert": False}
    levels = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    document = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, levels]},
        "post_processor": None, "decoder": dict(levels, add_prefix_space=True, use_regex=True),
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": True,
                  "vocab": {piece: i for i, piece in enumerate(pieces)}, "merges": [[a, b] for a, b in merges]},
    }
    return document, names, len(pieces)


def token_bias(names, pieces):
    """What the output layer adds to each token's logit."""
    bias = np.full(len(names), -12.0)
    for i in range(pieces):
        text = names[i].replace("Ġ", " ").replace("Ċ", "\n")
        if all(c == "\n" or " " <= c <= "~" for c in text):
            bias[i] = -3.0 if "\n" in text else 2.5 if text.startswith('"') else 0.0
    bias[names.index("<|begin_of_box|>")] = bias[names.index("<|end_of_box|>")] = -0.5
    bias[names.index("</think>")] = -1.0
    return bias


def make_weights(names, pieces, seed):
    random = np.random.default_rng(seed)
    weights = {}

    def draw(name, *shape, scale=None):
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        weights[name] = random.standard_normal(shape) * (scale or fan_in ** -0.5)

    def norm(name, size, value=1.0):
        weights[name] = np.full(size, value)

    steady, branch = 4.0, 0.7  # channel 0; how much each branch adds to the others
    text = "model.language_model."
    draw(text + "embed_tokens.weight", len(names), HIDDEN, scale=1.0)
    weights[text + "embed_tokens.weight"][:, 0] = steady
    for layer in range(LAYERS):
        at = f"{text}layers.{layer}."
        for part, size in [("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)]:
            draw(f"{at}self_attn.{part}_proj.weight", size * HEAD_SIZE, HIDDEN)
            draw(f"{at}self_attn.{part}_proj.bias", size * HEAD_SIZE, scale=0.1)
        draw(at + "self_attn.o_proj.weight", HIDDEN, HEADS * HEAD_SIZE)
        draw(at + "mlp.gate_up_proj.weight", 2 * INNER, HIDDEN)
        draw(at + "mlp.down_proj.weight", HIDDEN, INNER)
        norm(at + "input_layernorm.weight", HIDDEN)
        norm(at + "post_attention_layernorm.weight", HIDDEN)
        for name in ["post_self_attn_layernorm.weight", "post_mlp_layernorm.weight"]:
            norm(at + name, HIDDEN, branch)
            weights[at + name][0] = 0.0
    norm(text + "norm.weight", HIDDEN)
    others = 1 + 2 * LAYERS * branch ** 2
    seen = steady / np.sqrt((steady ** 2 + (HIDDEN - 1) * others) / HIDDEN)  # channel 0 behind the last norm
    draw("lm_head.weight", len(names), HIDDEN, scale=0.15)
    weights["lm_head.weight"][:, 0] = token_bias(names, pieces) / seen

    eye = "model.visual."
    draw(eye + "patch_embed.proj.weight", VISION_HIDDEN, 3, FRAMES, PATCH, PATCH)
    draw(eye + "patch_embed.proj.bias", VISION_HIDDEN, scale=0.1)
    draw(eye + "embeddings.position_embedding.weight", (VISION_SIDE // PATCH) ** 2, VISION_HIDDEN, scale=0.3)
    for block in range(VISION_BLOCKS):
        at = f"{eye}blocks.{block}."
        norm(at + "norm1.weight", VISION_HIDDEN)
        norm(at + "norm2.weight", VISION_HIDDEN)
        draw(at + "attn.qkv.weight", 3 * VISION_HIDDEN, VISION_HIDDEN)
        draw(at + "attn.proj.weight", VISION_HIDDEN, VISION_HIDDEN)
        draw(at + "mlp.gate_proj.weight", HIDDEN, VISION_HIDDEN)
        draw(at + "mlp.up_proj.weight", HIDDEN, VISION_HIDDEN)
        draw(at + "mlp.down_proj.weight", VISION_HIDDEN, HIDDEN)
    norm(eye + "post_conv_layernorm.weight", VISION_HIDDEN)
    norm(eye + "post_layernorm.weight", VISION_HIDDEN)
    draw(eye + "downsample.weight", HIDDEN, VISION_HIDDEN, MERGE, MERGE)
    draw(eye + "downsample.bias", HIDDEN, scale=0.1)
    draw(eye + "merger.proj.weight", HIDDEN, HIDDEN)
    norm(eye + "merger.post_projection_norm.weight", HIDDEN)
    norm(eye + "merger.post_projection_norm.bias", HIDDEN, 0.0)
    draw(eye + "merger.gate_proj.weight", VISION_INNER, HIDDEN)
    draw(eye + "merger.up_proj.weight", VISION_INNER, HIDDEN)
    draw(eye + "merger.down_proj.weight", HIDDEN, VISION_INNER)
    return weights


def to_bf16(values):
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def write_safetensors(path, weights):
    header, parts, at = {}, [], 0
    for name in sorted(weights):
        data = to_bf16(weights[name]).tobytes()
        header[name] = {"dtype": "BF16", "shape": list(weights[name].shape), "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


def configs(names):
    ids = {name: i for i, name in enumerate(names)}
    ends = [ids[name] for name in ENDS]
    text = {
        "model_type": "glm4v_text", "hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "vocab_size": len(names), "attention_bias": True,
        "hidden_act": "silu", "rms_norm_eps": 1e-5, "max_position_embeddings": POSITIONS, "rope_theta": 10000.0,
        "partial_rotary_factor": 0.5, "rope_scaling": {"rope_type": "default", "mrope_section": [1, 1, 2]},
        "pad_token_id": ids["<|endoftext|>"], "eos_token_id": ends, "use_cache": True,
    }
    vision = {
        "model_type": "glm4v_vision", "depth": VISION_BLOCKS, "hidden_size": VISION_HIDDEN, "num_heads": VISION_HEADS,
        "intermediate_size": VISION_INNER, "out_hidden_size": HIDDEN, "hidden_act": "silu", "in_channels": 3,
        "image_size": VISION_SIDE, "patch_size": PATCH, "spatial_merge_size": MERGE, "temporal_patch_size": FRAMES,
        "attention_bias": False, "rms_norm_eps": 1e-5,
    }
    config = {
        "architectures": ["Glm4vForConditionalGeneration"], "model_type": "glm4v", "tie_word_embeddings": False,
        "torch_dtype": "bfloat16", "text_config": text, "vision_config": vision,
        "image_token_id": ids["<|image|>"], "video_token_id": ids["<|video|>"],
        "image_start_token_id": ids["<|begin_of_image|>"], "image_end_token_id": ids["<|end_of_image|>"],
        "video_start_token_id": ids["<|begin_of_video|>"], "video_end_token_id": ids["<|end_of_video|>"],
    }
    return {
        "config.json": config,
        "generation_config.json": {"eos_token_id": ends, "pad_token_id": ids["<|endoftext|>"]},
        "preprocessor_config.json": {
            "image_processor_type": "Glm4vImageProcessor", "do_rescale": True, "patch_size": PATCH, "merge_size": MERGE,
            "temporal_patch_size": FRAMES, "size": {"shortest_edge": 112 * 112, "longest_edge": 28 * 28 * 2 * 6144},
            "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]},
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>",
            "model_max_length": POSITIONS, "clean_up_tokenization_spaces": False, "chat_template": CHAT_TEMPLATE},
    }


def main():
    parser = argparse.ArgumentParser(description="Makes a tiny model that stands in for AutoGLM-Phone in tests.")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=20)
    options = parser.parse_args()
    tokenizer, names, pieces = make_tokenizer()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, document in {**configs(names), "tokenizer.json": tokenizer}.items():
        (options.folder / name).write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    write_safetensors(options.folder / "model.safetensors", make_weights(names, pieces, options.seed))


if __name__ == "__main__":
    main()
