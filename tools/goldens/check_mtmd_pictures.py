#!/usr/bin/env python3
"""Greedy tokens behind pictures: `oag run --image --raw` beside llama.cpp's mtmd on the same GGUF files.

usage: check_mtmd_pictures.py OAG --model GGUF --mmproj GGUF --binding DIR --lib DIR --mtmd DIR
                              [--sizes WxH,...] [--reference PICTURE ROWS.npy] [--tokens N]

--binding and --lib are as in llama_cpp_peer.py, --mtmd is the folder of libmtmd.so. Pictures are made here, of the
sizes given: multiples of 28, so that neither engine resizes them. Printed for each: the tokens that both give (8), the
place of the first that parts and, in llama.cpp's logits there, the margin between the two. With --reference also: how
far mtmd's rows of that picture are from the reference's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

import llama_cpp_peer

BEFORE = "[gMASK]<sop><|system|>\nBe brief.<|user|>\n"
AFTER = "What is on the screen?<|assistant|>\n"
PICTURE = "<|begin_of_image|><|image|><|end_of_image|>"  # which mtmd writes itself around a picture


def picture(width, height, seed):
    """Smooth in places, noise in others: [height, width, 3] u8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [np.sin(x / (5 + 3 * c) + seed) * np.cos(y / (7 + 2 * c)) * 100 + 128 for c in range(3)]
    pixels = np.stack(planes, axis=-1) + rng.normal(0, 12, (height, width, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def write_png(path, pixels):
    import struct
    import zlib

    height, width, _ = pixels.shape
    raw = b"".join(b"\0" + row.tobytes() for row in pixels)
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


class Mtmd:
    def __init__(self, options):
        os.environ["MTMD_CPP_LIB"] = options.mtmd
        self.llama = llama_cpp_peer.LlamaCpp(options)
        import llama_cpp.mtmd_cpp as api

        self.api = api
        api.mtmd_helper_log_set(self.llama.quiet, None)
        params = api.mtmd_context_params_default()
        params.use_gpu, params.warmup, params.n_threads = False, False, options.threads
        params.flash_attn_type = self.llama.api.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.context = api.mtmd_init_from_file(options.mmproj.encode(), self.llama.model, params)
        if not self.context:
            raise SystemExit(f"{options.mmproj}: mtmd cannot load it")

    def chunks(self, text, files):
        import ctypes

        api = self.api
        bitmaps = (api.mtmd_bitmap_p_ctypes * len(files))()
        for i, file in enumerate(files):
            bitmaps[i] = api.mtmd_helper_bitmap_init_from_file(self.context, file.encode(), False)
        chunks = api.mtmd_input_chunks_init()
        given = api.mtmd_input_text(text=text.encode(), text_len=len(text.encode()), add_special=False, parse_special=True)
        if api.mtmd_tokenize(self.context, chunks, ctypes.byref(given), bitmaps, len(files)) != 0:
            raise SystemExit("mtmd_tokenize failed")
        return chunks

    def rows(self, file):
        """[tokens, hidden size] f32."""
        api = self.api
        chunks = self.chunks(api.mtmd_default_marker().decode(), [file])
        for i in range(api.mtmd_input_chunks_size(chunks)):
            chunk = api.mtmd_input_chunks_get(chunks, i)
            if api.mtmd_input_chunk_get_type(chunk) != 1:
                continue
            if api.mtmd_encode_chunk(self.context, chunk) != 0:
                raise SystemExit("mtmd_encode_chunk failed")
            count = api.mtmd_input_chunk_get_n_tokens(chunk)
            width = self.llama.api.llama_model_n_embd(self.llama.model)
            return np.ctypeslib.as_array(api.mtmd_get_output_embd(self.context), (count, width)).copy()
        raise SystemExit("no picture in the chunks")

    def answer(self, text, files, tokens):
        """Greedy ids and the logits that each was picked from."""
        import ctypes

        llama, api = self.llama, self.api
        llama.clear()
        past = llama.api.llama_pos(0)
        if api.mtmd_helper_eval_chunks(
            self.context, llama.context, self.chunks(text, files), 0, 0, 512, True, ctypes.byref(past)
        ):
            raise SystemExit("mtmd_helper_eval_chunks failed")
        logits = np.ctypeslib.as_array(llama.api.llama_get_logits_ith(llama.context, -1), (llama.vocab_size,)).copy()
        ids, steps = [], []
        for i in range(tokens):
            ids.append(int(logits.argmax()))
            steps.append(logits)
            logits = llama.decode([ids[-1]], past.value + i)[0]
        return ids, steps


def ours(options, text, files):
    command = [options.oag, "run", options.model, "--mmproj", options.mmproj, "--raw", "--greedy", "--ignore-eos", "--kv", "f32"]
    command += ["--json", "-n", str(options.tokens), "-p", text]
    for file in files:
        command += ["--image", file]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["token_ids"]


def compare(name, mine, theirs, steps):
    if mine == theirs:
        print(f"{name}: the same {len(mine)} tokens, least margin {min(np.partition(s, -2)[-1] - np.partition(s, -2)[-2] for s in steps):.3f}")
        return True
    at = next(i for i, (a, b) in enumerate(zip(mine, theirs)) if a != b)
    margin = steps[at][theirs[at]] - steps[at][mine[at]]
    print(f"{name}: token {at} parts, {mine[at]} and {theirs[at]}, {margin:.4f} apart in mtmd's logits")
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("oag")
    llama_cpp_peer.add_arguments(parser)
    parser.add_argument("--mmproj", required=True)
    parser.add_argument("--mtmd", required=True)
    parser.add_argument("--sizes", default="112x112,168x84,84x168,140x140,224x112,140x196,196x140,224x224")
    parser.add_argument("--reference", nargs=2, action="append", default=[], metavar=("PICTURE", "ROWS"))
    parser.add_argument("--tokens", type=int, default=8)
    options = parser.parse_args()
    mtmd = Mtmd(options)
    marker = mtmd.api.mtmd_default_marker().decode()
    for file, rows in options.reference:
        mine, expected = mtmd.rows(file), np.load(rows)
        scale = np.sqrt((expected**2).mean())
        print(f"rows of {os.path.basename(file)}: mtmd's are at most {np.abs(mine - expected).max():.2e} from the reference's, "
              f"whose root mean square is {scale:.2f}")
    same = True
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for seed, size in enumerate(options.sizes.split(",")):
            width, height = map(int, size.split("x"))
            files.append(os.path.join(folder, f"{size}.png"))
            write_png(files[-1], picture(width, height, seed))
            theirs, steps = mtmd.answer(BEFORE + marker + AFTER, files[-1:], options.tokens)
            same &= compare(size, ours(options, BEFORE + PICTURE + AFTER, files[-1:]), theirs, steps)
        theirs, steps = mtmd.answer(BEFORE + marker + "and " + marker + AFTER, files[:2], options.tokens)
        mine = ours(options, BEFORE + PICTURE + "and " + PICTURE + AFTER, files[:2])
        same &= compare("the first two", mine, theirs, steps)
    sys.exit(int(not same))


if __name__ == "__main__":
    main()
