#!/usr/bin/env python3
"""A tiny BERT encoder and its references for tests/data/bert/.

Usage: make_bert_cases.py OUTPUT            (torch, transformers 5.23, sentence-transformers, tokenizers 0.23)
       make_bert_cases.py --check FOLDER OAG       a real model: vectors of `oag embed` and ids of `oag tokenize` against
                                                   sentence-transformers and tokenizers
Random weights; a WordPiece vocabulary of 700 pieces. vectors.json holds texts with the vectors that sentence-transformers
gives, mean and first token, cut at 24 tokens. make_generated_token_cases.py compares the tokenizer.
"""
import json
import pathlib
import subprocess
import sys

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Normalize, Pooling, Transformer
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel

from generated_texts import make_text, read_pieces

BLOCKS, BLOCK = 100, 100
CORPUS = ["The phone shows a list of apps and a search box at the top of the screen.",
          "Tap the search box, type the name of the shop, and wait for the page to load.",
          "A model reads tokens, mixes them with attention, and writes the next token.",
          "Numbers: 0 1 2 3 10 42 128 1024 4096 65536 3.14159 1e-5 2025-12-09 12:30:45",
          "naive cafe uber strasse senor privet mir unbelievable internationalization",
          "打开微信，给张三发一条消息：今天晚上一起吃饭吗？", "Привет мир как дела", "こんにちは 안녕하세요", "🙂🚀"]
TEXTS = ["the phone shows a list", "Tap the SEARCH box!", "", " ", "🙂🚀", "打开微信，给张三发一条消息", "naïve café über straße",
         "wait for the page to load. " * 12, "unbelievable internationalization " * 30, "x", "1024", "Привет мир", "こんにちは 안녕하세요",
         "a model reads tokens", "models read the token", "\t\n", "e\u0301 vs \u00e9", "[MASK] of apps", "a" * 300, "the the the the"]


def train():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    alphabet = [chr(c) for c in range(33, 127)] + list("àœßæøαςσапривтм가각각한カあ")
    tokenizer.train_from_iterator(CORPUS * 4, trainers.WordPieceTrainer(
        vocab_size=700, show_progress=False, special_tokens=special, initial_alphabet=alphabet))
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def make(out):
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = train()
    tokenizer.save(str(out / "tokenizer.json"))
    (out / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]",
         "pad_token": "[PAD]", "mask_token": "[MASK]", "model_max_length": 48}, indent=1) + "\n")
    torch.manual_seed(5)
    config = BertConfig(vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                        intermediate_size=64, max_position_embeddings=48)
    model = BertModel(config).eval()
    with torch.no_grad():
        for name, values in model.named_parameters():
            if values.ndim == 1:
                values.add_(0.1 * torch.randn(values.shape))
            else:
                values.copy_(1.2 * torch.randn(values.shape) / (1 if "embeddings" in name else values.shape[1] ** 0.5))
    model.save_pretrained(out)
    vectors = [{"text": text} for text in TEXTS]
    transformer = Transformer(str(out), max_seq_length=24)
    for mode, modules in (("mean", [Normalize()]), ("cls", [])):
        pooling = Pooling(config.hidden_size, pooling_mode=mode)
        chain = SentenceTransformer(modules=[transformer, pooling] + modules, device="cpu")
        for entry, vector in zip(vectors, chain.encode(TEXTS, batch_size=1)):
            entry[mode] = [float(f"{x:.8g}") for x in vector]
    for entry in vectors:
        entry["tokens"] = min(24, len(tokenizer.encode(entry["text"]).ids))
    (out / "vectors.json").write_text(json.dumps(vectors, ensure_ascii=True) + "\n")
    print(sum(path.stat().st_size for path in out.rglob("*") if path.is_file()), "bytes")


def check(folder, oag):
    model = SentenceTransformer(folder, device="cpu")
    texts = [text.replace("\n", " ").replace("\r", " ").replace("\0", "") for text in TEXTS] + [CORPUS[0] * 60]
    for tokens in (256, 512):
        model.max_seq_length = tokens
        expected = model.encode(texts, batch_size=1)
        out = subprocess.run([oag, "embed", folder, "--json", "--max-tokens", str(tokens)], input="\n".join(texts).encode(),
                             stdout=subprocess.PIPE, check=True).stdout
        got = np.array([json.loads(line)["embedding"] for line in out.splitlines()])
        print(f"{len(texts)} texts, {tokens} tokens: largest error {np.abs(got - expected).max():.2e}, "
              f"least cosine {(got * expected).sum(1).min():.9f}")
    tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    wrong = count = 0
    pieces = read_pieces()
    for block in range(BLOCKS):
        all_texts = [make_text(i, pieces) for i in range(block * BLOCK, (block + 1) * BLOCK)]
        out = subprocess.run([oag, "tokenize", folder, "--ids"], input="\n".join(all_texts).encode(), stdout=subprocess.PIPE,
                             check=True).stdout
        ids = tokenizer.encode("\n".join(all_texts), add_special_tokens=False).ids
        count += len(all_texts)
        wrong += list(map(int, out.split())) != ids
    print(f"{count} strings in {BLOCKS} texts: {wrong} texts differ")


def main():
    if sys.argv[1] == "--check":
        check(sys.argv[2], sys.argv[3])
    else:
        make(pathlib.Path(sys.argv[1]))


main()
