#!/usr/bin/python3
"""sonde watch, from end to end: what comes, changes, moves and goes, and being stopped and killed. Speaks TAP.

    watching.py --build DIR
"""
import argparse
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hostile"))
from run import make_sounds  # noqa: E402


class Watching:
    def __init__(self, build):
        self.sonde = os.path.join(build, "engine", "cli", "sonde")
        self.work = tempfile.mkdtemp(prefix="sonde-watching-")
        self.catalogue = os.path.join(self.work, "watch.db")
        self.folder = os.path.join(self.work, ".sounds")  # a hidden root is still one
        self.log = os.path.join(self.work, "log")
        self.stock = os.path.join(self.work, "stock")
        make_sounds(self.stock, 12)
        self.sounds = [os.path.join(self.stock, name) for name in sorted(os.listdir(self.stock))]
        os.mkdir(self.folder)
        self.process = None
        self.results = []

    def check(self, good, name, why=""):
        self.results.append(good)
        print(f"{'ok' if good else 'not ok'} {len(self.results)} - {name}", flush=True)
        if not good:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                print("# " + f"{why}\n{log.read()[-3000:]}".replace("\n", "\n# "), flush=True)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.sonde, "--catalogue", self.catalogue, "watch", self.folder], stdout=log,
                                            stderr=log, env=dict(os.environ, HOME=self.work))

    def at(self, name):
        return os.path.join(self.folder, name)

    def rows(self, query, *values):
        try:
            db = sqlite3.connect(f"file:{self.catalogue}?mode=ro", uri=True, timeout=5)
            found = db.execute(query, values).fetchall()
            db.close()
            return found
        except sqlite3.Error:
            return []

    def status(self, name):
        found = self.rows("SELECT status FROM files WHERE path = ?", self.at(name).encode())
        return found[0][0] if found else None

    def wait(self, condition, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return True
            time.sleep(0.1)
        return condition()

    def heard(self, text):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return text in log.read()

    def run(self):
        check, at = self.check, self.at
        shutil.copy(self.sounds[0], at("before.wav"))
        os.makedirs(at("ignored/deep"))
        shutil.copy(self.sounds[7], at("ignored/deep/a.wav"))
        shutil.copy(self.sounds[8], at("ignored-too.wav"))
        with open(at(".sondeignore"), "w", encoding="ascii") as rules:
            rules.write("ignored/\nignored-*\n")
        self.start()
        check(self.wait(lambda: self.status("before.wav") == "done"), "what is there is analysed")
        shutil.copy(self.sounds[1], at("new.wav"))
        os.mkdir(at("folder"))
        shutil.copy(self.sounds[2], at("folder/inside.wav"))
        check(self.wait(lambda: self.status("new.wav") == self.status("folder/inside.wav") == "done"), "what comes is analysed")
        with open(self.sounds[3], "rb") as source, open(at("slow.wav"), "wb") as slow:
            data = source.read()
            for k in range(10):
                slow.write(data[k * len(data) // 10:(k + 1) * len(data) // 10])
                slow.flush()
                time.sleep(0.15)
            early = self.status("slow.wav")
        check(early is None and self.wait(lambda: self.status("slow.wav") == "done"), "a slow copy is taken once, when it is done", early)
        ids = self.rows("SELECT file_id FROM files WHERE path = ?", at("new.wav").encode())
        os.rename(at("new.wav"), at("renamed.wav"))
        os.rename(at("folder"), at("other"))
        check(self.wait(lambda: self.status("renamed.wav") == self.status("other/inside.wav") == "done"), "moves are followed")
        check(ids == self.rows("SELECT file_id FROM files WHERE path = ?", at("renamed.wav").encode()) and
              self.status("new.wav") is None, "by the same rows")
        before = self.rows("SELECT count(*) FROM region_analysis")
        shutil.copy(at("renamed.wav"), at("copy.wav"))
        check(self.wait(lambda: self.status("copy.wav") == "done") and self.rows("SELECT count(*) FROM region_analysis") == before,
              "a copy costs no analysis")
        shutil.copy(self.sounds[4], at("renamed.wav"))
        check(self.wait(lambda: self.rows("SELECT count(*) FROM region_analysis") > before), "changed audio is analysed again")
        os.remove(at("copy.wav"))
        check(self.wait(lambda: self.status("copy.wav") == "missing"), "what is gone is missing, not forgotten")
        shutil.copy(self.sounds[5], at("junk.wav.part"))
        os.rename(self.folder, self.folder + "-aside")
        check(self.wait(lambda: self.heard("event=away")) and self.status("before.wav") == "done",
              "a root that goes away takes nothing with it")
        os.rename(self.folder + "-aside", self.folder)
        check(self.wait(lambda: self.heard("event=back")), "and is noticed when it is back")
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        shutil.copy(self.sounds[6], at("while away.wav"))
        os.remove(at("slow.wav"))
        self.start()
        check(self.wait(lambda: self.status("while away.wav") == "done"), "after kill -9, what came meanwhile is found")
        for sound in self.sounds:
            shutil.copy(sound, at("many " + os.path.basename(sound)))
        check(self.wait(lambda: self.rows("SELECT count(*) FROM files WHERE name LIKE 'many %' AND status = 'done'") == [(12,)]),
              "many at once")
        self.process.send_signal(signal.SIGTERM)
        check(self.process.wait(timeout=20) == 0 and self.heard("event=stopped"), "SIGTERM stops it cleanly")
        check(not os.path.exists(self.catalogue + "-wal"), "the catalogue is closed")
        check(not self.rows("SELECT 1 FROM files WHERE name LIKE '%.part'"), "partial downloads were left alone")
        check(not self.rows("SELECT 1 FROM files WHERE path_text LIKE '%ignored%'"), "so was what .sondeignore names")
        check(self.rows("PRAGMA integrity_check") == [("ok",)], "the catalogue is sound")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    args = parser.parse_args()
    watching = Watching(os.path.abspath(args.build))
    try:
        watching.run()
    finally:
        if watching.process and watching.process.poll() is None:
            watching.process.kill()
        shutil.rmtree(watching.work, ignore_errors=True)
    print(f"1..{len(watching.results)}")
    return 0 if all(watching.results) else 1


sys.exit(main())
