#!/usr/bin/env python3
"""Hashes of what the tokenizers package makes of 10,000 generated texts a tokenizer, for tests/data/tokenizer/generated/.

Usage: make_generated_token_cases.py [--smollm2 FILE.gguf]                 (tokenizers 0.23.3, sentencepiece 0.2.3, gguf)
       make_generated_token_cases.py --show TOKENIZER BLOCK                texts of a block and their ids, to find what differs
The texts come from generated_texts.py and pieces.json. tokenizers.json says how each tokenizer is made: a file of the tree
and a JSON merge patch over it (RFC 7386). The file uncut.json is made here: byte-level BPE whose merges were learned on
texts that nothing had cut, so that they run across every place where a family's pre-tokenizer cuts, and whole words that
no merges lead to. SentencePiece's own vocabularies (kind "sentencepiece") are compared with the sentencepiece package.
"""

import argparse
import json
import pathlib

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from generated_texts import PIECES, Fnv1a, make_text, read_pieces

DATA = PIECES.parents[2]
OUT = PIECES.parent
BLOCKS, BLOCK = 200, 50
PLAIN_EVERY = 5  # every fifth text is also encoded with its special tokens as text
TRAINING_SEED = 1 << 32


def merge_patch(target, patch):
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = merge_patch(target.get(key), value)
    return target


def train_uncut(pieces):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    texts = [make_text(TRAINING_SEED + i, pieces) for i in range(20000)]
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=1400, max_token_length=4, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    model = json.loads(tokenizer.to_str())["model"]
    words = [piece for piece in pieces if 5 <= len(piece.encode()) <= 24 and "<" not in piece and "[" not in piece]
    for word in words:
        for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(word):
            model["vocab"].setdefault(piece, len(model["vocab"]))
    return {"version": "1.0", "added_tokens": [], "decoder": json.loads(decoders.ByteLevel().__getstate__()), "model": model}


class Peer:
    """The oracle of one tokenizer, with special tokens and with those that are control tokens left as text."""

    def __init__(self, recipe, smollm2=None):
        if recipe["kind"] == "tokenizer.json":
            text = merge_patch(json.loads((DATA / recipe["file"]).read_text()), recipe["patch"])
        else:
            text = json.loads(smollm2)
        # An absent component is null for the tokenizers package.
        text = {"truncation": None, "padding": None, "normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": None} | text
        self.special = Tokenizer.from_str(json.dumps(text))
        for token in text["added_tokens"]:
            assert self.special.token_to_id(token["content"]) == token["id"], token
        kept = [token for token in text["added_tokens"] if not token["special"]]
        self.plain = Tokenizer.from_str(json.dumps(text | {"added_tokens": kept, "post_processor": None}))
        self.id_of = {self.plain.token_to_id(token["content"]): token["id"] for token in kept}

    def text(self, index, pieces):
        return make_text(index, pieces)

    def encode(self, text):
        return self.special.encode(text, add_special_tokens=False).ids

    def encode_plain(self, text):
        return [self.id_of.get(i, i) for i in self.plain.encode(text, add_special_tokens=False).ids]

    def decode(self, ids):
        return self.special.decode(ids, skip_special_tokens=False)


class SentencePiecePeer:
    """A fixture's vocabulary in the sentencepiece package, which knows no special tokens in a text."""

    def __init__(self, recipe):
        import sentencepiece
        from sentencepiece import sentencepiece_model_pb2 as sp_model

        vocabulary = json.loads((DATA / recipe["file"]).read_text())["vocabulary"]
        proto = sp_model.ModelProto()
        proto.trainer_spec.model_type = sp_model.TrainerSpec.BPE
        proto.trainer_spec.byte_fallback = True
        proto.normalizer_spec.name = "identity"
        proto.normalizer_spec.remove_extra_whitespaces = False
        proto.normalizer_spec.add_dummy_prefix = True
        for piece, score, kind in zip(vocabulary["tokens"], vocabulary["scores"], vocabulary["types"]):
            proto.pieces.add(piece=piece, score=score, type=kind)
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())

    def text(self, index, pieces):
        return make_text(index, pieces).replace("\0", " ")  # which the package takes for the end of a text

    def encode(self, text):
        return self.processor.encode(text)

    encode_plain = encode

    def decode(self, ids):
        return self.processor.decode(ids)


def smollm2_json(path):
    """The tokenizer.json of the model that a GGUF file was made from, put together from the file's vocabulary."""
    import gguf

    fields = gguf.GGUFReader(path).fields
    get = lambda key: fields["tokenizer.ggml." + key].contents()
    tokens, types = get("tokens"), get("token_type")
    shape = json.loads((DATA / "hugging_face/tokenizers/llama/tokenizer.json").read_text())
    shape["added_tokens"] = [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
                             for i, t in enumerate(tokens) if types[i] == 3]
    shape["model"] |= {"vocab": {t: i for i, t in enumerate(tokens)}, "merges": get("merges")}
    return json.dumps(shape)


def peer_of(recipe, smollm2=None):
    return SentencePiecePeer(recipe) if recipe["kind"] == "sentencepiece" else Peer(recipe, smollm2)


def write_hashes(name, peer, pieces):
    lines, decoded, characters, tokens = [], Fnv1a(), 0, 0
    for block in range(BLOCKS):
        ids = Fnv1a()
        for index in range(block * BLOCK, (block + 1) * BLOCK):
            text = peer.text(index, pieces)
            encoded = peer.encode(text)
            ids.add_ids(encoded)
            decoded.add_text(peer.decode(encoded))
            if index % PLAIN_EVERY == 0:
                ids.add_ids(peer.encode_plain(text))
            characters, tokens = characters + len(text), tokens + len(encoded)
        lines.append(ids.hex())
    (OUT / f"{name}.txt").write_text("\n".join(lines + [decoded.hex()]) + "\n")
    print(f"{name}: {characters} characters, {tokens} tokens")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smollm2", type=pathlib.Path)
    parser.add_argument("--show", nargs=2, metavar=("TOKENIZER", "BLOCK"))
    args = parser.parse_args()
    pieces = read_pieces()
    recipes = json.loads((OUT / "tokenizers.json").read_text())
    smollm2 = smollm2_json(args.smollm2) if args.smollm2 else None
    if smollm2:
        recipes["smollm2_model"] = {"kind": "gguf"}
    if args.show:
        peer = peer_of(recipes[args.show[0]], smollm2)
        for index in range(int(args.show[1]) * BLOCK, (int(args.show[1]) + 1) * BLOCK):
            text = peer.text(index, pieces)
            print(index, json.dumps(text), *peer.encode(text))
            if index % PLAIN_EVERY == 0:
                print(index, "plain", *peer.encode_plain(text))
        return
    uncut = train_uncut(pieces)
    (OUT / "uncut.json").write_text(json.dumps(uncut, ensure_ascii=True, separators=(",", ":")) + "\n")
    texts = []
    for block in range(BLOCKS):
        value = Fnv1a()
        for index in range(block * BLOCK, (block + 1) * BLOCK):
            value.add_text(make_text(index, pieces))
        texts.append(value.hex())
    (OUT / "texts.txt").write_text("\n".join(texts) + "\n")
    for name, recipe in recipes.items():
        write_hashes(name, peer_of(recipe, smollm2), pieces)


if __name__ == "__main__":
    main()
