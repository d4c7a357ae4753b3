#!/usr/bin/python3
"""The bridge to Vamp plugins, through the whole program: Debian's vamp-examples beside the reference host's answers, a library
whose plugin crashes, and a file that is no Vamp library. Speaks TAP.

    vamp.py --build DIR
"""
import argparse
import array
import glob
import json
import math
import os
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import wave

EXAMPLES = "vamp.vamp-example-plugins."
LIBRARY = (glob.glob("/usr/lib/*/vamp/vamp-example-plugins.so") + [""])[0]


class Suite:
    def __init__(self, build, work):
        self.build, self.work = build, work
        self.sonde = os.path.join(build, "engine", "cli", "sonde")
        self.points = self.failed = 0
        self.environment = dict(os.environ, HOME=work, SONDE_PLUGIN_PATH="")
        for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "VAMP_PATH"):
            self.environment.pop(name, None)

    def check(self, good, name, why=""):
        self.points += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.points} - {name}", flush=True)
        for line in [] if good else str(why).splitlines():
            print(f"# {line}", flush=True)

    def run(self, *words):
        run = subprocess.run([self.sonde, *words], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             timeout=600, check=False)
        return run.returncode, run.stdout.decode("utf-8", "replace")

    def analyse(self, name, folders, *words):
        """{plugin: (outcome, reason, result)} of a run with the Vamp libraries of `folders`, and the catalogue."""
        catalogue = os.path.join(self.work, name + ".db")
        code, out = self.run("--catalogue", catalogue, "--set", f"plugins.vamp={folders}", *words, "analyze",
                             "--allow-weak-sandbox", os.path.join(self.work, "sounds"))
        db = sqlite3.connect(f"file:{catalogue}?mode=ro", uri=True)
        rows = db.execute("SELECT plugin, outcome, reason, result FROM region_analysis WHERE current").fetchall()
        db.close()
        return {row[0]: (row[1], row[2], json.loads(row[3]) if row[3] else None) for row in rows}, catalogue, (code, out)


