"""The texts of tests/support/generated_texts.h, made alike: pieces, cut pieces, ASCII and characters of all Unicode."""

import json
import pathlib

PIECES = pathlib.Path(__file__).resolve().parents[2] / "tests/data/tokenizer/generated/pieces.json"
MASK = 2**64 - 1


class SplitMix:
    def __init__(self, seed):
        self.state = seed & MASK

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        value = self.state
        value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & MASK
        value = ((value ^ value >> 27) * 0x94D049BB133111EB) & MASK
        return value ^ value >> 31

    def below(self, limit):
        return (self.next() >> 33) % limit


class Fnv1a:
    """As base/fnv1a.h: numbers as eight bytes, texts after their length in bytes."""

    def __init__(self):
        self.value = 0xCBF29CE484222325

    def add_bytes(self, data):
        value = self.value
        for byte in data:
            value = ((value ^ byte) * 0x100000001B3) & MASK
        self.value = value

    def add_text(self, text):
        data = text.encode()
        self.add_bytes(len(data).to_bytes(8, "little") + data)

    def add_ids(self, ids):
        self.add_bytes(b"".join(i.to_bytes(8, "little") for i in [len(ids), *ids]))

    def hex(self):
        return f"{self.value:016x}"


def read_pieces():
    return [piece for group in json.loads(PIECES.read_text()).values() for piece in group]


def code_point(random):
    limit = (0x3400, 0x10000, 0x20000, 0x110000)[random.below(4)]
    value = random.below(limit)
    return "?" if 0xD800 <= value < 0xE000 else chr(value)


def make_text(index, pieces):
    random = SplitMix(index)
    text = ""
    for _ in range(random.below(10)):
        kind = random.below(16)
        if kind < 12:
            piece = pieces[random.below(len(pieces))]
            if kind >= 10:
                begin = random.below(len(piece))
                piece = piece[begin : begin + 1 + random.below(len(piece) - begin)]
            text += piece
        elif kind < 14:
            for _ in range(1 + random.below(4)):
                text += chr(32 + random.below(95))
        else:
            text += code_point(random)
    return text
