#!/usr/bin/python3
"""`sonde plugin check`: it passes on everything that comes with sonde, finds what is wrong with each hostile plugin, and its
documentation names every check. Speaks TAP.

    plugin_check.py --build DIR [NAME...]      NAME: only these hostile plugins
"""
import argparse
import concurrent.futures
import glob
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hostile"))
from run import is_sanitized  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


class Suite:
    def __init__(self, build, work):
        self.build = build
        self.sonde = os.path.join(build, "engine", "cli", "sonde")
        self.sanitized = is_sanitized(self.sonde)
        self.environment = dict(os.environ, HOME=work, XDG_CONFIG_HOME=work, SONDE_PLUGIN_PATH="")
        self.points = self.failed = 0

    def point(self, good, name, why=""):
        self.points += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.points} - {name}", flush=True)
        for line in [] if good else str(why).splitlines():
            print(f"# {line}", flush=True)

    def run(self, *words):
        """(exit code, standard output, standard error)"""
        run = subprocess.run([self.sonde, *words], env=self.environment, capture_output=True, timeout=900, check=False)
        return run.returncode, run.stdout.decode(), run.stderr.decode()


def checks(suite):
    """{id: level} of all checks."""
    code, out, _ = suite.run("plugin", "check", "--list")
    table = dict((line.split()[1], int(line.split()[0])) for line in out.splitlines())
    suite.point(code == 0 and len(table) > 50, "--list lists the checks", out)
    return table


def test_documentation(suite, levels):
    with open(os.path.join(ROOT, "plugins", "checks.md"), encoding="utf-8") as file:
        documented = dict((m[1], int(m[0])) for m in re.findall(r"^\| (\d+) \| `([a-z_.]+)` \|", file.read(), re.M))
    suite.point(documented == levels, "plugins/checks.md lists every check, with its level",
                f"only documented: {set(documented.items()) - set(levels.items())}\n"
                f"only in the code: {set(levels.items()) - set(documented.items())}")


def test_bundled(suite):
    found = sorted(glob.glob(os.path.join(suite.build, "plugins", "*", "*.so")))
    found = [library for library in found if not library.endswith("/vamp.so")]  # no plugin by itself: vamp.py
    suite.point(len(found) >= 12, "the bundled plugins and the examples are there", found)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = pool.map(lambda library: suite.run("plugin", "check", "--level", "10", library), found)
        for library, (code, out, err) in zip(found, runs):
            suite.point(code == 0, f"{os.path.basename(library)} passes at level 10", out + err)


def test_odd_path(suite, work):
    """A library, and its resources, in a folder whose name is no text."""
    folder = os.path.join(work, "caf\udce9")
    os.mkdir(folder)
    built = os.path.join(suite.build, "plugins", "examples", "exceedance")
    shutil.copy(built + ".so", os.path.join(folder, "\udcff.so"))
    shutil.copytree(built + ".resources", os.path.join(folder, "\udcff.resources"))
    _, plain, _ = suite.run("plugin", "check", "--level", "8", built + ".so")
    _, out, err = suite.run("plugin", "check", "--level", "8", os.path.join(folder, "\udcff.so"))
    suite.point("caf\ufffd" in out and out.splitlines()[1:] == plain.splitlines()[1:], "a library whose path isn't UTF-8 is checked like any other", out + err)


def read_expectation(name):
    """(the checks of which one must fail, what its reason must match) of a hostile plugin."""
    with open(os.path.join(ROOT, "tests", "hostile", "plugins", name + ".c"), encoding="utf-8") as source:
        words = re.search(r"check: (.*?)\s*(?:\*/|\n)", source.read()).group(1).split(" ", 1)
    return words[0].split("|"), words[1] if len(words) > 1 else ""


def check_hostile(suite, name, levels):
    wanted, pattern = read_expectation(name)
    level = max(levels[check] for check in wanted)
    settings = []
    if "run.time" in wanted or "end.destroy" in wanted:
        settings = ["--set", "engine.analyse_deadline=1"]
    if name.startswith("loop_in_") and "load" in wanted[0]:
        settings = ["--set", "engine.load_deadline=2"]
    library = os.path.join(suite.build, "tests", "hostile", name + ".so")
    code, out, err = suite.run("--set", "worker.memory_limit=256", *settings, "plugin", "check", "--json", "--level",
                               str(level), library)
    if code != 1:
        return False, f"exit code {code}\n{out}{err}"
    failed = [check for check in json.loads(out)["checks"] if check["status"] == "failed"]
    good = any(check["id"] in wanted and re.search(pattern, check.get("reason", "")) for check in failed)
    good = good and all(check.get("reason") and check.get("mend") for check in failed)
    return good, "\n".join(f"{check['id']}: {check.get('reason')}" for check in failed)


