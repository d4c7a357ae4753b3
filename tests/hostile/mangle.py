#!/usr/bin/python3
"""Damages real files at random and analyses them: whatever the decoder does with them, the engine survives, and every file has
a row that says how it ended. Speaks TAP.

    mangle.py --build DIR [--seeds FOLDER] [--count N] [--seed N]

FOLDER: default $SONDE_AUDIO/robustness, else sounds made for the purpose.
"""
import argparse
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile

from run import make_sounds


def mangle(data, rng):
    """A copy with bytes flipped, stretches cut, doubled, zeroed or swapped, mostly near the start, where the headers are."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 2, 4, 16, 64))):
        if not data:
            break
        at = rng.randrange(min(len(data), rng.choice((64, 512, 1 << 20))))
        length = rng.choice((1, 2, 4, 8, 64, 1024))
        action = rng.randrange(6)
        if action == 0:
            data[at] = rng.randrange(256)
        elif action == 1:
            data[at:at + length] = bytes(rng.choice((0, 255)) for _ in range(len(data[at:at + length])))
        elif action == 2:
            del data[at:at + length]
        elif action == 3:
            data[at:at] = data[at:at + length]
        elif action == 4:
            data[at] ^= 1 << rng.randrange(8)
        else:
            data[at:at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x80", b"\x00\x00\x00\x00"))
    if rng.random() < 0.2:
        del data[rng.randrange(len(data) + 1):]
    return bytes(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--seeds", default=os.path.join(os.environ.get("SONDE_AUDIO", ""), "robustness"))
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="sonde-mangle-")
    results = []

    def check(good, name, why=""):
        results.append(good)
        print(f"{'ok' if good else 'not ok'} {len(results)} - {name}", flush=True)
        if not good:
            print("# " + str(why).replace("\n", "\n# "), flush=True)

    try:
        folder = args.seeds
        if not os.path.isdir(folder):
            folder = os.path.join(work, "seeds")
            make_sounds(folder, 8)
        seeds = sorted(os.path.join(root, name) for root, _, names in os.walk(folder) for name in names)
        seeds = [path for path in seeds if 0 < os.path.getsize(path) < 300000]
        rng = random.Random(args.seed)
        damaged = os.path.join(work, "damaged")
        os.mkdir(damaged)
        for k in range(args.count):
            path = rng.choice(seeds)
            with open(path, "rb") as source:
                data = mangle(source.read(), rng)
            with open(os.path.join(damaged, f"{k:05d}-{os.path.basename(path)}"), "wb") as out:
                out.write(data)
        names = [os.path.join(damaged, name) for name in sorted(os.listdir(damaged))]
        catalogue = os.path.join(work, "run.db")
        run = subprocess.run([os.path.join(args.build, "engine", "cli", "sonde"), "--catalogue", catalogue, "analyze",
                              "--progress", "lines", *names], env=dict(os.environ, HOME=work), capture_output=True,
                             timeout=1200, check=False)
        told = run.stderr.decode("utf-8", "replace")
        check(run.returncode in (0, 1), "the engine survives all of them", f"exit code {run.returncode}\n{told[-2000:]}")
        db = sqlite3.connect(catalogue)
        counts = dict(db.execute("SELECT status, count(*) FROM files GROUP BY status"))
        check(sum(counts.values()) == args.count and set(counts) <= {"done", "empty", "failed"},
              f"each of {args.count} has a row that says how it ended: {counts}", counts)
        silent = db.execute("SELECT count(*) FROM files WHERE status = 'failed' AND coalesce(status_reason, '') = ''").fetchone()[0]
        check(silent == 0, "every failure has its reason", silent)
        kinds = dict(db.execute("SELECT kind, count(*) FROM incidents GROUP BY kind"))
        print(f"# incidents: {kinds or 'none'}")
        check(db.execute("PRAGMA integrity_check").fetchone()[0] == "ok", "the catalogue is sound")
        db.close()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
