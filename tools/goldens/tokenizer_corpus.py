"""Texts that tokenizer goldens are made from: many scripts, code, emoji, whitespace runs, broken UTF-8."""

import random

# Article 1 of the Universal Declaration of Human Rights (United Nations, public domain).
DECLARATION = [
    "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience and should act towards one another in a spirit of brotherhood.",
    "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de conscience et doivent agir les uns envers les autres dans un esprit de fraternité.",
    "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt und sollen einander im Geiste der Brüderlichkeit begegnen.",
    "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y conciencia, deben comportarse fraternalmente los unos con los otros.",
    "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono dotati di ragione e di coscienza e devono agire gli uni verso gli altri in spirito di fratellanza.",
    "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni rozumem i sumieniem i powinni postępować wobec innych w duchu braterstwa.",
    "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv. Jsou nadáni rozumem a svědomím a mají spolu jednat v duchu bratrství.",
    "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler ve birbirlerine karşı kardeşlik zihniyeti ile hareket etmelidirler.",
    "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и должны поступать в отношении друг друга в духе братства.",
    "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. Είναι προικισμένοι με λογική και συνείδηση.",
    "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
    "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق. وقد وهبوا عقلًا وضميرًا.",
    "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם.",
    "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।",
    "மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்.",
    "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền.",
    "ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით.",
    "Բոլոր մարդիկ ծնվում են ազատ ու հավասար իրենց արժանապատվությամբ ու իրավունքներով։",
    "የሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና በመብትም እኩልነት ያለው ነው።",
]

PROSE = [
    "", " ", "  ", "   ", "\n", "\r\n", "\t", " \n", "\n\n x", "a", "Hello world", " Hello  world ", "  leading", "trailing  ",
    "It's we're I'LL you'd she's they've I'm can't", "CAN'T WON'T I'LL YOU'RE 'tis 'S 's '", "'" * 7, "don''t", "it'ſ it'S",
    "o'clock rock'n'roll l'été", "\u2019s it\u2019s we\u2019re",
    "1234567 3.14 10,000 1e-9 0xFF 007", "a1b2c3 42nd 3D x²³4½①Ⅷ ١٢٣٤ १२३", "2025年12月09日 12:30:05", "1 22 333 4444 55555", " 1  2   3",
    "do(action=\"Tap\", element=[500,120])", "finish(message=\"done\")", "打开微信，给张三发一条消息", "今天的日期是: 2025年12月09日 星期二",
    "naïve café", "e\u0301 vs \u00e9, A\u030a \u212b, \u1112\u1161\u11ab \ud55c", "q\u0323\u0307 q\u0307\u0323 a\u0300\u0316\u0301",
    "\ufb01ne \u2126 \u00bd \uff21\uff22\uff23", "\xa0nbsp\u3000wide\u2003em\u2009thin\u202fnarrow", "zero\u200bwidth\u200cjoin\u200der\ufeffbom", "line\u2028para\u2029sep\x85nel\x1cfs",
    "\x00\x01\x02\x7f\x1b[31mred\x1b[0m", "!!!???...", "---===***###", "((([[[{{{}}}]]])))", "$100 €50 £3 ¥700 ₹9 5% 3°C ±1", "a+b=c, a<b>c, x^2 ~y |z| `q`", "#hashtag @user https://example.org/a?b=c&d=%20#e user@mail.example",
    "🙂🚀", "👩‍👩‍👧‍👦 👍🏽 🇩🇪🇯🇵 ❤️ ☺︎ 1️⃣", "text🙂text 🙂 text🙂🙂 !🙂!", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 𠜎𠜱 \U000e0041 \U0010ffff",
    "Привет мир こんにちは 안녕하세요 שלום مرحبا", "ＦＵＬＬ ｗｉｄｔｈ １２３", "ÀÈÌÒÙ àèìòù ÄÖÜ ß ẞ İı ǅ ªº ʰ ˢ",
    "a\tb\r\nc", "a\n\n\nb", "a \n b", "a\n \n b", "a   b", "a    \n    b", "\n\n\n", "\r\r\n\n", " \t \n \t ", "x\n", "x \n ", "\t\tindent", "a\u00a0\u00a0b \u3000 c", "end.   \n\n   Next", "....   ....", "?!\n\n", ")\r\n\r\n(", "  1", "  '", "  's", "\n's", "\t1", "\ta",
    "x" * 40, "ab" * 60, "a" * 300, "=" * 120, " " * 65, "\n" * 33, "0" * 50, "é" * 50, "好" * 40, "🙂" * 20, ("word " * 30).strip(), "aaaaaaabaaaaaab" * 8,
    "Supercalifragilisticexpialidocious antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "lowerUPPERCamelCase snake_case kebab-case SCREAMING_CASE dotted.name",
    "The quick brown fox jumps over the lazy dog. THE QUICK BROWN FOX!",
    "<b>bold</b> &amp; <!-- comment -->", "<|", "<|im_", "|>", "<|not_special|>", "[gMASK", "<0x41> <s> </s> <unk>", "▁under▁score ▁ ▁▁", "Ġbyte Ċ Ġ",
    "Answer with \"yes\" or 'no' — not \u201cmaybe\u201d \u2018perhaps\u2019 \u00abvielleicht\u00bb \u2026",
]

