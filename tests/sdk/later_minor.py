#!/usr/bin/env python3
"""Makes the header of a later minor version out of this one: later_minor.py INPUT OUTPUT. Every struct that may grow gets two
members more, as a later version would append them, and the version's minor number goes up."""
import re
import sys

FIXED = {"sonde_param_value", "sonde_loop", "sonde_array_view"}
MORE = "\n    uint64_t later_number;\n    const char *later_text;"


def main() -> None:
    source, output = sys.argv[1:]
    with open(source, encoding="utf-8") as f:
        text = f.read()
    assert set(re.findall(r"FIXED[^/]*\*/\ntypedef struct (\w+) \{", text)) == FIXED, "which structs are FIXED?"

    def grow(match: re.Match) -> str:
        return match.group(0) if match.group(1) in FIXED else match.group(2) + MORE + match.group(3)

    text, structs = re.subn(r"(?=typedef struct (\w+) \{\n)(.*?)(\n\} \w+;)", grow, text, flags=re.S)
    assert structs == text.count("typedef struct"), "not every struct was found"
    minor = int(re.search(r"#define SONDE_ABI_MINOR (\d+)u", text).group(1))
    text = text.replace(f"#define SONDE_ABI_MINOR {minor}u", f"#define SONDE_ABI_MINOR {minor + 1}u")
    with open(output, "w", encoding="utf-8") as f:
        f.write(text)


if __name__ == "__main__":
    main()
