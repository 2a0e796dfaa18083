#!/usr/bin/env python3
"""Writes the public-domain English text that perplexity is measured on.

Source: /usr/share/state/us-constitution.gz of Debian's package miscfiles. The seven articles are kept; the
amendments and the notes on their ratification are left out. Lines are joined into paragraphs, so that the
text reads like prose and not like a 70-column listing.

Usage: make_text.py us-constitution.gz OUT.txt
"""

import argparse
import gzip
import re


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("out")
    args = parser.parse_args()
    text = gzip.open(args.source, "rt", encoding="ascii").read()
    text = text[: text.index("\nAmendments\n")].strip()
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", text)]
    with open(args.out, "w", encoding="ascii", newline="\n") as out:
        out.write("\n\n".join(paragraphs) + "\n")


if __name__ == "__main__":
    main()
