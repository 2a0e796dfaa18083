#!/usr/bin/env python3
"""Token ids that llama.cpp gives for many texts with SmolLM2's vocabulary (byte-level BPE, pre-tokenizer
"smollm").

The same vocabulary and merges are also run through the `tokenizers` package, built as SmolLM2's
tokenizer.json builds it (digits one by one, then GPT-2's byte-level pattern); where it disagrees, its ids
are stored beside llama.cpp's.
Usage: make_smollm2_tokens.py --model M.gguf --binding DIR --lib DIR OUT.json
"""

import argparse
import codecs
import hashlib
import json
import os
import random
import unicodedata

from gguf import GGUFReader
import tokenizers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from llama_cpp_peer import LlamaCpp, add_arguments

SENTENCES = [
    "Hello, world!",
    "The quick brown fox jumps over the lazy dog.",
    "  leading and trailing spaces  ",
    "Größe, Übermut und Straße kosten 3,50 €.",
    "L'élève a reçu une pièce à Noël, ça va?",
    "El niño comió piñas ¡y qué!",
    "Zażółć gęślą jaźń",
    "Příliš žluťoučký kůň úpěl ďábelské ódy",
    "Árvíztűrő tükörfúrógép",
    "Það er gott að búa á Íslandi",
    "İstanbul'da ığdır ve şişli",
    "Việt Nam có nhiều món ăn ngon lắm",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία",
    "Съешь же ещё этих мягких французских булок",
    "Щастя — це коли тебе розуміють, ґанок і їжак",
    "Ђаво и њушка љуља џак",
    "السلام عليكم ورحمة الله وبركاته",
    "اَلْعَرَبِيَّةُ لُغَةٌ جَمِيلَةٌ",
    "۱۲۳ و ٤٥٦",
    "שלום עולם, מה שלומך?",
    "בְּרֵאשִׁית בָּרָא אֱלֹהִים",
    "नमस्ते दुनिया, आप कैसे हैं?",
    "क्षत्रिय ज्ञान श्री १२३४",
    "বাংলা ভাষা খুব সুন্দর",
    "ਪੰਜਾਬੀ ਬੋਲੀ",
    "ગુજરાતી લખાણ",
    "தமிழ் மொழி அழகானது",
    "తెలుగు భాష తియ్యనిది",
    "ಕನ್ನಡ ನಾಡು",
    "മലയാളം എഴുത്ത്",
    "සිංහල අකුරු",
    "สวัสดีชาวโลก วันนี้อากาศดีมาก ๑๒๓",
    "ສະບາຍດີ ຊາວໂລກ",
    "မင်္ဂလာပါ ကမ္ဘာ",
    "សួស្តី​ពិភពលោក",
    "བོད་སྐད་ཡིན།",
    "ሰላም ለዓለም ፩፪፫",
    "გამარჯობა მსოფლიო",
    "Բարեւ աշխարհ",
    "ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ",
    "ᐃᓄᒃᑎᑐᑦ",
    "ᚠᛇᚻ᛫ᛒᛦᚦ",
    "ⴰⵣⵓⵍ ⴰⵎⴰⴹⴰⵍ",
    "𓀀𓁐𓂀 𐎠𐎡 𐌰𐌱𐌲",
    "𠀀𠮷野家 𝒜𝓁𝒾𝒸𝑒 𝟘𝟙𝟚",
    "ߒߞߏ ߘߏ߫",
    "ދިވެހި",
    "Ɓaƙo ɗan ƴa",
    "你好，世界！今天天气怎么样？",
    "漢字と仮名、カタカナも混ぜて書く。",
    "繁體中文：臺灣、香港與澳門",
    "ｆｕｌｌｗｉｄｔｈ ＡＢＣ １２３ ｶﾀｶﾅ",
    "안녕하세요 세계! 오늘은 날씨가 좋네요.",
    "ㄱㄴㄷ ㅏㅑㅓ ᄒ",
    "㍿ ㎏ ㊗ ½ ¼ Ⅷ ⅸ ①②③ ⁴⁵ ₆₇",
    "«guillemets» „low“ ‘single’ “double” … — – ‐ ‑",
    "ﬁ ﬂ ﬃ ﬆ ß ẞ ŉ ǆ",
]

COMBINING = [
    "é",
    "e\u0301",
    "ñ",
    "n\u0303",
    "Å \u212b A\u030a",
    "ệ",
    "e\u0323\u0302",
    "e\u0302\u0323",
    "가",
    "\u1100\u1161",
    "각 \u1100\u1161\u11a8",
    "Z\u0351\u036b\u0343\u032a\u0302\u036ba\u0335l\u0336g\u0337o\u0338",
    "\u0301alone",
    "a\u20dd b\u20e3 1\ufe0f\u20e3",
    "ক\u09cd\u200dষ ক\u09cd\u200cষ",
    "क\u094d\u200dष",
    "ﷺ ﷽",
    "\u0e01\u0e33 \u0e01\u0e4d\u0e32",
    "ö\u0308 \u00f6 o\u0308",
]

