#!/usr/bin/python3
"""Analysis in shards: whatever the number of shards and the order of merging, the merged catalogue is that of one run over
everything. Speaks TAP.

    shards.py --build DIR [--seed N]
"""
import argparse
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile

from catalogue import retag, write_sound

PORTRAIT = [
    "SELECT path_text, status, status_reason, size, mtime_ns, profile FROM files ORDER BY path",
    "SELECT bytes_hash, facts FROM contents ORDER BY 1",
    "SELECT audio_hash, rate, channels, frames, segmenter FROM audio ORDER BY 1",
    "SELECT audio_hash, current, position, start_frame, end_frame FROM regions JOIN audio USING (audio_id) ORDER BY 1, 2, 3",
    "SELECT audio_hash, start_frame, plugin, plugin_version, identity, outcome, reason, result FROM region_analysis"
    " JOIN regions USING (region_id) JOIN audio USING (audio_id) ORDER BY 1, 2, 3, 5",
    "SELECT audio_hash, start_frame, plugin, name, shape, data FROM arrays JOIN region_analysis USING (analysis_id)"
    " JOIN regions USING (region_id) JOIN audio USING (audio_id) ORDER BY 1, 2, 3, 4",
    "SELECT audio_hash, kind, peaks FROM waveforms JOIN audio USING (audio_id) ORDER BY 1, 2",
    "SELECT audio_hash, bpm, key, label, s.duration, regions, summary FROM audio_summary AS s JOIN audio USING (audio_id)"
    " ORDER BY 1",
    "SELECT audio_hash, start_frame, bpm, key, label, summary FROM region_summary JOIN regions USING (region_id, audio_id, start_frame)"
    " JOIN audio USING (audio_id) ORDER BY 1, 2",
    "SELECT audio_hash, name, source, automatic FROM tags JOIN audio USING (audio_id) ORDER BY 1, 2, 3",
    "SELECT f.path_text, search.path, tags, labels, metadata FROM search JOIN files AS f ON f.file_id = search.rowid ORDER BY 1",
]


def portrait(catalogue):
    """All that a catalogue holds but for its own numbers and times."""
    db = sqlite3.connect(f"file:{catalogue}?mode=ro", uri=True)
    try:
        return [db.execute(sql).fetchall() for sql in PORTRAIT]
    finally:
        db.close()


def difference(a, b):
    for sql, ours, theirs in zip(PORTRAIT, a, b):
        for row in sorted(set(ours) ^ set(theirs), key=str)[:2]:
            return f"{sql}: {str(row)[:300]} is {'missing' if row in ours else 'too much'}"
    return ""


def make_sounds(folder):
    for i in range(14):
        below = os.path.join(folder, f"folder {i % 3}")
        os.makedirs(below, exist_ok=True)
        write_sound(os.path.join(below, f"{i}.wav"), i, 0.6)
    shutil.copy(os.path.join(folder, "folder 0", "0.wav"), os.path.join(folder, "copy.wav"))
    retag(os.path.join(folder, "folder 1", "1.wav"), os.path.join(folder, "retagged.wav"))
    with open(os.path.join(folder, "broken.wav"), "wb") as out:
        out.write(b"RIFF\0\0\0\0WAVEbroken")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="sonde-shards-")
    folder = os.path.join(work, "sounds")
    make_sounds(folder)
    numbers = random.Random(args.seed)
    results = []

    def check(good, name, why=""):
        results.append(bool(good))
        print(f"{'ok' if good else 'not ok'} {len(results)} - {name}", flush=True)
        if not good:
            print("# " + str(why).replace("\n", "\n# "), flush=True)

    def sonde(catalogue, *words):
        done = subprocess.run([os.path.join(args.build, "engine", "cli", "sonde"), "--catalogue", catalogue, *words],
                              env=dict(os.environ, HOME=work), capture_output=True, timeout=300, check=False)
        return done.returncode, done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")

    whole = os.path.join(work, "whole.db")
    code, told = sonde(whole, "analyze", folder)
    check(code == 1, "one run over everything: one file is broken", told)
    expected = portrait(whole)
    for count in (2, 5):
        shards = [os.path.join(work, f"{i}-of-{count}.db") for i in range(1, count + 1)]
        for i, shard in enumerate(shards, start=1):
            code, told = sonde(shard, "analyze", "--shard", f"{i}/{count}", folder)
            check(code in (0, 1), f"shard {i}/{count}", told)
        sizes = [len(portrait(shard)[0]) for shard in shards]
        check(sum(sizes) == len(expected[0]) and max(sizes) < sum(sizes), f"{count} shards share the files: {sizes}", sizes)
        merged = os.path.join(work, f"merged-{count}.db")
        for shard in numbers.sample(shards, len(shards)) + shards[:1]:
            code, told = sonde(merged, "catalogue", "merge", shard)
            check(code == 0, f"{os.path.basename(shard)} is merged", told)
        check(portrait(merged) == expected, f"{count} shards merged are the whole", difference(expected, portrait(merged)))
        code, told = sonde(merged, "catalogue", "check")
        check(code == 0, "the merged catalogue is as it should be", told)
        before = sqlite3.connect(merged).execute("SELECT count(*), max(created) FROM region_analysis").fetchall()
        sonde(merged, "analyze", folder)
        after = sqlite3.connect(merged).execute("SELECT count(*), max(created) FROM region_analysis").fetchall()
        check(before == after, "and a run over everything has nothing to do", (before, after))
    for wrong in ("0/2", "3/2", "1", "x/2", "1/", "1/2x"):
        check(sonde(whole, "analyze", "--shard", wrong, folder)[0] == 2, f"--shard {wrong} is refused")
    if all(results):
        shutil.rmtree(work, ignore_errors=True)
    print(f"1..{len(results)}")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