CODE = [
    "for (int i = 0; i < n; ++i) {\n    sum += a[i] * b[i];\n}\n",
    "def f(x, *args, **kwargs):\n\t'''doc'''\n\treturn [y**2 for y in x if y != 0]  # comment\n",
    "#include <vector>\ntemplate <typename T> auto g(T&& t) -> decltype(t.size()) { return t->size() ? 0x1F'FFu : ~0ULL; }\n",
    "SELECT id, COUNT(*) FROM t WHERE a >= 10 AND b LIKE '%x_' GROUP BY 1 ORDER BY 2 DESC;",
    "{\"key\": [1, 2.5, -3e8, null, true], \"nested\": {\"a\": \"\\u00e9\\n\"}}",
    "const f = async ({a, b}) => { await fetch(`/x/${a}?b=${b ?? 'c'}`); };\r\n\r\n",
    "fn main() -> Result<(), Box<dyn Error>> { println!(\"{:?}\", &v[..]); Ok(()) }",
    "if [ \"$1\" = \"-h\" ]; then\n  echo \"usage: $0 [-n N] FILE...\" >&2; exit 2\nfi\n",
    "<div class=\"a b\" style='color:#fff'>\n        <p>Text&nbsp;here</p>\n</div>",
    "\\begin{equation}\n  E = mc^2 \\tag{1}\n\\end{equation}",
    "        deeply\n            indented\n                code\n\n\n        end",
    "a = b;  // x\n\n/* y */\n\n\n#define Z(a,b) a##b \\\n  ;",
]

BROKEN = [
    b"\xff", b"\x80", b"abc\x80def", b"\xc3", b"caf\xc3", b"\xc3(", b"\xe4\xbd", b"\xe4\xbd!", b"\xe4(\xa0", b"\xf0\x9f\x99", b"\xf0\x9f\x99 x", b"\xf0\x9f\x99\x82\x82",
    b"ok \xfe\xff end", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xf0\x80\x80\x80", b"\xed\xa0\x80", b"\xed\xa0\xbd\xed\xb9\x82", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80",
    b"\xef\xbf\xbe", b"\xe4\xbd\xa0\xe5", b"\xe5\xe4\xbd\xa0", b"latin1: caf\xe9 na\xefve \xa3", b" \xa0 \x85 ", b"a\x00\xffb", bytes(range(128, 256)), bytes(range(256)),
]

_ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz", "ABCXYZ' '", "0123456789", " \t\n\r", "  \n", ".,;:!?-_()[]{}<>|/\\@#$%^&*+=~`\"'", "äöüßéèñçøåœ", "абвгдежз",
    "的一是不了人我在有他这", "あいうえおカキクケコ", "가나다라마바사", "ابتثجح", "अआइईउऊक्षि", "🙂🚀👍🏽❤️‍🔥", "\u0301\u0308\u0323\u0300", "\u00a0\u2003\u3000\u2028\u200b\u0085",
]


def random_texts(count, seed):
    """Short texts that jump between alphabets at every few characters."""
    rng = random.Random(seed)
    texts = []
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 14)):
            alphabet = rng.choice(_ALPHABETS)
            parts.append("".join(rng.choice(alphabet) for _ in range(rng.randint(1, 6))))
        texts.append("".join(parts))
    return texts


def random_code_points(count, seed):
    """Texts of assigned and unassigned code points from everywhere, no surrogates."""
    rng = random.Random(seed)
    texts = []
    for _ in range(count):
        points = []
        while len(points) < 24:
            point = rng.choice([rng.randrange(0x20, 0x250), rng.randrange(0x250, 0x3000), rng.randrange(0x3000, 0xE000), rng.randrange(0xF900, 0x11000), rng.randrange(0x1D000, 0x1FB00)])
            if not 0xD800 <= point <= 0xDFFF:
                points.append(chr(point))
        texts.append("".join(points))
    return texts


def repair(data):
    """What llama.cpp reads from bytes: a sequence counts when lead and continuation bytes fit; any other byte is U+FFFD.

    Overlong forms give the character they encode; only surrogates can't be expressed here (None).
    """
    out = []
    i = 0
    while i < len(data):
        lead = data[i]
        need = 0 if lead < 0x80 else 1 if 0xC0 <= lead < 0xE0 else 2 if 0xE0 <= lead < 0xF0 else 3 if 0xF0 <= lead < 0xF8 else -1
        tail = data[i + 1:i + 1 + max(need, 0)]
        if need < 0 or len(tail) < need or any(b & 0xC0 != 0x80 for b in tail):
            out.append("\ufffd")
            i += 1
            continue
        point = lead if need == 0 else lead & (0x3F >> need)
        for b in tail:
            point = point << 6 | b & 0x3F
        if 0xD800 <= point <= 0xDFFF:
            return None
        if point > 0x10FFFF:
            out.append("\ufffd")
            i += 1
            continue
        out.append(chr(point))
        i += need + 1
    return "".join(out)