EMOJI = [
    "😀",
    "😀😃😄😁",
    "👍🏽 👩🏿‍🚀",
    "👨‍👩‍👧‍👦 family",
    "🏳️‍🌈🏴‍☠️",
    "🇯🇵🇺🇸🇩🇪🇨🇳",
    "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "❤️ ❤ ☺︎ ☺️",
    "1️⃣2️⃣#️⃣*️⃣",
    "party🎉time🎊!",
    "🤷🏻‍♀️ said she",
    "🧑‍💻 writes 100 lines 🐍",
    "♠♥♦♣ ♔♕♖ ✓✗ ←→⇒",
    "🀄🃏🎴",
    "🫠🫡🫥",
    "©®™ ℃ ℡ №",
    "∀x∈ℝ: ⌈x⌉ = −⌊−x⌋ ∧ ∑ ∏ ∫ √ ≠ ≤",
]

WHITESPACE = [
    "",
    " ",
    "  ",
    "   ",
    "    ",
    "\t",
    "\t\t",
    "\n",
    "\n\n",
    "\n\n\n",
    "\r\n",
    "\r\n\r\n",
    "\r",
    " \n",
    "\n ",
    " \n ",
    "\t\n\t",
    "a b",
    "a  b",
    "a   b",
    "a\tb",
    "a\t\tb",
    "a \tb",
    "a\t b",
    "a\nb",
    "a\n\nb",
    "a\r\nb",
    "a \n b",
    "a\n  b",
    "a  \nb",
    " a",
    "  a",
    "a ",
    "a  ",
    "\u00a0",
    "a\u00a0b",
    "a \u00a0 b",
    "\u3000",
    "你\u3000好",
    "\u2003em\u2002en\u2009thin\u200ahair",
    "\u200bzero\u200bwidth\u200b",
    "\ufeffbom first",
    "a\u0085b\u2028c\u2029d",
    "\x0bvertical\x0cform",
    "\u1680ogham\u180e\u205f\u202f",
    " " * 17 + "x",
    "\t" * 9 + "x",
    "\n" * 12 + "x",
    " \t \t \t",
    "x" + " " * 40,
    "line one   \n   line two\t\n\n\tline three",
]

NUMBERS = [
    "0",
    "7",
    "42",
    "123",
    "1234567890",
    "3.14159",
    "1,234,567.89",
    "-12e-7",
    "0xDEADBEEF",
    "0b1011",
    "2024-12-31T23:59:59Z",
    "192.168.0.1:8080",
    "$1,000.00",
    "50%",
    "abc123def456",
    "v1.2.3-rc4",
    "1st 2nd 3rd",
    "٠١٢٣٤٥٦٧٨٩",
    "०१२३",
    "一二三四五",
    "½ of ¾",
    "²³¹",
    "Ⅻ ⅻ",
    "𝟎𝟏𝟐",
    "１２３",
    "৩৪",
    "1 2  3   4",
    "a1 b2 c3",
    "10^100 2**8",
    "(555) 123-4567",
    "Room 101, floor 7B",
    "0.1+0.2=0.30000000000000004",
]

CONTRACTIONS = [
    "I'm you're he's we've they'll I'd don't",
    "I'M YOU'RE HE'S WE'VE THEY'LL I'D DON'T",
    "'s 't 're 've 'm 'll 'd",
    "'S 'T 'RE 'VE 'M 'LL 'D",
    "it’s don’t",
    "rock 'n' roll",
    "y'all'd've",
    "'''",
    "''s",
    "O'Neil's",
    "l'eau d'été",
    "'tis 'twas",
    "x's2",
    "'lll",
    "'ree",
]

