#!/usr/bin/python3
"""Fails the Nth call of each kind in the engine, then the N+1st, until none is left to fail; after each run the catalogue is
sound, and a run without faults completes it. Speaks TAP.

    faults.py --build DIR [--all | --steps STEPS] [KIND...]

By default N grows by about a tenth at each step (1, 2, 3 ... 20, 22 ...). --steps 3 lets it grow by a third, --steps 1 doubles it,
which keeps the everyday run short; --all tries every single one.
"""
import argparse
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile

from run import make_sounds

KINDS = ["malloc", "read", "write", "fsync", "spawn", "memfd", "send", "receive", "ftruncate"]
MODES = ["once", "some", "many"]
MANY = ["spawn", "memfd", "send", "receive", "ftruncate"]  # what a busy system refuses for a while: the engine waits, or says so
GOOD = "outcome IN ('ok', 'empty', 'unsupported')"
ALL = 10  # results of two files


class Faults:
    def __init__(self, build, work):
        self.sonde = os.path.join(build, "engine", "cli", "sonde")
        self.shim = os.path.join(build, "tests", "hostile", "fail_nth.so")
        self.sounds = os.path.join(work, "sounds")
        self.catalogue = os.path.join(work, "faults.db")
        self.mark = os.path.join(work, "mark")
        self.work = work
        make_sounds(self.sounds, 2)

    def run(self, fault=None):
        environment, few = dict(os.environ, HOME=self.work), ["--jobs", "1"]
        if fault:
            environment.update(LD_PRELOAD=self.shim, SONDE_FAIL=fault, SONDE_FAIL_MARK=self.mark)
            few = []  # as many workers as ever
        try:
            run = subprocess.run([self.sonde, "--catalogue", self.catalogue, "analyze", *few, "--progress", "lines", self.sounds],
                                 env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)
        except subprocess.TimeoutExpired as error:
            return None, str(error.output)
        return run.returncode, run.stdout.decode("utf-8", "replace")

    def query(self, sql):
        db = sqlite3.connect(self.catalogue)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def complete(self):
        return self.query(f"SELECT count(*) FROM region_results WHERE {GOOD}")[0][0]

    def attempt(self, kind, n, mode):
        """(reached, what is wrong)."""
        for name in os.listdir(self.work):
            if name.startswith("faults.db") or name == "mark":
                os.remove(os.path.join(self.work, name))
        code, printed = self.run(f"{kind}:{n}:{mode}")
        reached = os.path.exists(self.mark)
        if code is None:
            return reached, f"hangs: {printed[-500:]}"
        # libuv ends the process when there is no memory to enlarge its table of descriptors: like a kill -9, nothing may be lost.
        given_up = kind == "malloc" and code == -9 and re.search(r"abort called by \S*/libuv\.so", printed)
        if code not in (0, 1, 3) and not given_up:
            return reached, f"exit code {code}: {printed[-500:]}"
        if code == 3 and not printed.strip():
            return reached, "gives up without a word"
        told = re.search(r"results? failed|^plugin: ", printed, re.MULTILINE)
        if code == 0 and not told and self.complete() != ALL:
            return reached, f"says that all is well with {self.complete()} of {ALL} results: {printed[-500:]}"
        code, printed = self.run()
        if code != 0:
            return reached, f"the run after it: exit code {code}: {printed[-500:]}"
        integrity = self.query("PRAGMA integrity_check")[0][0]
        if integrity != "ok" or self.complete() != ALL:
            short = self.query(f"SELECT path, plugin, outcome, reason FROM region_results WHERE NOT {GOOD}")
            return reached, f"integrity {integrity}, {self.complete()} of {ALL} results: {short}"
        check = subprocess.run([self.sonde, "--catalogue", self.catalogue, "catalogue", "check"], env=dict(os.environ, HOME=self.work),
                               capture_output=True, timeout=120, check=False)
        if check.returncode != 0:
            return reached, f"catalogue check: {check.stdout + check.stderr}"
        return reached, None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--steps", type=int, default=10, help="N grows by one part in so many up to 100")
    parser.add_argument("kinds", nargs="*")
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="sonde-faults-")
    points = failed = 0
    try:
        faults = Faults(args.build, work)
        for kind in args.kinds or KINDS:
            n, tried, wrong = 1, 0, []
            modes = MODES if kind in MANY else MODES[:2]
            while True:
                reached, why = faults.attempt(kind, n, modes[tried % len(modes)])
                if why:
                    wrong.append(f"{kind} call {n}, {modes[tried % len(modes)]}: {why}")
                    print(f"# {kind} {n} {why[:300]}", file=sys.stderr, flush=True)
                if not reached or len(wrong) > 5:
                    break
                tried += 1
                n += 1 if args.all else max(1, n // (args.steps if n < 100 else min(args.steps, 2)))
            points += 1
            good = not wrong and tried > 0
            failed += not good
            print(f"{'ok' if good else 'not ok'} {points} - {kind}: {tried} calls made to fail, up to number {n}", flush=True)
            for line in wrong:
                print("# " + line.replace("\n", " / "), flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"1..{points}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
