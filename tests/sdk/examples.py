#!/usr/bin/python3
"""The example plugins, built by the build, through the whole program: sounds go in, values are read from the catalogue. Speaks
TAP.

    examples.py --build DIR
"""
import argparse
import json
import math
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import wave

RATE = 16000
FOLDER = os.path.join("plugins", "examples")
results = []


def report(name, good, detail="", skip=""):
    results.append(bool(good) or bool(skip))
    print(f"{'ok' if results[-1] else 'not ok'} {len(results)} - {name}{' # SKIP ' + skip if skip else ''}", flush=True)
    if not results[-1]:
        for line in str(detail).splitlines():
            print("# " + line)


def write(path, samples, rate=RATE):
    with wave.open(path, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(b"".join(struct.pack("<h", max(-32767, min(32767, int(x * 32767)))) for x in samples))


def make_sounds(folder):
    noise = random.Random(1)
    write(os.path.join(folder, "hum.wav"), (sum(0.05 / k * math.sin(2 * math.pi * 50 * k * i / RATE) for k in range(1, 7))
                                            + 0.01 * noise.uniform(-1, 1) for i in range(RATE * 6)))
    write(os.path.join(folder, "clicks.wav"), (0.7 * math.exp(-60 * (i % 8000) / RATE) * noise.uniform(-1, 1)
                                               + 0.0005 * noise.uniform(-1, 1) for i in range(RATE * 8)))
    write(os.path.join(folder, "clip.wav"), (max(-1, min(1, 2 * math.sin(2 * math.pi * 440 * i / RATE)))
                                             for i in range(RATE * 2)))
    write(os.path.join(folder, "tone.wav"), ((0.5 if 1 <= i / RATE < 2.5 else 0.005) * math.sin(2 * math.pi * 1000 * i / RATE)
                                             for i in range(RATE * 4)))
    if shutil.which("espeak-ng"):
        subprocess.run(["espeak-ng", "-w", os.path.join(folder, "speech.wav"),
                        "The quick brown fox jumps over the lazy dog, and then it rests for a while under an old tree."],
                       check=True)


class Bench:
    """A folder of sounds, a home of its own, and the program."""

    def __init__(self, build, work):
        self.build = build
        self.work = work
        self.sonde_path = os.path.join(build, "engine", "cli", "sonde")
        self.sounds = os.path.join(work, "sounds")
        os.mkdir(self.sounds)
        make_sounds(self.sounds)

    def sonde(self, catalogue, *arguments, plugins=None, config=None):
        environment = dict(os.environ, HOME=self.work, XDG_CACHE_HOME=os.path.join(self.work, "cache"),
                           SONDE_PLUGIN_PATH=plugins or os.path.join(self.build, FOLDER))
        environment.pop("XDG_DATA_HOME", None)
        command = [self.sonde_path, "--catalogue", os.path.join(self.work, catalogue)]
        if config:
            command += ["--config", config]
        return subprocess.run(command + list(arguments), env=environment, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False, timeout=600)

    def rows(self, catalogue, query, *values):
        with sqlite3.connect(os.path.join(self.work, catalogue)) as connection:
            return connection.execute(query, values).fetchall()

    def result(self, catalogue, plugin, name):
        """Outcome, reason and result of a plugin on the only region of a file."""
        rows = self.rows(catalogue, "SELECT a.outcome, a.reason, a.result, a.identity FROM region_analysis a JOIN regions r USING "
                         "(region_id) JOIN contents c USING (audio_id) JOIN files f USING (content_id) WHERE a.current AND "
                         "r.current AND a.plugin = ? AND f.name = ?", plugin, name)
        if len(rows) != 1:
            return {"outcome": f"{len(rows)} rows"}
        outcome, reason, result, identity = rows[0]
        return dict(json.loads(result) if result else {}, outcome=outcome, reason=reason, identity=identity)


def near(value, expected, tolerance):
    return value is not None and abs(value - expected) <= tolerance


def everything(bench):
    done = bench.sonde("all.db", "analyze", bench.sounds)
    report("all examples run over all sounds", done.returncode == 0, done.stdout + done.stderr)
    states = {row[0]: row[1] for row in bench.rows("all.db", "SELECT plugin, state FROM plugins")}

    def check(title, plugin, name, test, optional=""):
        if plugin not in states and optional:
            report(title, False, skip=optional)
            return
        got = bench.result("all.db", plugin, name)
        report(title, got["outcome"] == "ok" and test(got), got)

    check("minimal: a tone of 440 Hz crosses zero 880 times a second", "org.example.minimal", "clip.wav",
          lambda r: near(r["zero_crossing_rate"], 880, 9))
    check("hum: the mains at 50 Hz", "org.example.hum", "hum.wav", lambda r: r["mains"] == 50 and r["prominence"] > 12)
    check("hum: none in a tone", "org.example.hum", "tone.wav", lambda r: r["mains"] is None)
    check("exceedance: when the tone is loud", "org.example.exceedance", "tone.wav", lambda r: len(r["exceedances"]) == 1
          and near(r["exceedances"][0]["start"], 1, 0.05) and near(r["exceedances"][0]["end"], 2.5, 0.05)
          and near(r["exceeded"], 1.5, 0.1))
    check("steady_tempo: two clicks a second", "org.example.steady_tempo", "clicks.wav",
          lambda r: near(r["bpm"], 120, 2) and near(r["onsets"][2] - r["onsets"][1], 0.5, 0.03))
    check("cpp: the dynamics of the tone", "org.example.dynamics", "tone.wav", lambda r: near(r["range"], 40, 1),
          "no C++ compiler in this build")
    check("rust: clipping", "org.example.clipping", "clip.wav", lambda r: r["longest"] >= 5 and r["clipped"] > 1000,
          "no rustc in this build")
    check("rust: no clipping", "org.example.clipping", "tone.wav", lambda r: r["longest"] == 0 and r["clipped"] == 0,
          "no rustc in this build")
    check("aubio_onset: a click each half second", "org.example.aubio_onset", "clicks.wav",
          lambda r: near(r["onset_rate"], 2, 0.3), "no libaubio in this build")
    if os.path.exists(os.path.join(bench.sounds, "speech.wav")):
        check("speech_level: how loud somebody speaks", "org.example.speech_level", "speech.wav",
              lambda r: -40 < r["speech_level"] < -5 and r["speech_seconds"] > 1)
    else:
        report("speech_level: how loud somebody speaks", False, skip="no espeak-ng here")
    nobody = bench.result("all.db", "org.example.speech_level", "tone.wav")
    report("speech_level: nobody speaks in a tone", nobody["outcome"] == "empty" and nobody["reason"] == "nobody speaks", nobody)
    summary = bench.rows("all.db", "SELECT json_extract(summary, '$.zero_crossing_rate') FROM sounds WHERE name = "
                         "'clip.wav'")
    report("what a schema summarises stands in the file's summary", summary and near(summary[0][0], 880, 9), summary)


def throwing(bench):
    """The exception of the C++ example becomes an outcome with its sentence."""
    short = os.path.join(bench.work, "short")
    os.mkdir(short)
    write(os.path.join(short, "blip.wav"), (0.5 * math.sin(i) for i in range(RATE // 4)))
    done = bench.sonde("short.db", "analyze", short)
    got = bench.result("short.db", "org.example.dynamics", "blip.wav")
    if got["outcome"] == "0 rows":
        report("cpp: an exception becomes a sentence", False, skip="no C++ compiler in this build")
        return
    report("cpp: an exception becomes a sentence", got["outcome"] == "unsupported" and "too short" in (got["reason"] or ""),
           str(got) + done.stderr)


def alternative(bench):
    """Without the bundled provider of tempo_meter/1, the alternative's tempo is the file's."""
    done = bench.sonde("other.db", "--set", "plugins.disabled=tempo_meter", "analyze", bench.sounds)
    rows = bench.rows("other.db", "SELECT bpm, bpm_source FROM sounds WHERE name = 'clicks.wav'")
    report("steady_tempo steps in for tempo_meter, and its tempo is the file's", rows and near(rows[0][0], 120, 2),
           str(rows) + done.stderr)
    rows = bench.rows("all.db", "SELECT interfaces, count(*) FROM region_analysis WHERE current AND plugin = 'tempo_meter'")
    report("with tempo_meter there, that one comes first", rows and rows[0][1] >= 4, rows)


def parameters(bench):
    """From the command line and the configuration file, shown, refused with a sentence, part of the identity."""
    plugin = "org.example.exceedance"
    before = bench.result("all.db", plugin, "tone.wav")
    low = bench.sonde("all.db", "--set", plugin + ":threshold=-80", "--set", plugin + ":weighting=flat.txt", "analyze",
                      bench.sounds)
    after = bench.result("all.db", plugin, "tone.wav")
    report("--set changes the result", low.returncode == 0 and after.get("exceeded", 0) > before.get("exceeded", 9) + 1,
           f"{before} {after} {low.stderr}")
    report("a parameter is part of the identity", before.get("identity") != after.get("identity"))
    current = bench.rows("all.db", "SELECT count(*) FROM region_analysis WHERE current AND plugin = 'org.example.minimal'")
    again = bench.rows("all.db", "SELECT count(*) FROM region_analysis WHERE plugin = 'org.example.minimal'")
    report("results of other plugins stay", current == again, f"{current} {again}")

    config = os.path.join(bench.work, "sonde.ini")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f"[plugin:{plugin}]\nthreshold = -80\nweighting = flat.txt\nreport = total\n")
    done = bench.sonde("config.db", "analyze", bench.sounds, config=config)
    got = bench.result("config.db", plugin, "tone.wav")
    report("the configuration file sets them too", done.returncode == 0 and "exceedances" not in got
           and near(got.get("exceeded"), after.get("exceeded", -1), 1e-6), f"{got} {done.stderr}")
    shown = bench.sonde("config.db", "plugin", "show", plugin, config=config)
    report("sonde plugin show tells value, unit, range and default", all(
        word in shown.stdout for word in ("threshold", "-80", "dBFS", "-120", "default -40", "What is louder counts.")),
           shown.stdout + shown.stderr)
    shown = bench.sonde("config.db", "plugin", "show", "org.example.aubio_onset")
    report("and where to read more about it", "https://aubio.org" in shown.stdout, shown.stdout + shown.stderr,
           "" if shown.returncode == 0 else "no libaubio in this build")

    for value, words in (("threshold=5", ("threshold", "-120 to 0 dBFS", "5")), ("threshold=loud", ("number", "loud")),
                         ("report=all", ("total, times", "all")), ("nothing=1", ("no parameter", "nothing")),
                         ("weighting=../secret", ())):
        done = bench.sonde("wrong.db", "--set", f"{plugin}:{value}", "analyze", bench.sounds)
        if words:
            report(f"{value} is refused with a sentence, before anything is analysed",
                   done.returncode == 2 and all(word in done.stderr for word in words + (plugin,)), done.stderr)
        else:
            report("a resource outside the folder is refused, and the rest goes on",
                   done.returncode == 0 and plugin in done.stderr, done.stderr)
    done = bench.sonde("wrong.db", "--set", f"{plugin}:threshold=5", "watch", bench.sounds)
    report("nor does sonde watch begin with it", done.returncode == 2 and "-120 to 0 dBFS" in done.stderr, done.stderr)
    done = bench.sonde("nobody.db", "--set", "org.example.nobody:x=1", "analyze", bench.sounds)
    report("parameters of a plugin that isn't there are told of", done.returncode == 0
           and "no such plugin" in done.stdout + done.stderr, done.stdout + done.stderr)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    build = os.path.abspath(parser.parse_args().build)
    with tempfile.TemporaryDirectory(prefix="sonde-examples-", ignore_cleanup_errors=True) as work:
        bench = Bench(build, work)
        everything(bench)
        throwing(bench)
        alternative(bench)
        parameters(bench)
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