def make_sound(path):
    """Six seconds at 44100 Hz that begin and end in sound, so that the region is the file: a drone, and a beat at 120 bpm."""
    noise, frames = 1, bytearray()
    for i in range(6 * 44100):
        t, beat = i / 44100, (i / 44100 + 0.4) % 0.5
        noise = (noise * 1103515245 + 12345) & 0x7FFFFFFF
        value = 0.2 * math.sin(2 * math.pi * 330 * t) + 0.6 * math.exp(-40 * beat) * (noise / 2**30 - 1)
        frames += struct.pack("<h", int(value * 30000))
    with wave.open(path, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(44100)
        out.writeframes(bytes(frames))


def reference(suite, plugin, output):
    """What Vamp's own host says: [(time, text behind it)]."""
    sound = os.path.join(suite.work, "sounds", "beat.wav")
    run = subprocess.run(["vamp-simple-host", f"vamp-example-plugins:{plugin}:{output}", sound], capture_output=True,
                         env=dict(os.environ, VAMP_PATH=os.path.dirname(LIBRARY)), timeout=120, check=False)
    found = re.findall(r"^\s*(-?[\d.]+)(?:,\s*[\d.]+)?:(.*)$", run.stdout.decode(), re.M)
    return [(float(time), rest.strip()) for time, rest in found]


def read_array(catalogue, plugin, name):
    db = sqlite3.connect(f"file:{catalogue}?mode=ro", uri=True)
    try:
        row = db.execute("SELECT dtype, shape, hop, start, data FROM arrays JOIN region_analysis USING (analysis_id) "
                         "WHERE plugin = ? AND name = ? AND current", (plugin, name)).fetchone()
    finally:
        db.close()
    values = array.array({"f32": "f", "f64": "d"}[row[0]])
    values.frombytes(row[4])
    return json.loads(row[1]), row[2], row[3], values


def test_examples(suite):
    results, catalogue, (code, out) = suite.analyse("examples", "installed")
    ours = {name: result for name, result in results.items() if name.startswith(EXAMPLES)}
    suite.check(code == 0 and len(ours) == 6 and all(r[0] == "ok" for r in ours.values()),
                "all six of Debian's example plugins give a result", f"{ours}\n{out}")
    suite.check(results["key"][0] in ("ok", "empty"), "and the bundled ones do as ever", results["key"])
    onsets = [e["time"] for e in ours[EXAMPLES + "percussiononsets"][2]["outputs"]["onsets"]["events"]]
    wanted = [time for time, _ in reference(suite, "percussiononsets", "onsets")]
    same = len(onsets) == len(wanted) and all(abs(a - b) < 1e-4 for a, b in zip(onsets, wanted))
    suite.check(len(wanted) > 5 and same, "onsets are those of Vamp's own host", f"{onsets}\n{wanted}")
    tempo = ours[EXAMPLES + "fixedtempo"][2]["outputs"]["tempo"]["events"][0]
    wanted = reference(suite, "fixedtempo", "tempo")
    suite.check(abs(tempo["values"][0] - float(wanted[0][1].split()[0])) < 0.01 and abs(tempo["values"][0] - 120) < 2,
                "and so is the tempo", f"{tempo} {wanted}")
    shape, hop, start, values = read_array(catalogue, EXAMPLES + "spectralcentroid", "linearcentroid")
    wanted = reference(suite, "spectralcentroid", "linearcentroid")
    same = all(abs(values[i] - float(rest)) <= 1e-3 * abs(float(rest)) for i, (_, rest) in enumerate(wanted[:300]))
    same = same and all(abs(start + i * hop - time) < 1e-4 for i, (time, _) in enumerate(wanted[:300]))
    suite.check(abs(len(wanted) - shape[0]) <= 1 and len(wanted) > 300 and same,
                "a series of values is stored as an array: its values and times are those of Vamp's host",
                f"{shape} {hop} {start} {list(values[:5])}\n{len(wanted)} {wanted[:5]}")
    shape, _, _, _ = read_array(catalogue, EXAMPLES + "powerspectrum", "powerspectrum")
    suite.check(len(shape) == 2 and shape[1] == 513, "a matrix keeps its two axes", shape)
    return ours


def test_parameters(suite, before):
    name = EXAMPLES + "percussiononsets"
    results, _, _ = suite.analyse("parameters", "installed", "--set", f"{name}:sensitivity=0")
    count = results[name][2]["outputs"]["onsets"]["count"]
    usual = before[name][2]["outputs"]["onsets"]["count"]
    suite.check(count != usual, "a Vamp plugin's parameter is one of sonde's", f"{count} {usual}")


def test_misbehaving(suite, examples):
    folder = os.path.join(suite.work, "vamp")
    os.makedirs(folder)
    shutil.copy(os.path.join(suite.build, "tests", "integration", "vamp", "misbehaving.so"), folder)
    for name in ("one", "two"):
        shutil.copy(LIBRARY, os.path.join(folder, name + ".so"))
    shutil.copy(os.path.join(suite.build, "plugins", "examples", "minimal.so"), os.path.join(folder, "other.so"))
    with open(os.path.join(folder, "text.so"), "w", encoding="utf-8") as file:
        file.write("no library")
    results, catalogue, (_, out) = suite.analyse("misbehaving", folder, "--set", "plugins.isolation=shared")
    crashing, working = results.get("vamp.misbehaving.crashing"), results.get("vamp.misbehaving.working")
    suite.check(crashing and crashing[0] == "crashed", "a Vamp plugin that crashes: its outcome says so", f"{crashing}\n{out}")
    good = working and working[0] == "ok" and working[2]["outputs"]["value"]["nonfinite"] == 1
    suite.check(good, "the other plugin of its library has its result, without what was no number", working)
    same = all(results.get("vamp.one." + name[len(EXAMPLES):], ("",))[2:] == result[2:] for name, result in examples.items())
    suite.check(same, "other Vamp libraries have the same results as without it", results)
    db = sqlite3.connect(f"file:{catalogue}?mode=ro", uri=True)
    libraries = dict(db.execute("SELECT library, count(*) FROM plugins WHERE plugin LIKE 'vamp.%' GROUP BY 1").fetchall())
    db.close()
    wanted = {os.path.join(folder, name + ".so"): count for name, count in {"misbehaving": 2, "one": 6, "two": 6}.items()}
    suite.check(libraries == wanted, "the catalogue names the Vamp library of each", libraries)
    code, out = suite.run("--set", f"plugins.vamp={folder}", "plugin", "list", "--broken")
    suite.check(code == 1 and re.search(r"other\.so.*no vampGetPluginDescriptor", out) and
                re.search(r"text\.so.*can't be loaded", out), "files that are no Vamp libraries are listed with the reason", out)


def test_off(suite):
    results, _, _ = suite.analyse("off", "")
    suite.check(results and not any(name.startswith("vamp.") for name in results), "unset: no Vamp plugin runs", list(results))


def test_check(suite):
    """The bridge under `sonde plugin check`. (Vamp's interface makes a new list for every block: level 9 counts those.)"""
    folder = os.path.join(suite.work, "check")
    resources = os.path.join(folder, "vamp.resources")
    os.makedirs(resources)
    shutil.copy(os.path.join(suite.build, "plugins", "vamp", "vamp.so"), folder)
    shutil.copy(LIBRARY, resources)
    code, out = suite.run("plugin", "check", "--level", "8", os.path.join(folder, "vamp.so"))
    suite.check(code == 0, "the bridge passes sonde plugin check at level 8 with all six", out)
    shutil.rmtree(resources)
    code, out = suite.run("plugin", "check", os.path.join(folder, "vamp.so"))
    suite.check(code == 1 and "load.library" in out, "alone it says that there is nothing to bridge to", out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    build = os.path.abspath(parser.parse_args().build)
    missing = ("the bridge wasn't built" if not os.path.exists(os.path.join(build, "plugins", "vamp", "vamp.so")) else
               "vamp-examples is not installed" if not LIBRARY else
               "vamp-simple-host is not installed" if not shutil.which("vamp-simple-host") else "")
    if missing:
        print(f"1..0 # SKIP {missing}")
        return 0
    with tempfile.TemporaryDirectory(prefix="sonde-vamp-") as work:
        suite = Suite(build, work)
        os.makedirs(os.path.join(work, "sounds"))
        make_sound(os.path.join(work, "sounds", "beat.wav"))
        examples = test_examples(suite)
        test_parameters(suite, examples)
        test_misbehaving(suite, examples)
        test_off(suite)
        test_check(suite)
    print(f"1..{suite.points}")
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
