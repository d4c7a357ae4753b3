#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns a text file into a C header with one string: embed.py INPUT OUTPUT SYMBOL.

JSON loses its white space first, so that a schema's size in the library is its size on the wire."""
import json
import sys


def main() -> None:
    source, output, symbol = sys.argv[1:]
    with open(source, encoding="utf-8") as f:
        text = f.read()
    if source.endswith(".json"):
        text = json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    pieces = [escaped[i : i + 2000] for i in range(0, len(escaped), 2000)]
    # A piece may not end inside an escape: the backslash moves to the next one.
    for i in range(len(pieces) - 1):
        tail = len(pieces[i]) - len(pieces[i].rstrip("\\"))
        if tail % 2:
            pieces[i], pieces[i + 1] = pieces[i][:-1], "\\" + pieces[i + 1]
    lines = "\n".join(f'    "{piece}"' for piece in pieces)
    with open(output, "w", encoding="utf-8") as f:
        f.write(f"/* Made from {source.rsplit('/', 1)[-1]} by plugins/sdk/embed.py. */\n")
        f.write(f"static const char {symbol}[] =\n{lines};\n")


if __name__ == "__main__":
    main()