CODE = [
    "def f(x):\n    return x**2 + 1\n",
    "for (int i = 0; i < n; ++i) {\n\tsum += a[i];\n}\n",
    "#include <vector>\nstd::vector<int> v{1, 2, 3};",
    'fn main() { println!("{}", 1u8); }',
    "SELECT * FROM `users` WHERE id != 3 -- comment",
    '<div class="a b">&nbsp;</div>',
    "const f = async (x) => ({...x, y: x?.y ?? 0});",
    '{"a": [1, 2.5, null, true], "b": "\\u00e9"}',
    "key: value\nlist:\n  - one\n  - two\n",
    "\\frac{a}{b} \\cdot \\mathbb{R}^n",
    "ls -la | grep '^d' && echo \"$HOME\" > /dev/null 2>&1",
    "if __name__ == '__main__':\n        main()\n",
    "x = [i for i in range(10) if i % 2 == 0]",
    "public static void main(String[] args) { }",
    "// комментарий\nint число = 5;",
    "λ = \\x -> x + 1 -- Haskell",
    "a_b_c camelCase PascalCase SCREAMING_CASE kebab-case",
    "https://example.org/path?q=1&r=%20#frag",
    "user.name+tag@example.co.uk",
    "C:\\Windows\\System32\\",
    'regex: ^\\s*(\\w+)\\s*=\\s*"([^"]*)"$',
    "| a | b |\n|---|---|\n| 1 | 2 |\n",
    "```python\nprint('hi')\n```",
    "/* block */ // line # hash ; semi",
    "&&||!=<=>=->=>::++--",
    "@decorator\nclass A(B, metaclass=C): ...",
    "%s %d %5.2f %%",
    "0;\n\n\n}\n\n",
    "\tmov\teax, [ebx+4]\n\tret\n",
]

CONTROL = (
    [
        "\x00",
        "a\x00b",
        "\x01\x02\x03",
        "\x07bell\x08back",
        "\x1b[31mred\x1b[0m",
        "\x7f",
        "\x80",
        "\u009f",
        "\u00ad soft\u00adhyphen",
        "\u202eright to left\u202c",
        "\u2066iso\u2069",
        "\ufffd",
        "\ufffe",
        "\uffff",
        "\ue000private",
        "\U000f0000",
        "\U0010ffff",
        "\ufff9anno\ufffa",
        "\u034f\u061c\u115f",
    ]
    + [chr(c) for c in range(1, 32)]
    + ["".join(map(chr, range(32))), "x\x06y \x13z", "\U00040000x", "\x04\x04\x16\x16 \x1d"]
)

SPECIAL = [
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "a<|im_end|>b",
    "a <|im_end|> b",
    "<|im_start|><|im_start|>",
    "<|im_start",
    "|im_start|>",
    "<|IM_START|>",
    "<|im_start|",
    "< |im_start|>",
    "<|im_<|im_end|>start|>",
    "<repo_name>x/y<file_sep>a.py\n",
    "<reponame>",
    "<filename>f.txt",
    "<gh_stars>100",
    "<issue_start><issue_comment><issue_closed>",
    "<jupyter_start><jupyter_text>t<jupyter_code>c<jupyter_output>o<jupyter_script>",
    "<empty_output>",
    "  <|endoftext|>  ",
    "\n<|im_end|>\n\n",
    "5<|im_end|>6",
    "é<|im_end|>é",
    "<|im_end|>'s",
    "<s></s><unk><pad>[CLS]",
    "Ġ",
    "Ċ",
    "ĠĠ Ċ",
    "<0x0A>",
    "▁",
    "##ing",
    "<|endoftext|><|endoftext|>text",
]

INVALID = [
    b"\x80",
    b"\xff",
    b"\xfe\xff",
    b"abc\xffdef",
    b"\xc3",
    b"caf\xc3",
    b"\xe4\xbd",
    b"\xe4\xbd\xa0\xe5",
    b"\xf0\x9f\x98",
    b"\xf0\x9f\x98 x",
    b"\xc0\x80",
    b"\xc1\xbf",
    b"\xe0\x80\x80",
    b"\xed\xa0\x80",
    b"\xed\xa0\xbd\xed\xb8\x80",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80",
    b"\x80\x80\x80",
    b"a\x80b\x80c",
    b"\xe4\xe4\xe4",
    b"\xc3\xa9\xc3",
    b"\xc3\x28",
    b"\xe2\x28\xa1",
    b"\xf0\x28\x8c\xbc",
    b"  \xff  ",
    b"1\xff2",
    b"\xff\xff\xff\xff",
    b"<|im_start|>\xff<|im_end|>",
]


def long_runs():
    return [
        "a" * 100,
        "A" * 65,
        "ab" * 60,
        "=" * 80,
        "-" * 33,
        "." * 50,
        "!" * 21,
        "0" * 40,
        "é" * 30,
        "你" * 30,
        "😀" * 20,
        "ha" * 33,
        "the " * 40,
        "\u0301" * 25,
        "_" * 64,
        "((((((((()))))))))" * 3,
        "supercalifragilisticexpialidocious" * 3,
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk",
    ]


def random_mixtures(count, seed):
    """Pieces of all lists glued together: what a piece becomes depends on its neighbours."""
    rng = random.Random(seed)
    pieces = SENTENCES + COMBINING + EMOJI + WHITESPACE + NUMBERS + CONTRACTIONS + CODE + SPECIAL
    cut = lambda s: s[rng.randrange(len(s) + 1) :][: rng.randrange(1, 16)]
    return ["".join(cut(rng.choice(pieces)) for _ in range(rng.randrange(3, 12))) for _ in range(count)]


