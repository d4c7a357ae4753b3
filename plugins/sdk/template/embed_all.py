#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The templates of `sonde plugin new` as C strings: embed_all.py OUTPUT SYMBOL=FILE..."""
import sys


def quoted(line: str) -> str:
    return '    "' + line.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?") + '\\n"'


def main() -> None:
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        out.write("/* Made from plugins/sdk/template. */\n")
        for argument in sys.argv[2:]:
            symbol, path = argument.split("=", 1)
            with open(path, encoding="utf-8") as f:
                lines = f.read().splitlines()
            out.write(f"static const char template_{symbol}[] =\n" + "\n".join(quoted(line) for line in lines) + ";\n")


if __name__ == "__main__":
    main()
