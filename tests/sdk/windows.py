#!/usr/bin/env python3
"""The Windows half of the loader's seam: compiled with mingw-w64 without a warning, with an example plugin as a DLL, and run
under wine. Each step is skipped, saying so, where its tool isn't installed. windows.py --source DIR. TAP."""
import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile

COMPILERS = ("x86_64-w64-mingw32-gcc", "x86_64-w64-mingw32-gcc-win32", "x86_64-w64-mingw32-gcc-posix")
WINES = ("wine", "wine64", "/usr/lib/wine/wine64")
FLAGS = ["-std=c17", "-O2", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wno-sign-conversion", "-Wundef", "-Werror"]


def tool(names):
    return next((path for path in map(shutil.which, names) if path), None)


def build(compiler, source, work):
    """The test program and its three files."""
    include = ["-I", source, "-I", os.path.join(source, "plugins", "sdk")]
    plain = os.path.join(work, "plain.c")
    with open(plain, "w", encoding="utf-8") as file:
        file.write("__declspec(dllexport) int nothing(void);\nint nothing(void) { return 0; }\n")
    with open(os.path.join(work, "text.dll"), "w", encoding="utf-8") as file:
        file.write("This is no library.\n")
    plugin = os.path.join(source, "plugins", "examples", "minimal", "minimal.c")
    test = [os.path.join(source, "tests", "sdk", "test_library_file.c"), os.path.join(source, "workers", "host", "library_file_windows.c")]
    output = ""
    for command in ([compiler, *FLAGS, *include, "-shared", "-static-libgcc", "-o", os.path.join(work, "minimal.dll"), plugin],
                    [compiler, *FLAGS, "-shared", "-o", os.path.join(work, "plain.dll"), plain],
                    [compiler, *FLAGS, *include, "-D__USE_MINGW_ANSI_STDIO=1", "-static", "-o", os.path.join(work, "test.exe"), *test]):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        output += done.stdout if done.returncode == 0 else f"{' '.join(command)}\n{done.stdout}\n"
        if done.returncode:
            return output or "failed"
    return output


def run(wine, work):
    environment = dict(os.environ, WINEPREFIX=os.path.join(work, "prefix"), WINEDEBUG="-all", HOME=work, WINEDLLOVERRIDES="mscoree,mshtml=")
    environment.pop("DISPLAY", None)
    done = subprocess.run([wine, "test.exe", "minimal.dll", "text.dll", "plain.dll"], cwd=work, env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=500)
    server = os.path.join(os.path.dirname(os.path.realpath(wine)), "wineserver")
    stop = server if os.path.exists(server) else tool(("wineserver", "/usr/lib/wine/wineserver64", "/usr/lib/wine/wineserver"))
    if stop:  # of this prefix alone
        subprocess.run([stop, "-k"], env=environment, check=False, timeout=100)
    return done.returncode, done.stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", required=True)
    source = os.path.abspath(parser.parse_args().source)
    compiler, wine = tool(COMPILERS), tool(WINES)
    failed = False
    with tempfile.TemporaryDirectory(prefix="sonde-windows-", ignore_cleanup_errors=True) as work:
        if not compiler:
            print("ok 1 - the Windows half compiles # SKIP no x86_64-w64-mingw32-gcc here (Debian: gcc-mingw-w64-x86-64-win32)")
        else:
            output = build(compiler, source, work)
            failed |= bool(output)
            print(f"{'not ok' if output else 'ok'} 1 - the Windows half compiles")
            for line in output.splitlines():
                print("# " + line)
        if failed or not compiler or not wine or platform.machine() != "x86_64":
            why = "no wine here (Debian: wine64)" if not wine else "nothing to run" if failed or not compiler else "not of this processor"
            print(f"ok 2 - it loads plugins, under wine # SKIP {why}")
        else:
            code, output = run(wine, work)
            failed |= code != 0
            print(f"{'not ok' if code else 'ok'} 2 - it loads plugins, under wine")
            for line in output.splitlines():
                print("#     " + line)
    print("1..2")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