def test_hostile(suite, levels, only):
    names = sorted(os.path.basename(path)[:-2] for path in glob.glob(os.path.join(ROOT, "tests/hostile/plugins/*.c")))
    names = [name for name in names if os.path.exists(os.path.join(suite.build, "tests", "hostile", name + ".so"))]
    suite.point(len(names) > 80, "the hostile plugins are there", names)
    names = [name for name in names if not only or name in only]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, (good, why) in zip(names, pool.map(lambda n: check_hostile(suite, n, levels), names)):
            suite.point(good, f"{name}: {'|'.join(read_expectation(name)[0])}", why)


# tests/hostile/flawed: what must be found, and what else a flaw may show itself in.
SAMENESS = {"same.twice", "same.fresh", "same.blocks", "same.after_others", "same.after_abandon", "same.interleaved",
            "same.position", "params.defaults"}
FLAWS = {
    "none": (set(), set()),
    "same_twice": ({"same.twice"}, SAMENESS),
    "same_fresh": ({"same.fresh"}, SAMENESS),
    "same_processors": ({"same.fresh"}, set()),
    "same_blocks_large": ({"same.blocks"}, set()),
    "load_longer": ({"load.unknown"}, set()),
    "run_bounds_before": ({"run.bounds"}, set()),
    "run_bounds_after": ({"run.bounds"}, set()),
    "run_bounds_kept": ({"run.bounds"}, set()),
    "params_defaults": ({"params.defaults", "same.descriptor"}, SAMENESS | {"run.bounds"}),
    "params_random": ({"params.random", "result.writing"}, set()),
    "params_lost": ({"params.random"}, set()),
    "needs_absent": ({"needs.absent"}, {"run.crash"}),
    **{f"region_{kind}": ({f"region.{kind}", "result.writing"}, set())
       for kind in ("rates", "channels", "one_sample", "short", "silent", "loud", "nonfinite", "constant", "noise", "denormal", "facts", "long")},
}


# What they lack is seen beside another library only.
VERSIONS = ("same_version", "same_version_told")


def expected(name):
    """(what must be found, what may be found besides)"""
    return FLAWS.get(name, ({name.replace("_", ".", 1)}, set()))


def flawed(suite, name):
    return os.path.join(suite.build, "tests", "hostile", "flawed", f"flawed_{name}.so")


def check_flawed(suite, name, levels):
    must, may = expected(name)
    level = max([levels[check] for check in must], default=10)
    code, out, err = suite.run("plugin", "check", "--json", "--level", str(level), flawed(suite, name))
    try:
        checks = json.loads(out)["checks"]
    except ValueError:
        return False, f"exit code {code}\n{out}{err}"
    found = {check["id"] for check in checks if check["status"] in ("failed", "warning")}
    failed = any(check["status"] == "failed" for check in checks)
    good = must <= found <= must | may and code == (1 if failed else 0)
    return good, f"exit code {code}, found {sorted(found)}, expected {sorted(must)}"


def of_each_kind(names):
    """The first and the last of each kind: file_..., load_..., of which each is looked for by another part of the engine."""
    kinds = [[name for name in names if name.split("_")[0] == kind] for kind in sorted({name.split("_")[0] for name in names})]
    return sorted({name for kind in kinds for name in (kind[0], kind[-1])})


def test_flawed(suite, levels):
    """One flaw, one finding: that nothing else is found matters as much. Under sanitizers some will do, for what is found is the
    same."""
    names = sorted(os.path.basename(path)[7:-3] for path in glob.glob(flawed(suite, "*")))
    suite.point(len(names) > 55, "the flawed plugins are there", names)
    names = [name for name in names if name not in VERSIONS]
    if len(os.sched_getaffinity(0)) == 1:
        names.remove("same_processors")
    names = of_each_kind(names) if suite.sanitized else names
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, (good, why) in zip(names, pool.map(lambda n: check_flawed(suite, n, levels), names)):
            suite.point(good, f"flaw {name}: found, and nothing else", why)


