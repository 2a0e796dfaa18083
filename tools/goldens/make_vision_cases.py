#!/usr/bin/env python3
"""Pictures and positions of a tiny GLM-4.1V for tests/data/vision/.

Usage: make_vision_cases.py REFERENCE_FOLDER OUTPUT_FOLDER      (numpy)
REFERENCE_FOLDER is one of make_tiny_models.py: model.safetensors and ref/, written by transformers. Large arrays are
kept as checksums, wide ones by their first columns.
"""
import json
import pathlib
import shutil
import struct
import sys

import numpy as np

TABLE = "model.visual.embeddings.position_embedding.weight"
TABLE_COLUMNS = 4
PROMPTS = ["img_a", "img_b", "img_ab", "video"]


def fnv1a(data):
    value = 14695981039346656037
    for byte in data:
        value = (value ^ byte) * 1099511628211 % 2**64
    return f"{value:016x}"


def tensor(path, name):
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        entry = json.loads(file.read(size))[name]
        begin, end = entry["data_offsets"]
        file.seek(8 + size + begin)
        return np.frombuffer(file.read(end - begin), np.float32).reshape(entry["shape"])


def main(source, out):
    out.mkdir(parents=True, exist_ok=True)
    load = lambda name: np.load(source / "ref" / f"{name}.npy")
    shutil.copy(source / "ref/smart_resize.npy", out)
    np.save(out / "position_table.npy", tensor(source / "model.safetensors", TABLE)[:, :TABLE_COLUMNS])
    cases = {}
    for name in PROMPTS:
        cases[name] = {"ids": load(f"{name}.input_ids").tolist(), "grids": load(f"{name}.grid_thw").tolist(),
                       "positions": load(f"{name}.position_ids").ravel().tolist(),
                       "delta": int(load(f"{name}.rope_delta")[0])}
    for name in ["img_a", "img_ab"]:
        case = cases[name]
        case["image_files"] = []
        case["resized_fnv1a"] = []
        for i in range(len(case["grids"])):
            image = f"{name}.image{i}.png"
            shutil.copy(source / "ref" / image, out)
            case["image_files"].append(image)
            case["resized_fnv1a"].append(fnv1a(load(f"{name}.resized{i}").tobytes()))
        case["pixel_values_fnv1a"] = fnv1a(load(f"{name}.pixel_values").tobytes())
        case["vision_pos"] = load(f"{name}.vision_pos").ravel().tolist()
    # The first slice of the video: two frames that differ.
    rows = np.prod(cases["video"]["grids"][0][1:])
    np.save(out / "video.frames.npy", load("video.frames")[:2])
    cases["video"]["slice_fnv1a"] = fnv1a(load("video.pixel_values")[:rows].tobytes())
    # Pairs (k, k + head_dim / 2) have one angle.
    half = load("img_ab.vision_cos").shape[-1] // 2
    np.save(out / "img_ab.cos.npy", load("img_ab.vision_cos")[:, :half])
    np.save(out / "img_ab.sin.npy", load("img_ab.vision_sin")[:, :half])
    for name in ["img_a", "img_ab"]:
        added = load(f"{name}.v.pos_added").astype(np.float64) - load(f"{name}.v.post_conv_norm")
        np.save(out / f"{name}.positions.npy", added[:, :TABLE_COLUMNS].astype(np.float32))
    (out / "cases.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
