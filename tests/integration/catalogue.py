#!/usr/bin/python3
"""The catalogue through the whole program: users' words on copies and retagged files, readers beside a writer, a second writer,
and an engine that is killed in the middle. Speaks TAP.

    catalogue.py --build DIR
"""
import argparse
import array
import json
import math
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import wave

RATE = 22050


def write_sound(path, number, seconds=1.5):
    """A little tune that no other number has, with a silence behind it."""
    samples = array.array("h")
    for i in range(int(RATE * seconds)):
        t = i / RATE
        note = 220 * 2 ** ((number * 7 + int(t * 4) * 5) % 24 / 12)
        samples.append(int(9000 * math.sin(2 * math.pi * note * t) * math.exp(-8 * (t * 4 % 1) / 4)))
    with wave.open(path, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())


def retag(source, target):
    """The same sound in other bytes: a chunk with a title behind the samples."""
    data = open(source, "rb").read()
    info = b"INFO" + b"INAM" + struct.pack("<I", 8) + b"Retagged"
    data += b"LIST" + struct.pack("<I", len(info)) + info
    data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    with open(target, "wb") as out:
        out.write(data)


class Program:
    def __init__(self, build, work):
        self.binary = os.path.join(build, "engine", "cli", "sonde")
        self.catalogue = os.path.join(work, "c.db")
        self.environment = dict(os.environ, HOME=work)

    def command(self, *arguments):
        return [self.binary, "--catalogue", self.catalogue, *arguments]

    def run(self, *arguments):
        done = subprocess.run(self.command(*arguments), env=self.environment, capture_output=True, timeout=300, check=False)
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

    def start(self, *arguments):
        return subprocess.Popen(self.command(*arguments), env=self.environment, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    def ask(self, sql):
        db = sqlite3.connect(f"file:{self.catalogue}?mode=ro", uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()


def users_words(program, folder, check):
    first = os.path.join(folder, "first.wav")
    write_sound(first, 1)
    code, _, told = program.run("analyze", folder)
    check(code == 0, "analysis succeeds", told)
    program.run("set", first, "key=F# major", "bpm=97.5")
    program.run("tag", first, "favourite")
    shutil.copy(first, os.path.join(folder, "copy.wav"))
    retag(first, os.path.join(folder, "retagged.wav"))
    results = program.ask("SELECT count(*) FROM region_analysis")
    code, _, told = program.run("analyze", folder)
    check(code == 0, "copy and retagged file are taken in", told)
    check(program.ask("SELECT count(*) FROM region_analysis") == results, "without a new result",
          program.ask("SELECT plugin, identity, created FROM region_analysis"))
    check(program.ask("SELECT count(*), count(DISTINCT audio_id) FROM sounds") == [(3, 1)], "three files of one sound")
    _, out, _ = program.run("find", "--tag", "favourite", "--key", "Gb", "--bpm", "97.5", "--json")
    check(len(json.loads(out)) == 3, "the user's words hold for all three", out)
    check(program.run("find", "Retagged")[0] == 0, "the new title is found")
    os.rename(os.path.join(folder, "copy.wav"), os.path.join(folder, "moved.wav"))
    program.run("analyze", folder)
    _, out, _ = program.run("find", "--tag", "favourite", "--bpm", "97.5", "--paths")
    check("moved.wav" in out, "and for one that was moved", out)
    check(program.ask("SELECT count(*) FROM region_analysis") == results, "which wasn't analysed again")
    program.run("analyze", "--force", folder)
    check(program.ask("SELECT DISTINCT bpm, key, bpm_source FROM sounds") == [(97.5, "F# major", "user")],
          "and after everything is analysed again", program.ask("SELECT bpm, key, bpm_source FROM sounds"))
    db = sqlite3.connect(program.catalogue)
    db.execute("UPDATE audio SET audio_hash = replace(hex(zeroblob(16)), '00', 'ab')")
    db.commit()
    db.close()
    program.run("analyze", "--force", folder)
    _, out, _ = program.run("find", "--tag", "favourite", "--key", "Gb", "--bpm", "97.5", "--json")
    check(len(json.loads(out)) == 3, "also by a decoder that makes other samples", out)
    code, out, _ = program.run("catalogue", "check")
    check(code == 0, "and everything is as it should be", out)


def readers_and_writers(program, folder, check):
    for i in range(2, 40):
        write_sound(os.path.join(folder, f"{i}.wav"), i)
    engine = program.start("analyze", folder)
    refused, tagged, locked, asked = None, None, [], 0
    while engine.poll() is None:
        code, _, told = program.run("find", "--limit", "3")
        if code == 3:
            locked.append(told)
        asked += 1
        if refused is None:
            code, _, told = program.run("catalogue", "vacuum")
            refused = (code, told) if code == 3 else None
        if tagged is None:
            code, _, told = program.run("tag", os.path.join(folder, "first.wav"), "late")
            tagged = (code, told) if engine.poll() is None else None
    check(not locked and asked > 0, "readers are never told that the catalogue is locked", locked)
    check(refused is not None and f"process {engine.pid}" in refused[1], "a second writer is told which process writes", refused)
    check(tagged is None or tagged[0] == 0, "but a tag is set by the engine that runs", tagged)
    check(engine.returncode == 0, "and the engine is not disturbed")
    code, out, _ = program.run("catalogue", "check")
    check(code == 0, "the catalogue is as it should be", out)


def killed(program, folder, check):
    for i in range(40, 120):
        write_sound(os.path.join(folder, f"{i}.wav"), i)
    for moment in (0.15, 0.3, 0.45, 0.8):
        engine = program.start("analyze", folder)
        time.sleep(moment)
        engine.send_signal(signal.SIGKILL)
        engine.wait()
        check(program.run("find", "--limit", "1")[0] == 0, f"killed after {moment} s, it can be read")
    code, _, told = program.run("analyze", folder)
    check(code == 0, "the next run goes on to the end", told)
    check(not os.path.exists(program.catalogue + "-wal"), "a clean end leaves no log")
    code, out, _ = program.run("catalogue", "check")
    check(code == 0, "nothing is lost, nothing is there twice", out)
    check(program.ask("SELECT count(*) FROM files WHERE status NOT IN ('done', 'missing')") == [(0,)] and
          program.ask("SELECT count(*) >= 121 FROM files WHERE status = 'done'") == [(1,)], "every file is done",
          program.ask("SELECT status, count(*) FROM files GROUP BY status"))
    check(program.ask("SELECT count(*) FROM strikes") == [(0,)], "and nobody innocent has a strike")


def half_lost(program, folder, check):
    """What a damaged page has taken comes back with the next analysis, and only that."""
    db = sqlite3.connect(program.catalogue)
    db.execute("PRAGMA foreign_keys = ON")
    (region,), (other,) = db.execute("SELECT r.region_id FROM regions AS r JOIN files AS f ON f.file_audio_id = r.audio_id"
                                     " WHERE r.current AND f.status = 'done' AND f.name IN ('50.wav', '3.wav')"
                                     " AND position = 0 ORDER BY f.name DESC")
    files = db.execute("SELECT count(*) FROM files WHERE status = 'done' AND file_audio_id IN (SELECT audio_id FROM regions"
                       " WHERE region_id IN (?, ?))", (region, other)).fetchone()[0]
    results = db.execute("SELECT count(*) FROM region_analysis WHERE current").fetchone()[0]
    taken = db.execute("SELECT count(*) FROM region_analysis WHERE current AND region_id = ?", (region,)).fetchone()[0]
    db.execute("DELETE FROM regions WHERE region_id = ?", (region,))
    db.execute("DELETE FROM region_analysis WHERE region_id = ? AND plugin LIKE '%key%' AND current", (other,))
    db.commit()
    db.close()
    last = program.ask("SELECT max(created) FROM region_analysis")[0][0]
    recovered = program.catalogue + ".recovered"
    code, out, told = program.run("catalogue", "recover", recovered)
    check(code == 0 and f"{files} files wait" in out, "recover says what isn't whole", out + told)
    os.rename(recovered, program.catalogue)
    code, _, told = program.run("analyze", folder)
    check(code == 0, "the recovered catalogue takes another run", told)
    code, out, _ = program.run("catalogue", "check")
    check(code == 0, "after which everything is there again", out)
    check(program.ask("SELECT count(*) FROM region_analysis WHERE current") == [(results,)], "every result")
    new = program.ask(f"SELECT count(*) FROM region_analysis WHERE created > {last!r}")[0][0]
    check(new == taken + 1, "and only those were made that were lost", (new, taken))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="sonde-catalogue-")
    folder = os.path.join(work, "sounds")
    os.mkdir(folder)
    results = []

    def check(good, name, why=""):
        results.append(bool(good))
        print(f"{'ok' if good else 'not ok'} {len(results)} - {name}", flush=True)
        if not good:
            print("# " + str(why).replace("\n", "\n# "), flush=True)

    program = Program(args.build, work)
    try:
        users_words(program, folder, check)
        readers_and_writers(program, folder, check)
        killed(program, folder, check)
        half_lost(program, folder, check)
    finally:
        if all(results):
            shutil.rmtree(work, ignore_errors=True)
    print(f"1..{len(results)}")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
