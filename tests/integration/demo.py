#!/usr/bin/python3
"""The demo folder from end to end: synthesised, analysed, asked. What a musician knows about it must be in the catalogue.
Speaks TAP.

    demo.py --build DIR
"""
import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="sonde-demo-")
    sounds, catalogue = os.path.join(work, "sounds"), os.path.join(work, "demo.db")
    os.mkdir(sounds)
    sonde = os.path.join(args.build, "engine", "cli", "sonde")
    environment = dict(os.environ, HOME=work)
    results = []

    def check(good, name, why=""):
        results.append(good)
        print(f"{'ok' if good else 'not ok'} {len(results)} - {name}", flush=True)
        if not good:
            print("# " + str(why).replace("\n", "\n# "), flush=True)

    def run(*arguments):
        done = subprocess.run([sonde, "--catalogue", catalogue, *arguments], env=environment, capture_output=True, timeout=300,
                              check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    try:
        subprocess.run([os.path.join(args.build, "tools", "sonde-demo"), sounds], check=True)
        code, _, told = run("analyze", sounds)
        check(code == 0, "analysis succeeds", told)
        db = sqlite3.connect(catalogue)
        sound = {row[0]: row[1:] for row in db.execute("SELECT name, status, regions, bpm, key, label FROM sounds")}
        check(len(sound) == 4 and all(row[0] == "done" for row in sound.values()), "four files, all done", sound)
        walk = sound.get("a walk with silences.flac", (None, 0))
        check(walk[1] == 3, "the walk has its three regions", walk)
        outcomes = db.execute("SELECT region_id, count(*) FROM region_results GROUP BY region_id").fetchall()
        check(len(outcomes) == 6 and all(n == 5 for _, n in outcomes), "every region has five outcomes", outcomes)
        odd = db.execute("SELECT * FROM region_results WHERE outcome NOT IN ('ok', 'empty')").fetchall()
        check(not odd, "and each is a result", odd)
        bpm = sound["drum loop 120.wav"][2]
        check(bpm is not None and abs(bpm - 120) < 0.05, "the drum loop is at 120 bpm", bpm)
        bpm = sound["melody in A minor.wav"][2]
        check(bpm is not None and abs(bpm - 120) < 1, "the melody is at 120 bpm, though its file ends half a second late", bpm)
        key = sound["melody in A minor.wav"][3]
        check(key == "A minor", "the melody is in A minor", key)
        check(sound["rain.flac"][2] is None and sound["rain.flac"][3] is None, "rain has neither tempo nor key", sound["rain.flac"])
        db.close()
        code, out, _ = run("find", "--bpm", "119-121", "--json")
        found = [json.loads(line) for line in out.splitlines()] if code == 0 and not out.startswith("[") else json.loads(out or "[]")
        check(any(item["path"].endswith("drum loop 120.wav") for item in found), "find --bpm finds the loop", out)
        code, out, _ = run("find", "--key", "Am", "--paths")
        check("melody in A minor.wav" in out, "find --key Am finds the melody", out)
        code, out, _ = run("show", os.path.join(sounds, "melody in A minor.wav"))
        check(code == 0 and "A minor" in out, "show tells about the melody", out)
        before = os.path.getsize(catalogue)
        code, _, told = run("analyze", sounds)
        check(code == 0 and "4 already known" in told, "a second run has nothing to do", told)
        check(os.path.getsize(catalogue) == before and not os.path.exists(catalogue + "-wal"), "and leaves the catalogue closed")
        code, _, told = run("--set", "tempo_meter:range=110-40", "analyze", sounds)
        check(code == 2 and "an octave apart" in told and '"110-40"' in told, "a tempo range that is none is refused with a sentence", told)
        code, _, told = run("--set", "tempo_meter:range=40-110", "analyze", sounds)
        check(code == 0 and "4 analysed" in told, "with one, tempi are looked for again", told)
        code, out, _ = run("find", "--json")
        slow = {os.path.basename(item["path"]): item["bpm"] for item in json.loads(out)}
        check(all(abs(slow[name] - 60) < 0.5 for name in ("drum loop 120.wav", "melody in A minor.wav", "a walk with silences.flac")),
              "and are half as fast where they were beyond it, for the whole file as well", slow)
        check(json.loads(run("status", "--json")[1])["stale"] == 0, "then nothing is stale")
        slower, loop = ("--set", "tempo_meter:range=50-110"), os.path.join(sounds, "drum loop 120.wav")
        run(*slower, "analyze", "--only", "key", loop)
        check(json.loads(run("status", "--json")[1])["stale"] == 1, "a run with some of the plugins makes no file stale but its own",
              run("status")[1])
        code, _, told = run(*slower, "analyze", loop)
        check(code == 0 and "\nstale      3 files" in run("status")[1], "after another range, all but what was analysed with it is", told)
        code, _, told = run(*slower, "analyze", "--stale")
        check(code == 0 and "3 analysed" in told and "stale" not in run("status")[1], "and --stale renews them", told)
        check(run("analyze")[0] == 2 and run("nonsense")[0] == 2, "wrong usage is exit code 2")
        check(run("analyze", os.path.join(work, "nowhere"))[0] == 1, "a path that isn't there is exit code 1")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


sys.exit(main())
