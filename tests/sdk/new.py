#!/usr/bin/python3
"""sonde plugin new: the projects that it writes build as they are, with make and with meson, without a warning, pass their own
checks, and what can't be is refused with a sentence. Speaks TAP.

    new.py --build DIR --source DIR
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import wave

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hostile"))
from run import is_sanitized  # noqa: E402

results = []


def report(name, good, detail="", skip=""):
    results.append(bool(good) or bool(skip))
    print(f"{'ok' if results[-1] else 'not ok'} {len(results)} - {name}{' # SKIP ' + skip if skip else ''}", flush=True)
    if not results[-1]:
        for line in str(detail).splitlines():
            print("# " + line)


class Bench:
    def __init__(self, build, source, work):
        self.sonde = os.path.join(build, "engine", "cli", "sonde")
        self.sanitized = is_sanitized(self.sonde)
        self.sdk = os.path.join(source, "plugins", "sdk")
        self.work = work
        with open(os.path.join(work, "sonde.pc"), "w", encoding="utf-8") as file:
            file.write(f"Name: sonde\nDescription: as it would be installed\nVersion: 1\nCflags: -I{self.sdk}\n")
        self.environment = dict(os.environ, HOME=work, SONDE=self.sonde, PKG_CONFIG_PATH=work)
        for name in ("CFLAGS", "CXXFLAGS", "CC", "CXX", "MAKEFLAGS", "DESTDIR"):
            self.environment.pop(name, None)

    def run(self, *command, folder=None):
        return subprocess.run(command, cwd=folder or self.work, env=self.environment, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, timeout=900)

    def new(self, folder, *options):
        return self.run(self.sonde, "plugin", "new", folder, *options)


def project(bench, language, name, ident, *options):
    done = bench.new(name, "--id", ident, "--name", 'Rumble "deep" \\n @ID@ what??/ √', *options)
    report(f"{language}: a project is written", done.returncode == 0, done.stdout)
    folder = os.path.join(bench.work, name)
    left = [file for file in os.listdir(folder) for line in open(os.path.join(folder, file), encoding="utf-8")
            if "@" in line.replace("s@region", "") and file != "README.md" and "@ID@ what" not in line and "$@" not in line and "'@INPUT@'" not in line]
    report(f"{language}: no placeholder is left", not left, left)
    flags = "-O2 -Wall -Wextra -Wshadow -Wconversion -Werror"
    made = bench.run("make", f"SDK={bench.sdk}", f"CFLAGS={flags}", f"CXXFLAGS={flags}", folder=folder)
    report(f"{language}: make builds it without a warning", made.returncode == 0, made.stdout)
    checked = bench.run("make", "check", f"SDK={bench.sdk}", folder=folder)
    report(f"{language}: make check passes: sonde plugin check, and its own test", checked.returncode == 0
           and '"loudest_at": 2' in checked.stdout, checked.stdout)
    bench.run("make", "clean", folder=folder)
    made = bench.run("make", folder=folder)
    report(f"{language}: make finds the header by pkg-config", made.returncode == 0, made.stdout)
    bench.run("make", "clean", folder=folder)
    made = bench.run("meson", "setup", "build", f"-Dsonde={bench.sonde}", "--werror", folder=folder)
    # What make check has seen isn't checked again: it takes a while.
    listed = bench.run("meson", "test", "-C", "build", "--list", folder=folder)
    tested = bench.run("meson", "test", "-C", "build", "sound", folder=folder)
    report(f"{language}: meson builds and tests it", made.returncode == 0 and tested.returncode == 0
           and "check" in listed.stdout, made.stdout + listed.stdout + tested.stdout)
    installed = bench.run("make", "install", f"SDK={bench.sdk}", folder=folder)
    listed = bench.run(bench.sonde, "plugin", "list")
    report(f"{language}: installed, it is listed as ready", installed.returncode == 0
           and any(ident in line and "ready" in line for line in listed.stdout.splitlines()), installed.stdout + listed.stdout)


def resources(bench):
    """A project that gets a folder of resources: they go wherever the library goes."""
    bench.new("weights", "--id", "org.example.weights", "--name", "Weights")
    folder = os.path.join(bench.work, "weights")
    os.mkdir(os.path.join(folder, "weights.resources"))
    with open(os.path.join(folder, "weights.resources", "data.bin"), "wb") as file:
        file.write(b"\0" * 100)
    with open(os.path.join(folder, "weights.c"), encoding="utf-8") as file:
        source = file.read()
    opened = "const void *data; uint64_t size;\n    if (host->resource_open(host, \"data.bin\", &data, &size)) return SONDE_FAILED;"
    with open(os.path.join(folder, "weights.c"), "w", encoding="utf-8") as file:
        file.write(source.replace("(void)host;", opened))
    made = bench.run("make", f"SDK={bench.sdk}", folder=folder)
    linked = bench.run("make", "-B", "-n", "LDLIBS=-lm -lcjson", folder=folder)
    report("what it links comes behind the source", "-o weights.so weights.c -lm -lcjson" in linked.stdout, linked.stdout)
    tested = bench.run("python3", "test.py", "./weights.so", folder=folder)
    report("resources: the project's test takes them along", made.returncode == 0 and tested.returncode == 0,
           made.stdout + tested.stdout)
    alone = os.path.join(bench.work, ".local", "lib", "sonde", "weights.so")
    os.makedirs(os.path.dirname(alone), exist_ok=True)
    shutil.copy(os.path.join(folder, "weights.so"), alone)
    listed = bench.run(bench.sonde, "plugin", "list", "--broken")
    report("without them the plugin is broken, and the list says why", listed.returncode == 1
           and "create of plugin org.example.weights returned SONDE_FAILED: " in listed.stdout, listed.stdout)
    sound = os.path.join(bench.work, "a tone.wav")
    with wave.open(sound, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(b"\0\x10\0\xf0" * 8000)
    tried = bench.run("make", "try", f"SDK={bench.sdk}", f"SOUND={sound}", folder=folder)
    report("make try shows what it says of a sound", tried.returncode == 0 and "loudest_at" in tried.stdout
           and os.path.exists(os.path.join(folder, "try.db")), tried.stdout)
    bench.run("make", "install", f"SDK={bench.sdk}", folder=folder)
    listed = bench.run(bench.sonde, "plugin", "list")
    report("resources: make install brings them", "broken" not in listed.stdout and "weights.so" in listed.stdout, listed.stdout)
    bench.run("make", "clean", folder=folder)
    left = os.listdir(folder)
    report("make clean leaves nothing", not any(name.endswith(".so") or name.startswith("try.db") for name in left), left)
    made = bench.run("meson", "setup", "build", f"-Dsonde={bench.sonde}", "-Dprefix=/usr/local", folder=folder)
    tested = bench.run("meson", "test", "-C", "build", "sound", folder=folder)
    installed = bench.run("meson", "install", "-C", "build", "--destdir", os.path.join(bench.work, "root"), folder=folder)
    there = [os.path.exists(os.path.join(bench.work, "root", "usr", "local", "lib", "sonde", name))
             for name in ("weights.so", os.path.join("weights.resources", "data.bin"))]
    report("resources: meson tests with them, and installs all where sonde looks", tested.returncode == 0 and all(there),
           made.stdout + tested.stdout + installed.stdout)


def refusals(bench):
    good = ("--id", "org.example.x", "--name", "X")
    for title, arguments, word in (("an id without a domain", ("d", "--id", "rumble", "--name", "X"), "org.example.rumble"),
                                   ("an id with capitals", ("d", "--id", "org.example.Rumble", "--name", "X"), "a-z"),
                                   ("an id that climbs", ("d", "--id", "org.example./../x", "--name", "X"), "a-z"),
                                   ("an id that ends early", ("d", "--id", "org.example.", "--name", "X"), "letter"),
                                   ("an id that is too long", ("d", "--id", "org." + "x" * 100, "--name", "X"), "100"),
                                   ("an empty name", ("d", "--id", "org.example.x", "--name", ""), "name"),
                                   ("a name of two lines", ("d", "--id", "org.example.x", "--name", "a\nb"), "one line"),
                                   ("a name that isn't UTF-8", ("d", "--id", "org.example.x", "--name", b"\xff"), "text"),
                                   ("no folder", good, "DIR"), ("no id", ("d", "--name", "X"), "--id")):
        done = bench.new(*arguments)
        report(f"{title} is wrong usage", done.returncode == 2 and word in done.stdout
               and not os.path.exists(os.path.join(bench.work, "d")), done.stdout)
    os.mkdir(os.path.join(bench.work, "full"))
    done = bench.new("full", *good)
    report("a folder that is there is left alone", done.returncode == 3 and "there already" in done.stdout
           and not os.listdir(os.path.join(bench.work, "full")), done.stdout)
    done = bench.new(os.path.join("nowhere", "d"), *good)
    report("a folder in a folder that isn't there", done.returncode == 3 and "No such file" in done.stdout, done.stdout)
    limited = subprocess.run(["sh", "-c", 'trap "" XFSZ; ulimit -f 2; exec "$0" plugin new small --id org.example.x --name X',
                              bench.sonde], cwd=bench.work, env=bench.environment, text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, check=False)
    report("when writing fails, nothing is left", limited.returncode == 3 and "too large" in limited.stdout
           and not os.path.exists(os.path.join(bench.work, "small")), limited.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--source", required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sonde-new-", ignore_cleanup_errors=True) as work:
        bench = Bench(os.path.abspath(arguments.build), os.path.abspath(arguments.source), work)
        project(bench, "C", "rumble", "org.example.rumble")
        if bench.sanitized:  # of the other language only the text differs
            report("C++", False, skip="the release build does it")
        elif shutil.which("g++") or shutil.which("c++"):
            project(bench, "C++", "rumble-pp", "org.example.rumble-pp", "--cpp")
        else:
            report("C++", False, skip="no C++ compiler here")
        resources(bench)
        refusals(bench)
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
