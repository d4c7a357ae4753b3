#!/usr/bin/env python3
"""The public headers: they compile alone, in every language version and with every compiler that is promised and installed,
they include only the standard's headers, everything lies where version 1.0 put it, and nothing that 1.0 declared is gone or
changed. header.py --source DIR (the repository). TAP."""
import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

HEADERS = ("plugin.h", "kernels.h")  # the ABI: nothing but the standard's headers, and frozen
C_HELPERS, CXX_HELPERS = ("frame.h",), ("frame.h", "frame.hpp")  # what is compiled into a plugin
STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-Wshadow", "-Wconversion", "-fsyntax-only"]
C_VERSIONS = ("c99", "c11", "c17")
CXX_VERSIONS = ("c++11", "c++17", "c++20")
DIGEST_1_0 = "9ac8fc970801ef05f00b8dda71bf021cff06fd3105784fa56536bc3af64d9fbf"  # of the declarations in tests/sdk/1.0
results = []


def report(name: str, reason: str = "", skip: str = "") -> None:
    results.append(not reason)
    print(f"{'not ok' if reason else 'ok'} {len(results)} - {name}{' # SKIP ' + skip if skip else ''}", flush=True)
    for line in reason.splitlines():
        print(f"# {line}")


def run(command: list) -> tuple:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def compile_alone(sdk: str, work: str) -> None:
    """Each header alone, first in its file, twice."""
    for compiler, versions, suffix in (("gcc", C_VERSIONS, "c"), ("clang", C_VERSIONS, "c"), ("clang-14", C_VERSIONS, "c"),
                                       ("g++", CXX_VERSIONS, "cpp"), ("clang++", CXX_VERSIONS, "cpp"),
                                       ("clang++-14", CXX_VERSIONS, "cpp")):
        name = f"the headers compile alone with {compiler}, as {', '.join(versions)}"
        if not shutil.which(compiler):
            report(name, skip=f"no {compiler} here")
            continue
        reason = ""
        for header in HEADERS + (C_HELPERS if suffix == "c" else CXX_HELPERS):
            path = os.path.join(work, f"alone.{suffix}")
            with open(path, "w", encoding="utf-8") as f:
                f.write(f'#include "sonde/{header}"\n#include "sonde/{header}"\nint main(void);\n')
            for version in versions:
                code, out = run([compiler, f"-std={version}", *STRICT, "-I", sdk, path])
                reason += f"{header}, {version}: {out}" if code else ""
        report(name, reason)


def included(sdk: str) -> None:
    """What a header names; what those headers of the standard include is the compiler's affair."""
    reason = ""
    for header in HEADERS:
        with open(os.path.join(sdk, "sonde", header), encoding="utf-8") as f:
            names = re.findall(r"#\s*include\s*(\S+)", f.read())
        if names != ["<stdint.h>"]:
            reason += f"{header} includes {names}\n"
    report("the headers include <stdint.h> and nothing else", reason)


def layout(source: str, sdk: str) -> None:
    path = os.path.join(source, "tests", "sdk", "layout.c")
    machines = (("the machine at hand", "gcc", ["-DEXACT"]), ("aarch64", "aarch64-linux-gnu-gcc", ["-DEXACT"]),
                ("x86-64 Windows", "x86_64-w64-mingw32-gcc", ["-DEXACT"]))
    for machine, compiler, flags in machines:
        name = f"everything lies where 1.0 put it: {machine}"
        if not shutil.which(compiler):
            report(name, skip=f"no {compiler} here")
            continue
        code, out = run([compiler, "-std=c11", *STRICT, *flags, "-I", sdk, path])
        report(name, out if code else "")
    code, out = run(["gcc", "-std=c11", *STRICT, "-DEXACT", "-I", os.path.join(source, "tests", "sdk", "1.0"), path])
    report("the table of places is that of the kept header of 1.0", out if code else "")


def asserts_can_fail(source: str, sdk: str, work: str) -> None:
    """A header whose members change places must not pass."""
    broken = os.path.join(work, "broken", "sonde")
    os.makedirs(broken)
    shutil.copy(os.path.join(sdk, "sonde", "kernels.h"), broken)
    with open(os.path.join(sdk, "sonde", "plugin.h"), encoding="utf-8") as f:
        text = f.read()
    swapped = text.replace("    uint32_t hop;      /* SPECTRUM: samples, 1 to window */\n", "").replace(
        "    uint32_t form;     /*", "    uint32_t hop, form; /*", 1).replace("hop, form", "form, hop")
    with open(os.path.join(broken, "plugin.h"), "w", encoding="utf-8") as f:
        f.write(swapped)
    code, out = run(["gcc", "-std=c11", *STRICT, "-I", os.path.dirname(broken), os.path.join(source, "tests", "sdk", "layout.c")])
    report("two members that change places are noticed", "" if code and "has moved" in out else f"code {code}: {out}")


def declarations(path: str) -> tuple:
    """Constants, and the members of every struct, without comments and white space."""
    with open(path, encoding="utf-8") as f:
        text = re.sub(r"/\*.*?\*/", " ", f.read(), flags=re.S).replace("\\\n", " ")
    constants = {m.group(1): " ".join(m.group(2).split()) for m in re.finditer(r"#define (SONDE_\w+)[ \t]+([^\n]+)", text)}
    structs = {m.group(2): " ".join(m.group(1).split()) for m in re.finditer(r"typedef struct \w+ \{(.*?)\n\} (\w+);", text, re.S)}
    return constants, structs


def nothing_changed(source: str, sdk: str) -> None:
    old = "".join(repr(declarations(os.path.join(source, "tests", "sdk", "1.0", "sonde", header))) for header in HEADERS)
    digest = hashlib.sha256(old.encode()).hexdigest()
    report("the kept header of 1.0 is what was declared 1.0", "" if digest == DIGEST_1_0 else f"its digest is {digest}")
    reason = ""
    for header in HEADERS:
        old_constants, old_structs = declarations(os.path.join(source, "tests", "sdk", "1.0", "sonde", header))
        constants, structs = declarations(os.path.join(sdk, "sonde", header))
        assert old_structs and old_constants, "nothing found in the old header"
        for name, value in old_constants.items():
            if name != "SONDE_ABI_MINOR" and constants.get(name) != value:
                reason += f"{header}: {name} was {value}, and is {constants.get(name)}\n"
        for name, members in old_structs.items():
            if not structs.get(name, "").startswith(members):
                reason += f"{header}: {name} doesn't begin with the members that it had in 1.0\n"
    report("constants, types and signatures are those of 1.0; members are only appended", reason)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", required=True)
    source = parser.parse_args().source
    sdk = os.path.join(source, "plugins", "sdk")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        compile_alone(sdk, work)
        included(sdk)
        layout(source, sdk)
        asserts_can_fail(source, sdk, work)
        nothing_changed(source, sdk)
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
