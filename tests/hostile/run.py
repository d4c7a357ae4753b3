#!/usr/bin/python3
"""Loads hostile plugins, some at a time, beside the bundled ones, and checks that the outcome of each is the expected one and that
the bundled results are, to the last byte, those of a run without them. Then all of them at once. Speaks TAP.

The many sounds of the last run are real recordings where $SONDE_AUDIO names a folder of them, else made for the purpose; these are
shorter, and plugins that never come back are given two seconds for each second of a sound.

    run.py --build DIR [--together N] [--regions N] [NAME...]

By default 8 share a run, and all of them meet 20 regions (under sanitizers, where each takes seconds, 4 of sounds that are made).
--together 1 has each by itself. NAME: only these plugins.
"""
import argparse
import contextlib
import fcntl
import functools
import glob
import math
import os
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import wave

HERE = os.path.dirname(os.path.abspath(__file__))
SHORT = "1"  # s: for the plugins that hang
START = "2"  # s: for those that hang while they are loaded, as the bundled ones are
LONG = "120"  # s: for all others, so that a slow machine is no hang
ALONE = {"flood_engine"}  # takes the engine's own time: on a busy machine others would miss so short a deadline beside it
HANG_AT_LOAD = ("loop_in_constructor", "loop_in_create", "loop_in_init")
BYTES = (3000, 16000)  # of a recording: some seconds, for each second of a sound is two more for those that hang


@functools.cache
def make_tone(k, rate):
    """The frames of a short tone with an envelope and some noise."""
    noise, frames = 12345 + k, bytearray()
    for i in range(int(rate * (0.6 + 0.05 * (k % 7)))):
        noise = (noise * 1103515245 + 12345) & 0x7FFFFFFF
        t = i / rate
        value = 0.5 * math.exp(-3 * t) * math.sin(2 * math.pi * 110 * 2 ** (k / 12) * t) + 0.01 * (noise / 2**30 - 1)
        frames += struct.pack("<h", int(value * 32000))
    return bytes(frames)