def test_before(suite):
    """An earlier build beside the later one: results may change, but not under the same version."""
    for library, before, code, reason in (("same_version", "none", 1, "both are 1.0.0, but once"),
                                          ("same_version_told", "none", 0, "1.0.0 became 1.1.0, results differ"),
                                          ("none", "none", 0, "1.0.0, same results"),
                                          ("none", "file_imports", 0, "1.0.0, same results")):
        got, out, err = suite.run("plugin", "check", "--json", "--level", "5", "--before", flawed(suite, before),
                                  flawed(suite, library))
        checks = {check["id"]: check for check in json.loads(out)["checks"]} if got < 2 else {}
        suite.point(got == code and reason in checks.get("same.version", {}).get("reason", ""),
                    f"{library} after {before}: {reason}", f"{got}\n{checks.get('same.version')}{err}")
    got, out, err = suite.run("plugin", "check", "--before", "/no/such.so", flawed(suite, "none"))
    suite.point(got == 3 and "/no/such.so" in err, "an earlier build that isn't there: exit code 3", f"{got}\n{out}{err}")
    got, out, _ = suite.run("plugin", "check", "--all", "--level", "5", "--before",
                            os.path.join(suite.build, "plugins", "examples", "minimal.so"), flawed(suite, "none"))
    suite.point(got == 0 and "doesn't load, or has no such plugin" in out, "one without the plugin: skipped", f"{got}\n{out}")


def test_seed(suite):
    """The parameters tried at random are those of the seed, and the finding names both."""
    reasons = []
    for seed in ("7", "7", "8"):
        code, out, err = suite.run("plugin", "check", "--json", "--level", "7", "--seed", seed, flawed(suite, "params_random"))
        reasons += [check["reason"] for check in json.loads(out)["checks"] if check["id"] == "params.random"] if code == 1 else [err]
    same = reasons[0] == reasons[1] != reasons[2]
    suite.point(same and re.search(r'set 1 of seed 7, \{"gain":', reasons[0]) and "of seed 8" in reasons[2],
                "--seed: the same sets again, or others", reasons)


def test_covered(suite, levels):
    """Every check finds something: no check that nothing can fail."""
    shown = {"file.elf", "same.version"}  # test_files, test_before
    for path in glob.glob(os.path.join(ROOT, "tests", "hostile", "plugins", "*.c")):
        wanted = read_expectation(os.path.basename(path)[:-2])[0]
        shown |= set(wanted) if len(wanted) == 1 else set()
    for path in glob.glob(flawed(suite, "*")):
        shown |= expected(os.path.basename(path)[7:-3])[0]
    suite.point(set(levels) <= shown, "every check is failed by some plugin", sorted(set(levels) - shown))


def loaded_bytes(library):
    """What the loader maps of an ELF file (man 5 elf): what follows are symbols for debuggers, which nobody misses."""
    start, size, count = struct.unpack_from("<Q", library, 32)[0], *struct.unpack_from("<HH", library, 54)
    headers = [struct.unpack_from("<IIQQQQ", library, start + k * size) for k in range(count)]
    return max(offset + length for kind, _, offset, _, _, length in headers if kind == 1)


def test_files(suite, work):
    """Files that are no plugins."""
    minimal = os.path.join(suite.build, "plugins", "examples", "minimal.so")
    with open(minimal, "rb") as file:
        library = file.read()
    for name, content in {"empty": b"", "text": b"hello", "half": library[: loaded_bytes(library) // 2],
                          "headless": b"\0" * 64 + library[64:]}.items():
        path = os.path.join(work, name + ".so")
        with open(path, "wb") as file:
            file.write(content)
        code, out, err = suite.run("plugin", "check", path)
        suite.point(code == 1 and "FAIL" in out, f"{name} file: refused with a reason", f"{code}\n{out}{err}")
    code, out, err = suite.run("plugin", "check", os.path.join(work, "absent.so"))
    suite.point(code == 3 and "absent.so" in err, "an absent file: exit code 3", f"{code}\n{out}{err}")
    for words in (["--level", "11", minimal], ["--level"], ["--nonsense", minimal], ["--seed", "-1", minimal], ["--before"], []):
        code, out, err = suite.run("plugin", "check", *words)
        suite.point(code == 2, f"{words[:2]}: exit code 2", f"{code}\n{out}{err}")
    code, out, err = suite.run("plugin", "check", "--quick", "--all", minimal)
    good = code == 0 and "region.silent" in out and "same.twice" not in out and "run.ordinary" in out
    suite.point(good, "--quick stops at level 4", f"{code}\n{out}{err}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        suite = Suite(os.path.abspath(arguments.build), work)
        levels = checks(suite)
        if not arguments.names:
            test_documentation(suite, levels)
            test_files(suite, work)
            test_bundled(suite)
            test_odd_path(suite, work)
            test_flawed(suite, levels)
            test_before(suite)
            test_seed(suite)
            test_covered(suite, levels)
        test_hostile(suite, levels, arguments.names)
    print(f"1..{suite.points}")
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
