#!/usr/bin/python3
"""Does what plugins/README.md says: runs every command of its console blocks, in order, and compares what is printed with what
stands there. A line of "..." stands for any lines, "..." inside a line for any text; the home is called /home/you. Blocks
"```diff NAME" are saved as files in the home. Speaks TAP.

    tutorial.py --build DIR --source DIR
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time


def blocks(text):
    """(info string, lines) of each fenced block."""
    return [(info.strip(), body.splitlines()) for info, body in re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.M | re.S)]


def commands(lines):
    """[command, expected lines] of a console block."""
    found = []
    for line in lines:
        if line.startswith("$ "):
            found.append([line[2:], []])
        else:
            found[-1][1].append(line)
    return found


def pattern(expected):
    """A regular expression for the output."""
    parts = []
    for line in expected:
        if line == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(r".*?".join(re.escape(part) for part in line.split("...")) + r"\n")
    return "".join(parts)


class Reader:
    """Somebody at a shell, with a home of their own."""

    def __init__(self, build, source, home):
        self.home = home
        self.folder = home
        with open(os.path.join(home, "sonde.pc"), "w", encoding="utf-8") as file:
            file.write(f"Name: sonde\nDescription: as installed\nVersion: 1\nCflags: -I{source}/plugins/sdk\n")
        self.environment = {"HOME": home, "PATH": os.path.join(build, "engine", "cli") + ":/usr/bin:/bin", "LC_ALL": "C.UTF-8",
                            "PKG_CONFIG_PATH": home}

    def do(self, command):
        place = os.path.join(self.home, ".place")
        script = f"{command}\ncode=$?\npwd >{place}\nexit $code"
        done = subprocess.run(["bash", "-c", script], cwd=self.folder, env=self.environment, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=600)
        with open(place, encoding="utf-8") as file:
            self.folder = file.read().strip()
        output = done.stdout.replace(self.home, "/home/you")
        return output if output.endswith("\n") or not output else output + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--source", required=True)
    arguments = parser.parse_args()
    source = os.path.abspath(arguments.source)
    with open(os.path.join(source, "plugins", "README.md"), encoding="utf-8") as file:
        text = file.read()
    done = failed = 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sonde-tutorial-", ignore_cleanup_errors=True) as home:
        reader = Reader(os.path.abspath(arguments.build), source, home)
        for info, lines in blocks(text):
            if info.startswith("diff "):
                with open(os.path.join(home, info[5:]), "w", encoding="utf-8") as file:
                    file.write("\n".join(lines) + "\n")
            elif info == "console":
                for command, expected in commands(lines):
                    output = reader.do(command)
                    good = re.fullmatch(pattern(expected), output) is not None
                    done += 1
                    failed += not good
                    print(f"{'ok' if good else 'not ok'} {done} - {command.replace('#', chr(92) + '#')}", flush=True)
                    if not good:
                        print("".join(f"# expected: {line}\n" for line in expected)
                              + "".join(f"# got:      {line}\n" for line in output.splitlines()), flush=True)
            else:
                raise SystemExit(f"a block that isn't run: {info}")
    print(f"# the machine's share of the tutorial's time: {time.monotonic() - began:.0f} s")
    print(f"1..{done}")
    return 1 if failed or done < 15 else 0


if __name__ == "__main__":
    sys.exit(main())
