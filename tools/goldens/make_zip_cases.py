#!/usr/bin/env python3
"""Makes tests/data/zip: small archives by Python's zipfile, and what each member must unpack to.

Run from the repository root: python3 tools/goldens/make_zip_cases.py
"""
import hashlib
import json
import random
import warnings
import zipfile
from pathlib import Path

OUT = Path("tests/data/zip")
STAMP = (2024, 1, 1, 0, 0, 0)


def contents(zeros):
    """Members that compress well, badly, not at all; an empty one; with enough zeros, one larger than a buffer."""
    rng = random.Random(7)
    return {
        "pkg/model.gguf": b"GGUF" + bytes(rng.randrange(256) for _ in range(3000)) + b"\0" * zeros,
        "pkg/text.txt": "déjà vu, 你好, again and again. ".encode() * 40,
        "pkg/empty": b"",
        "pkg/名.bin": bytes(range(256)),
    }


def write(name, method, *, zeros=400_000, zip64=False, streamed=False, comment=b""):
    path = OUT / name
    limit, count = zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT
    if zip64:  # every size and offset goes through the 64-bit records
        zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = -1, 0
    try:
        with open(path, "wb") as raw:
            target = Unseekable(raw) if streamed else raw
            with zipfile.ZipFile(target, "w", method) as archive:
                archive.comment = comment
                for member, data in contents(zeros).items():
                    info = zipfile.ZipInfo(member, STAMP)
                    info.compress_type = method
                    if zip64:
                        with archive.open(info, "w", force_zip64=True) as out:
                            out.write(data)
                    else:
                        archive.writestr(info, data)
    finally:
        zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = limit, count
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {member: {"bytes": len(archive.read(member)),
                         "sha256": hashlib.sha256(archive.read(member)).hexdigest()}
                for member in archive.namelist()}


def write_twice():
    with zipfile.ZipFile(OUT / "twice.zip", "w") as archive:
        for member, data in (("pkg/twice", b"first"), ("pkg/once", b"only"), ("pkg/twice", b"second")):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                archive.writestr(zipfile.ZipInfo(member, STAMP), data)


class Unseekable:
    """A target that forces zipfile to write data descriptors."""

    def __init__(self, raw):
        self.raw = raw

    def write(self, data):
        return self.raw.write(data)

    def flush(self):
        self.raw.flush()


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    cases = {
        "deflated.zip": write("deflated.zip", zipfile.ZIP_DEFLATED),
        "stored.zip": write("stored.zip", zipfile.ZIP_STORED, zeros=1000),
        "zip64.zip": write("zip64.zip", zipfile.ZIP_DEFLATED, zip64=True),
        "streamed.zip": write("streamed.zip", zipfile.ZIP_DEFLATED, streamed=True),
        "comment.zip": write("comment.zip", zipfile.ZIP_DEFLATED, comment=b"a comment, PK and all " * 3),
    }
    write_twice()
    (OUT / "cases.json").write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
