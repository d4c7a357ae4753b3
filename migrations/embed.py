#!/usr/bin/env python3
"""embed.py OUTPUT FILE.sql...: writes the migrations as a C table, in the order of their numbers.

Numbers must run from 0001 without a gap, so that user_version says exactly which have been applied.
"""
import os
import re
import sys


def c_string(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join(f'        "{line}\\n"' for line in escaped.splitlines())


def main():
    output, files = sys.argv[1], sorted(sys.argv[2:], key=os.path.basename)
    entries = []
    for expected, path in enumerate(files, start=1):
        name = os.path.basename(path)
        match = re.fullmatch(r"(\d{4})_[a-z0-9_]+\.sql", name)
        if not match or int(match.group(1)) != expected:
            sys.exit(f"{path}: expected a migration called {expected:04d}_name.sql")
        with open(path, encoding="utf-8") as source:
            entries.append(f'    {{\n        "{name}",\n{c_string(source.read())},\n    }},')
    with open(output, "w", encoding="utf-8") as out:
        out.write('#include "engine/catalogue/migrations.h"\n\n')
        out.write("const struct migration migrations[] = {\n" + "\n".join(entries) + "\n};\n\n")
        out.write(f"const int migrations_count = {len(entries)};\n")


main()
