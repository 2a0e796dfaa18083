#!/usr/bin/env python3
"""The picture that `oag doctor` draws, and what transformers makes of it, as checksums for src/llm/vision/test_screen.h.

Usage: make_test_screen.py [OUT.png]      (numpy, Pillow, torch, transformers)
The picture is drawn here a second time, by the rules that test_screen.h states. Pillow resizes it; transformers'
Glm4vImageProcessor makes the rows from the resized picture, which it does not resize again.
"""
import sys

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 1080, 2400


def draw():
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.uint32)
    out = np.stack([x * 255 // (WIDTH - 1), y * 255 // (HEIGHT - 1), 255 - (x + y) * 255 // (WIDTH + HEIGHT - 2)], -1)
    bars = (y >= 160) & (y < 400)
    for channel in range(3):
        out[..., channel][bars] = ((x * 8 // WIDTH >> channel & 1) * 255)[bars]
    text = (y >= 480) & (y < 1600)
    column, row = x // 24, (y - 480) // 40
    dot_x, dot_y = x % 24 // 4, (y - 480) % 40 // 4
    mixed = column * np.uint32(73856093) ^ row * np.uint32(19349663) ^ (dot_y * 5 + dot_x) * np.uint32(83492791)
    lit = (dot_x < 5) & (dot_y < 8) & ((mixed >> 13 & 1) == 1)
    out[text] = np.where(lit, 16, 248)[text][:, None]
    stripes = (y >= 1700) & (y < 2200) & (x >= 90) & (x < 990)
    out[stripes] = np.where((x // (1 + (y - 1700) // 100) & 1) == 1, 255, 0)[stripes][:, None]
    out[y < 72] = [24, 24, 32]
    out[y >= 2280] = [200, 204, 208]
    return out.astype(np.uint8)


def fnv1a(data):
    value = 14695981039346656037
    for byte in data:
        value = (value ^ byte) * 1099511628211 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def main(arguments):
    picture = draw()
    if arguments:
        Image.fromarray(picture).save(arguments[0])
    print("drawn  ", fnv1a(picture.tobytes()))
    resized = Image.fromarray(picture).resize((1092, 2408), Image.Resampling.BICUBIC)
    print("resized", fnv1a(resized.tobytes()))
    from transformers import Glm4vImageProcessor

    processor = Glm4vImageProcessor(size={"shortest_edge": 12544, "longest_edge": 28 * 28 * 2 * 6144})
    made = processor(images=resized, return_tensors="np")
    print("grid   ", made["image_grid_thw"].tolist(), made["pixel_values"].shape, made["pixel_values"].dtype)
    print("rows   ", fnv1a(made["pixel_values"].astype(np.float32).tobytes()))


main(sys.argv[1:])
