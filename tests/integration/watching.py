#!/usr/bin/python3
"""sonde watch, from end to end: what comes, changes, moves and goes, and being stopped and killed. Speaks TAP.

    watching.py --build DIR
"""
import os
import shutil
import signal
import time

from watch_rig import main


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
    os.makedirs(at("unpacking/deep"))
    with open(at("unpacking/deep/.sondeignore"), "w", encoding="ascii") as rules:
        rules.write("left-*\n")
    time.sleep(1)  # it is watched
    shutil.copy(self.sounds[9], at("unpacking/deep/quick.wav"))
    os.rename(at("unpacking"), at("unpacked"))
    check(self.wait(lambda: self.status("unpacked/deep/quick.wav") == "done"), "a folder renamed at once loses nothing")
    shutil.copy(self.sounds[10], at("unpacked/deep/left-out.wav"))
    shutil.copy(self.sounds[11], at("unpacked/deep/let in.wav"))
    check(self.wait(lambda: self.status("unpacked/deep/let in.wav") == "done") and
          self.status("unpacked/deep/left-out.wav") is None, "and keeps the rules of the folders in it")
    os.rename(at("unpacked"), at("passing"))
    os.rename(at("passing"), at("unpacked"))
    before = self.rows("SELECT count(*) FROM region_analysis")
    shutil.copy(at("renamed.wav"), at("copy.wav"))
    check(self.wait(lambda: self.status("copy.wav") == "done") and self.rows("SELECT count(*) FROM region_analysis") == before,
          "a copy costs no analysis")
    shutil.copy(self.sounds[4], at("renamed.wav"))
    check(self.wait(lambda: self.rows("SELECT count(*) FROM region_analysis") > before), "changed audio is analysed again")
    check(not self.heard("status=missing"), "a folder that was renamed twice is no file that is missing")
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
    check(self.rows("SELECT DISTINCT command FROM runs") == [("watch",)], "its runs say what they were", self.rows("SELECT * FROM runs"))
    check(self.rows("PRAGMA integrity_check") == [("ok",)], "the catalogue is sound")


if __name__ == "__main__":
    main(__doc__, {"watching": run})