def make_sounds(folder, count):
    """`count` short tones, each different."""
    os.makedirs(folder)
    for k in range(count):
        with wave.open(os.path.join(folder, f"tone {k:02d}.wav"), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(22050)
            out.writeframes(make_tone(k, 22050))


def take_recordings(folder, count):
    """Links to `count` short recordings, in turn from each folder of $SONDE_AUDIO (not the broken ones). False: too few."""
    audio, found = os.environ.get("SONDE_AUDIO", ""), []
    folders = [path for path in sorted(glob.glob(os.path.join(audio, "*", ""))) if audio and "robustness" not in path]
    kinds = [[path for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*.ogg"))) if BYTES[0] < os.path.getsize(path) < BYTES[1]]
             for folder in folders]
    while any(kinds) and len(found) < count:
        found += [kind.pop(len(kind) // 2) for kind in kinds if kind]
    if len(found) < count:
        return False
    os.makedirs(folder)
    for k, path in enumerate(found[:count]):
        os.symlink(path, os.path.join(folder, f"{k:02d} {os.path.basename(path)}"))
    return True


def is_sanitized(program):
    with open(program, "rb") as file:
        return b"__asan_init" in file.read()


class Suite:
    def __init__(self, build, work):
        self.build, self.work = build, work
        self.sonde = os.path.join(build, "engine", "cli", "sonde")
        self.sanitized = is_sanitized(self.sonde)
        self.points = 0
        self.failed = 0

    def point(self, good, name, why=""):
        self.points += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.points} - {name}", flush=True)
        if not good:
            for line in str(why).splitlines():
                print(f"# {line}", flush=True)

    def analyse(self, sounds, name, libraries, deadline=LONG, timeout=600, isolation="plugin"):
        """One run with these third-party libraries: (exit code, what it printed, catalogue)."""
        folder = os.path.join(self.work, "plugins-" + name)
        os.makedirs(folder, exist_ok=True)
        for library in libraries:
            target = os.path.join(folder, os.path.basename(library))
            if not os.path.exists(target):
                shutil.copy(library, target)
        catalogue = os.path.join(self.work, name + ".db")
        environment = dict(os.environ, SONDE_PLUGIN_PATH=folder, HOME=self.work, XDG_CONFIG_HOME=self.work)
        run = subprocess.run([self.sonde, "--catalogue", catalogue, "--set", f"engine.analyse_deadline={deadline}",
                              "--set", f"engine.load_deadline={deadline}", "--set", "worker.memory_limit=256",
                              "--set", f"plugins.isolation={isolation}",
                              "analyze", "--allow-weak-sandbox", "--progress", "lines", sounds], env=environment,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False)
        return run.returncode, run.stdout.decode("utf-8", "replace"), catalogue


def rows(catalogue, query, *values):
    db = sqlite3.connect(f"file:{catalogue}?mode=ro", uri=True)
    try:
        return db.execute(query, values).fetchall()
    finally:
        db.close()


BUNDLED = """SELECT path, region, plugin, outcome, reason, result FROM region_results
             WHERE plugin NOT LIKE 'hostile.%' ORDER BY path, region, plugin"""


def expectation(name):
    with open(os.path.join(HERE, "plugins", name + ".c"), encoding="utf-8") as source:
        line = re.search(r"expect: (.*?)\s*(?:\*/|\n)", source.read()).group(1)
    outcomes, _, reason = line.partition(" ")
    return outcomes.split("|"), reason


def deadline_of(name):
    return START if name in HANG_AT_LOAD else SHORT if "timeout" in expectation(name)[0] else LONG


def batches(names, together):
    """(deadline, names) of each run: at most `together`, and those that follow each other by name, which may be of a kind, apart."""
    for name in ALONE.intersection(names):
        yield deadline_of(name), [name]
    for deadline in (SHORT, START, LONG):
        alike = [name for name in names if deadline_of(name) == deadline and name not in ALONE]
        runs = -(-len(alike) // together)
        for k in range(runs):
            yield deadline, alike[k::runs]


def check_batch(suite, sounds, clean, deadline, names):
    libraries = [os.path.join(suite.build, "tests", "hostile", name + ".so") for name in names]
    start, who = time.monotonic(), ", ".join(names)
    try:
        code, printed, catalogue = suite.analyse(sounds, names[0], libraries, deadline)
    except subprocess.TimeoutExpired as error:
        suite.point(False, f"{who}: the run ends", error)
        return
    suite.point(code in (0, 1), f"{who}: the run ends by itself", f"exit code {code}\n{printed}")
    for name in names:
        check_outcome(suite, name, printed, catalogue)
    found = rows(catalogue, BUNDLED)
    odd = [row[:5] for row in found if row not in clean] if len(found) == len(clean) else f"{len(found)} of {len(clean)} results"
    suite.point(found == clean, f"{who}: bundled results are as without ({time.monotonic() - start:.1f} s)", odd)


def check_outcome(suite, name, printed, catalogue):
    """Either the library is refused, and the run says why; or every region has one of the expected outcomes (or is in
    quarantine because of one), with the expected reason."""
    outcomes, reason = expectation(name)
    found = rows(catalogue, "SELECT DISTINCT outcome, coalesce(reason, '') FROM region_results WHERE plugin = ?",
                 "hostile." + name)
    if "refused" in outcomes and not found:
        told = [line for line in printed.splitlines() if name in line]
        suite.point(any(re.search(reason, line, re.I) for line in told), f"{name}: refused, {reason or 'with its reason'}", printed)
        return
    good = all(outcome in outcomes + ["quarantined"] and "ALLOWED" not in text for outcome, text in found)
    good = good and any(outcome in outcomes and re.search(reason, text, re.I) for outcome, text in found)
    suite.point(good, f"{name}: {'|'.join(outcomes)} {reason}", f"found: {found}\nprinted: {printed[-1500:]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--together", type=int, default=8)
    parser.add_argument("--regions", type=int)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    built = os.path.join(args.build, "tests", "hostile")
    names = args.names or sorted(f[:-3] for f in os.listdir(built) if f.endswith(".so") and f != "fail_nth.so")
    work = tempfile.mkdtemp(prefix="sonde-hostile-")
    suite = Suite(args.build, work)
    victim = "/tmp/sonde-hostile-victim"  # a place that unlink_file knows; whoever runs last removes it
    others = open(victim, "a", encoding="ascii")
    fcntl.flock(others, fcntl.LOCK_SH)
    try:
        few, many = os.path.join(work, "few"), os.path.join(work, "many")
        make_sounds(few, 3)
        wanted = args.regions or (4 if suite.sanitized else 20)
        real = not args.names and not suite.sanitized and take_recordings(many, wanted + 8)
        if not args.names and not real:
            make_sounds(many, wanted)
        code, printed, catalogue = suite.analyse(few, "clean", [])
        clean = rows(catalogue, BUNDLED)
        suite.point(code == 0 and clean, "without them: every region has its results", f"{len(clean)} rows\n{printed}")
        for deadline, batch in batches(names, args.together):
            check_batch(suite, few, clean, deadline, batch)
        code, printed, catalogue = suite.analyse(few, "ranked", [os.path.join(built, f"ranked_{n}.so") for n in
                                                                 ("1_fails", "2_steps_in", "3_idle")])
        found = rows(catalogue, "SELECT DISTINCT plugin, outcome FROM region_results WHERE plugin LIKE 'hostile.ranked%'")
        suite.point(sorted(found) == [("hostile.ranked_1_fails", "failed"), ("hostile.ranked_2_steps_in", "ok")],
                    "of three providers the first fails, the second's result is kept, the third isn't run", f"{found}\n{printed}")
        code, printed, catalogue = suite.analyse(few, "neighbours", [os.path.join(built, f"{name}.so") for name in
                                                                     ("heap_overflow_unnoticed", "ranked_2_steps_in")], isolation="shared")
        found = rows(catalogue, "SELECT DISTINCT plugin, outcome FROM region_results WHERE plugin LIKE 'hostile.%'")
        struck = rows(catalogue, "SELECT DISTINCT plugin FROM strikes")
        suite.point(sorted(found) == [("hostile.heap_overflow_unnoticed", "crashed"), ("hostile.ranked_2_steps_in", "ok")]
                    and struck == [("hostile.heap_overflow_unnoticed",)] and rows(catalogue, BUNDLED) == clean,
                    "in one process: who damages a neighbour's memory is struck, the neighbour has its result", f"{found} {struck}\n{printed}")
        if not args.names:
            code, printed, catalogue = suite.analyse(many, "clean-many", [])
            clean = rows(catalogue, BUNDLED)
            libraries = [os.path.join(built, name + ".so") for name in names if name not in ALONE]
            together = "6" if suite.sanitized else "2"  # s: a sanitizer slows the bundled ones down as well
            regions = len({row[:2] for row in clean})
            suite.point(regions >= wanted, f"all at once: {regions} regions, {'of real recordings' if real else 'made for the purpose'}", regions)
            code, printed, catalogue = suite.analyse(many, "all", libraries, together, timeout=1000)
            suite.point(code in (0, 1), "all at once: the run ends by itself", printed[-3000:])
            suite.point(clean and rows(catalogue, BUNDLED) == clean, "all at once: bundled results are as without them")
        suite.point(not os.path.exists("/tmp/sonde-hostile-was-here"), "no file was written")
        suite.point(os.path.exists(victim), "no file was removed")
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(others, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.remove(victim)
        others.close()
        shutil.rmtree(work, ignore_errors=True)
    print(f"1..{suite.points}")
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