def random_code_points(count, seed):
    rng = random.Random(seed)
    ranges = [
        (0x20, 0x7F),
        (0xA0, 0x250),
        (0x300, 0x370),
        (0x370, 0x600),
        (0x900, 0xE00),
        (0x2000, 0x2C00),
        (0x3000, 0x3400),
        (0x4E00, 0x9FFF),
        (0xAC00, 0xD7A4),
        (0x1F300, 0x1FB00),
    ]
    return [
        "".join(chr(rng.randrange(*rng.choice(ranges))) for _ in range(rng.randrange(4, 24)))
        for _ in range(count)
    ]


def random_bytes(count, seed):
    rng = random.Random(seed)
    return [bytes(rng.randrange(256) for _ in range(rng.randrange(2, 20))) for _ in range(count)]


def texts():
    """(kind, bytes) of every text, each once."""
    groups = {
        "script": SENTENCES,
        "combining": COMBINING,
        "emoji": EMOJI,
        "whitespace": WHITESPACE,
        "number": NUMBERS,
        "contraction": CONTRACTIONS,
        "code": CODE,
        "control": CONTROL,
        "special": SPECIAL,
        "normal_form": [
            unicodedata.normalize(form, s)
            for s in SENTENCES[3:12] + SENTENCES[16:25] + SENTENCES[51:56]
            for form in ("NFC", "NFD", "NFKC")
        ],
        "long": long_runs(),
        "mixture": random_mixtures(120, 7),
        "code_points": random_code_points(60, 8),
        "invalid": INVALID + random_bytes(30, 9),
    }
    seen = set()
    for kind, items in groups.items():
        for item in items:
            data = item if isinstance(item, bytes) else item.encode()
            if data not in seen:
                seen.add(data)
                yield kind, data


def second_tokenizer(model):
    """(tokenizer that parses special tokens, one that does not), with the GGUF file's vocabulary and merges."""
    fields = GGUFReader(model).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    kinds = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    pair = []
    for special in (True, False):
        made = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
        made.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
        made.decoder = decoders.ByteLevel()
        if special:
            made.add_special_tokens(
                [AddedToken(t, normalized=False, special=True) for t, k in zip(tokens, kinds) if k == 3]
            )
        pair.append(made)
    return pair


def tokenize_apart(peer, data, parse_special):
    """Ids, or None where llama.cpp ends the process, as some invalid UTF-8 makes it: hence a child process."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        with os.fdopen(write, "w") as out:
            json.dump(peer.tokenize(data, parse_special), out)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as source:
        answer = source.read()
    _, status = os.waitpid(child, 0)
    return json.loads(answer) if status == 0 else None


def replace_each_byte(error):
    """Every byte that is in no well-formed sequence becomes one U+FFFD."""
    return "\ufffd", error.start + 1


def main():
    codecs.register_error("replace_each_byte", replace_each_byte)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("out")
    args = parser.parse_args()
    os.environ["GGML_NO_BACKTRACE"] = "1"
    peer = LlamaCpp(args, vocab_only=True)
    seconds = second_tokenizer(args.model)
    cases, differ = [], 0
    for kind, data in texts():
        case = {"kind": kind, "hex": data.hex()}
        try:
            text = data.decode()
        except UnicodeDecodeError:
            case.update(special=tokenize_apart(peer, data, True), plain=tokenize_apart(peer, data, False))
            replaced = data.decode(errors="replace_each_byte").encode()
            case["invalid"] = "replaced" if case["plain"] == peer.tokenize(replaced, False) else "lenient"
        else:
            case.update(special=peer.tokenize(data, True), plain=peer.tokenize(data, False))
            for key, other in zip(("special", "plain"), seconds):
                ids = other.encode(text, add_special_tokens=False).ids
                if ids != case[key]:
                    case["hf_" + key] = ids
            differ += any(k.startswith("hf_") for k in case)
        cases.append(case)
    print(
        f"{len(cases)} texts, {sum('invalid' in c for c in cases)} of them invalid UTF-8; "
        f"tokenizers disagrees on {differ}"
    )
    head = {
        "model_sha256": hashlib.sha256(open(args.model, "rb").read()).hexdigest(),
        "engine": f"llama.cpp of llama-cpp-python {peer.version}",
        "second_opinion": f"tokenizers {tokenizers.__version__}",
    }
    dump = lambda value: json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    with open(args.out, "w", encoding="ascii") as out:
        out.write(dump(head)[:-1] + ',"cases":[\n' + ",\n".join(dump(c) for c in cases) + "\n]}\n")


if __name__ == "__main__":
    main()
