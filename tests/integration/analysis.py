#!/usr/bin/python3
"""Whole runs of the engine with real workers: odd paths, duplicates, interruptions, kills. Speaks TAP.

    analysis.py --build DIR [NAME...]     NAME: only these tests
"""
import argparse
import ctypes
import glob
import math
import os
import random
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
import wave

RESULTS = "SELECT count(*) FROM region_analysis WHERE current = 1 AND outcome IN ('ok', 'empty', 'unsupported')"


def tone(path, seed, seconds=0.4, rate=22050, repeats=1, pause=0.0, tag=b""):
    """A decaying tone with its own pitch; `repeats` times, with `pause` seconds of silence between."""
    noise = random.Random(seed)
    pitch = 110 * 2 ** (noise.random() * 3)
    frames = bytearray()
    for i in range(int(rate * seconds)):
        t = i / rate
        value = 0.6 * math.exp(-4 * t) * math.sin(2 * math.pi * pitch * t) + 0.01 * noise.uniform(-1, 1)
        frames += struct.pack("<h", int(value * 32000))
    frames = (bytes(frames) + bytes(2 * int(rate * pause))) * repeats
    path = os.fsdecode(path)
    with wave.open(path, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(frames)
    if tag:
        body = b"INFOINAM" + struct.pack("<I", len(tag)) + tag
        with open(path, "r+b") as file:
            file.seek(0, 2)
            file.write(b"LIST" + struct.pack("<I", len(body)) + body)
            size = file.tell() - 8
            file.seek(4)
            file.write(struct.pack("<I", size))


class Run:
    """One temporary folder with sounds and a catalogue."""

    def __init__(self, build):
        self.work = tempfile.mkdtemp(prefix="sonde-analysis-")
        self.sounds = os.path.join(self.work, "sounds")
        self.catalogue = os.path.join(self.work, "catalogue.db")
        self.sonde = os.path.join(build, "engine", "cli", "sonde")
        self.environment = dict(os.environ, HOME=self.work, XDG_CONFIG_HOME=self.work, XDG_RUNTIME_DIR="")
        self.environment.pop("XDG_RUNTIME_DIR")
        os.mkdir(self.sounds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.work, ignore_errors=True)

    def command(self, *arguments):
        return [self.sonde, "--catalogue", self.catalogue, *arguments]

    def analyse(self, *arguments, settings=(), timeout=240):
        """`arguments` of the command (default: the sounds); `settings`: KEY=VALUE of the configuration."""
        options = [word for setting in settings for word in ("--set", setting)]
        run = subprocess.run(self.command(*options, "analyze", "--progress", "lines", *(arguments or [self.sounds])),
                             check=False, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             timeout=timeout)
        return run.returncode, run.stdout.decode("utf-8", "replace")

    def start(self, *arguments):
        return subprocess.Popen(self.command("analyze", "--progress", "lines", *(arguments or [self.sounds])),
                                env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def rows(self, query, *values):
        database = sqlite3.connect(f"file:{self.catalogue}?mode=ro", uri=True, timeout=10)
        try:
            return database.execute(query, values).fetchall()
        finally:
            database.close()

    def value(self, query, *values):
        return self.rows(query, *values)[0][0]

    def plugins(self):
        return self.value("SELECT count(*) FROM plugins WHERE enabled = 1 AND state <> 'standby'")


class Suite:
    def __init__(self, build):
        self.build = build
        self.points = self.failed = 0

    def check(self, good, name, why=""):
        self.points += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.points} - {name}", flush=True)
        for line in [] if good else str(why).splitlines():
            print(f"# {line}", flush=True)

    def skip(self, name, why):
        self.points += 1
        print(f"ok {self.points} - {name} # SKIP {why}", flush=True)

    def complete(self, run, count, name):
        """Every one of `count` files is done, every region has each plugin's result exactly once, the file is sound."""
        statuses = dict(run.rows("SELECT status, count(*) FROM files GROUP BY status"))
        others = run.rows("SELECT name, status_reason FROM files WHERE status <> 'done' LIMIT 5")
        self.check(statuses == {"done": count}, f"{name}: every file is done", f"{statuses} {others}")
        short = run.rows("""SELECT r.region_id, count(x.outcome) FROM regions r LEFT JOIN region_analysis x
            ON x.region_id = r.region_id AND x.current = 1 WHERE r.current = 1 GROUP BY 1 HAVING count(x.outcome) <> ?""",
                         run.plugins())
        self.check(not short, f"{name}: one result a region and plugin", short[:5])
        self.check(run.value("SELECT count(*) FROM queue") == 0, f"{name}: the queue is empty")
        self.check(run.value("PRAGMA integrity_check") == "ok", f"{name}: the catalogue is sound")
        check = subprocess.run(run.command("catalogue", "check"), env=run.environment, capture_output=True, check=False)
        self.check(check.returncode == 0, f"{name}: and as it should be", check.stdout + check.stderr)


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def workers_of(pid):
    """Its children by name: at the engine's end LeakSanitizer has a child too, and waits for ever for one that was killed."""
    found = []
    for task in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            with open(task, encoding="ascii") as file:
                found += [int(child) for child in file.read().split() if name_of(child).startswith("sonde-worker")]
        except OSError:
            pass
    return found


def readers_of(engine, path):
    """The workers among its children that have the file open."""
    found = []
    for worker in workers_of(engine.pid):
        try:
            links = [os.readlink(link) for link in glob.glob(f"/proc/{worker}/fd/*")]
        except OSError:
            links = []
        found += [worker] if path in links else []
    return found


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


# ------------------------------------------------------------------------------------------------------------- the tests


def test_odd_paths(suite):
    with Run(suite.build) as run:
        names = [b"plain.wav", b"with spaces.wav", b"new\nline.wav", "emoji \U0001f941.wav".encode(), b"latin \xe9\xff.wav",
                 b"-dash.wav", b"no extension", b"quote's \"x\".wav"]
        for seed, name in enumerate(names):
            tone(os.path.join(run.sounds.encode(), name), seed)
        base = run.sounds
        os.mkfifo(os.path.join(base, "pipe.wav"))
        os.symlink("/nowhere/at/all.wav", os.path.join(base, "dangling.wav"))
        os.symlink("circle.wav", os.path.join(base, "circle.wav"))
        os.symlink(base, os.path.join(base, "folder link"))
        os.symlink(os.path.join(base, "plain.wav"), os.path.join(base, "link to plain.wav"))
        server = socket.socket(socket.AF_UNIX)
        server.bind(os.path.join(base, "socket.wav"))
        open(os.path.join(base, "empty.wav"), "wb").close()
        with open(os.path.join(base, "text.wav"), "wb") as file:
            file.write(b"this is not sound at all\n" * 50)
        with open(os.path.join(base, "notes.txt"), "wb") as file:
            file.write(b"left out")
        os.mkdir(os.path.join(base, "empty folder"))
        bad = ["pipe.wav", "dangling.wav", "circle.wav", "socket.wav", "empty.wav", "text.wav"]
        code, printed = run.analyse()
        server.close()
        suite.check(code == 1, "odd paths: exit code 1", f"{code}\n{printed}")
        good = {bytes(row[0]) for row in run.rows("SELECT path FROM files WHERE status = 'done'")}
        wanted = {os.path.join(base.encode(), name) for name in names + [b"link to plain.wav"]}
        suite.check(good == wanted, "odd paths: names of all kinds are analysed", good ^ wanted)
        failed = dict(run.rows("SELECT name, status_reason FROM files WHERE status = 'failed'"))
        suite.check(set(failed) == set(bad) and all(failed.values()), "odd paths: what is no file has a row and a reason", failed)
        suite.check(not any("\n" in reason for reason in failed.values()), "odd paths: reasons are one line", failed)
        suite.check(all(name in printed for name in bad), "odd paths: the summary names every failure", printed)
        suite.check(run.value("SELECT count(*) FROM files WHERE name = 'notes.txt'") == 0, "odd paths: text is left out")
        code, printed = run.analyse(os.path.join(base, "not there.wav"))
        suite.check(code == 1 and "no such file" in printed, "odd paths: a path that isn't there is said to be missing", printed)


def test_duplicates(suite):
    with Run(suite.build) as run:
        for k in range(6):
            shutil.copy(run.sounds + "/copy 0.wav", f"{run.sounds}/copy {k}.wav") if k else tone(run.sounds + "/copy 0.wav", 7)
        tone(run.sounds + "/tagged.wav", 7, tag=b"a title!")
        code, printed = run.analyse()
        suite.check(code == 0, "duplicates: exit code 0", printed)
        suite.complete(run, 7, "duplicates")
        counts = run.rows("""SELECT (SELECT count(*) FROM contents), (SELECT count(*) FROM audio),
                             (SELECT count(*) FROM regions), (SELECT count(*) FROM region_analysis)""")[0]
        suite.check(counts == (2, 1, 1, run.plugins()), "duplicates: two contents, one audio, one set of results", counts)


def test_again(suite):
    with Run(suite.build) as run:
        for k in range(20):
            tone(f"{run.sounds}/{k}.wav", k)
        run.analyse()
        before = run.rows("SELECT region_id, plugin, identity, result FROM region_analysis ORDER BY 1, 2, 3")
        start = time.monotonic()
        code, printed = run.analyse()
        suite.check(code == 0 and "20 already known" in printed, "again: nothing is left to do", printed)
        suite.check(time.monotonic() - start < 5, "again: at once")
        code, printed = run.analyse("--force", run.sounds)
        after = run.rows("SELECT region_id, plugin, identity, result FROM region_analysis ORDER BY 1, 2, 3")
        suite.check(code == 0 and before == after, "again: --force gives the same results, and no second ones", printed)
        os.rename(run.sounds + "/4.wav", run.work + "/away")
        run.analyse()
        os.rename(run.work + "/away", run.sounds + "/renamed.wav")
        code, printed = run.analyse()
        suite.check("20 already known" in printed, "again: the bytes of a file that is missing are known", printed)
        tone(run.sounds + "/3.wav", 99)
        os.utime(run.sounds + "/3.wav", (1, 1))
        code, printed = run.analyse()
        suite.check("19 already known" in printed and "1 analysed" in printed, "again: a changed file is analysed", printed)
        names = os.listdir(run.sounds)
        os.mkdir(run.sounds + "/moved")
        for name in names:
            os.rename(f"{run.sounds}/{name}", f"{run.sounds}/moved/too {name}")
        code, printed = run.analyse()
        suite.check(code == 0 and ": 0 analysed, 20 already known" in printed,
                    "again: what was moved isn't analysed again, although its old path is missing by then", printed)
        suite.check(run.value("SELECT count(*) FROM files WHERE status = 'missing'") == 21 and
                    run.value("SELECT count(*) FROM files WHERE status = 'done'") == 20, "again: and both paths are told of")


def test_only(suite):
    """A run with some of the plugins changes nothing that is said of the others, and leaves nothing that check calls wrong."""
    about = "SELECT plugin, state, reason, enabled FROM plugins ORDER BY 1"

    def right(run, name):
        check = subprocess.run(run.command("catalogue", "check"), env=run.environment, capture_output=True, check=False)
        suite.check(check.returncode == 0, f"only: {name}: as it should be", check.stdout)

    with Run(suite.build) as run:
        tone(run.sounds + "/0.wav", 0)
        run.analyse()
        before = run.rows(about)
        tone(run.sounds + "/1.wav", 1)
        code, printed = run.analyse("--only", "key", run.sounds)
        suite.check(code == 0 and run.rows("SELECT DISTINCT plugin FROM region_results WHERE name = '1.wav'") == [("key",)],
                    "only: what was asked for, and no more", printed)
        suite.check(run.rows(about) == before, "only: the other plugins are as they were", run.rows(about))
        right(run, "after a whole run")
        run.analyse()
        suite.complete(run, 2, "only, then all")
    with Run(suite.build) as run:
        tone(run.sounds + "/0.wav", 0)
        run.analyse("--only", "key", run.sounds)
        right(run, "before any whole run")


def test_engine_killed(suite):
    with Run(suite.build) as run:
        for k in range(120):
            tone(f"{run.sounds}/{k:03d}.wav", k, repeats=1 + k % 2, pause=1.5)
        for attempt in range(4):
            engine = run.start()
            target = 15 * (attempt + 1)
            wait_for(lambda: os.path.exists(run.catalogue) and count_done(run) >= target)
            workers = workers_of(engine.pid)
            engine.kill()
            engine.wait()
            engine.stdout.close()
            gone = wait_for(lambda: not any(is_alive(pid) for pid in workers), 5)
            suite.check(gone, f"engine killed {attempt + 1}: its workers end with it", workers)
        code, printed = run.analyse()
        suite.check(code == 0, "engine killed: the next run ends well", printed[-1500:])
        suite.complete(run, 120, "engine killed")
        suite.check(run.value("SELECT count(*) FROM strikes") == 0, "engine killed: nobody is struck for it")


def count_done(run):
    try:
        return run.value("SELECT count(*) FROM files WHERE status = 'done'")
    except sqlite3.Error:
        return 0


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def kill_workers(run, engine, chance):
    """How many, until the engine ends or has seen 60. On a slow machine workers are left alone until one more file is done, for else
    they would have no life at all."""
    killed = 0
    while engine.poll() is None and killed < 60:
        done = count_done(run)
        workers = workers_of(engine.pid)
        if workers:
            try:
                os.kill(chance.choice(workers), chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
                killed += 1
            except OSError:
                pass
        time.sleep(0.05 + 0.15 * chance.random())
        wait_for(lambda: engine.poll() is not None or count_done(run) > done, 3)
    return killed


def test_workers_killed(suite):
    with Run(suite.build) as run:
        chance = random.Random(5)
        files = killed = 0
        code, printed = 0, ""
        while killed < 5 and code == 0:  # a fast machine may need more files than the first ones for that
            for k in range(files, files + 150):
                tone(f"{run.sounds}/{k:05d}.wav", k)
            files += 150
            engine = run.start()
            output = []
            reader = threading.Thread(target=lambda: output.append(engine.stdout.read()))
            reader.start()
            killed += kill_workers(run, engine, chance)
            reader.join()
            code, printed = engine.wait(), output[0].decode("utf-8", "replace")
        suite.check(code == 0, f"workers killed: {killed}, and the runs end well", f"exit code {code}\n{printed[:1500]}\n...\n{printed[-1500:]}")
        suite.complete(run, files, "workers killed")
        suite.check(run.value("SELECT count(*) FROM strikes") == 0, "workers killed: nobody is struck for it")
        odd = run.rows("SELECT DISTINCT outcome FROM region_analysis WHERE outcome NOT IN ('ok', 'empty', 'unsupported')")
        suite.check(not odd, "workers killed: every result is as if nothing had happened", odd)


def kill_readers(engine, path, times):
    """Kills whoever has the file open, so often or until the engine ends. How many."""
    killed = []
    while len(killed) < times and engine.poll() is None:
        for worker in readers_of(engine, path):
            if worker in killed:
                continue
            try:
                os.kill(worker, signal.SIGKILL)
                killed.append(worker)
            except OSError:
                pass
        time.sleep(0.005)
    return len(killed)


def test_decoders_killed(suite):
    """Somebody kills the decoder of one file again and again: the others go on, and it isn't given up soon, nor for good."""
    with Run(suite.build) as run:
        path = f"{run.sounds}/00000.wav"
        tone(path, 0, seconds=4.0, repeats=40)
        for k in range(1, 20):
            tone(f"{run.sounds}/{k:05d}.wav", k)
        engine = run.start()
        killed = kill_readers(engine, path, 6)
        printed = engine.communicate()[0].decode("utf-8", "replace")
        suite.check(killed == 6 and engine.returncode == 0, "decoders killed: six times, and the run ends well",
                    f"{killed} killed, exit code {engine.returncode}\n{printed[-1500:]}")
        suite.complete(run, 20, "decoders killed")
        with open(path, "ab") as file:
            file.write(b"\0")
        engine = run.start()
        killed = kill_readers(engine, path, 100)
        printed = engine.communicate()[0].decode("utf-8", "replace")
        suite.check(killed == 8 and engine.returncode == 1 and "the decoder was killed by SIGKILL, from outside" in printed,
                    "decoders killed: always, so the file is given up", f"{killed} killed, exit code {engine.returncode}\n{printed[-1500:]}")
        code, printed = run.analyse()
        suite.check(code == 0, "decoders killed: the next run tries again", printed[-1500:])
        suite.complete(run, 20, "decoders killed, tried again")


def loaded_by(pid, library):
    """Whether a worker of the engine has the library in memory."""
    found = False
    for worker in workers_of(pid):
        try:
            with open(f"/proc/{worker}/maps", encoding="utf-8", errors="replace") as file:
                found |= library in file.read()
        except OSError:
            pass
    return found


def test_ffmpeg(suite):
    """FFmpeg's libraries are loaded for the files that need them, whatever their names, and for no others."""
    with Run(suite.build) as run:
        for k in range(8):
            tone(f"{run.sounds}/{k}.wav", k, seconds=2.0, repeats=10)
        watched = {"sndfile": False, "avformat": False}

        def watch(engine):
            while engine.poll() is None:
                for name in watched:
                    watched[name] |= loaded_by(engine.pid, "lib" + name)
                time.sleep(0.01)

        engine = run.start()
        watch(engine)
        printed = engine.communicate()[0].decode("utf-8", "replace")
        suite.check(engine.returncode == 0 and watched == {"sndfile": True, "avformat": False},
                    "FFmpeg: not loaded for WAV", f"{watched} {printed[-1500:]}")
        if not shutil.which("ffmpeg"):
            suite.skip("FFmpeg: for M4A", "no ffmpeg to make one with")
            return
        for name in ("a.m4a", "b.M4A", "c.wav", "nothing"):
            tone(f"{run.work}/x.wav", ord(name[0]), seconds=1.0, rate=44100)
            subprocess.run(["ffmpeg", "-v", "quiet", "-y", "-i", f"{run.work}/x.wav", "-c:a", "aac", "-f", "ipod", f"{run.sounds}/{name}"],
                           stdin=subprocess.DEVNULL, check=True)
        code, printed = run.analyse(run.sounds, *(f"{run.sounds}/{name}" for name in ("a.m4a", "b.M4A", "c.wav", "nothing")))
        decoders = run.rows("SELECT decoder, count(*) FROM audio GROUP BY 1 ORDER BY 1")
        suite.check(code == 0 and decoders == [("libavcodec", 4), ("libsndfile", 8)], "FFmpeg: for M4A, whatever its name", f"{decoders} {printed[-1500:]}")
        suite.complete(run, 12, "FFmpeg")


def test_ffmpeg_comes(suite):
    """A file that failed for want of FFmpeg is tried again by itself when it is there, and not before."""
    name = "FFmpeg comes"
    if not shutil.which("ffmpeg") or subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        suite.skip(name, "needs ffmpeg, and root to hide its libraries")
        return
    with Run(suite.build) as run:
        tone(f"{run.work}/x.wav", 1, seconds=1.0, rate=44100)
        subprocess.run(["ffmpeg", "-v", "quiet", "-i", f"{run.work}/x.wav", "-c:a", "aac", "-f", "ipod", f"{run.sounds}/a.m4a"],
                       stdin=subprocess.DEVNULL, check=True)
        with open(f"{run.sounds}/b.wav", "w", encoding="ascii") as file:
            file.write("no sound" * 100)
        open(f"{run.work}/none", "wb").close()
        shutil.copy("/etc/ld.so.cache", f"{run.work}/libraries")
        hidden = {os.path.realpath(path) for path in glob.glob("/usr/lib/*/libavformat.so.*")}
        script = " && ".join([*(f"mount --bind {run.work}/none {path}" for path in hidden),
                              f"mount --bind {run.work}/libraries /etc/ld.so.cache", 'exec "$@"'])
        without = ["unshare", "-m", "sh", "-c", script, "sh", *run.command("analyze", run.sounds)]
        ended = []
        for _ in range(2):
            done = subprocess.run(without, env=run.environment, capture_output=True, check=False)
            ended.append(run.rows("SELECT status, finished, status_reason FROM files ORDER BY name"))
        suite.check(done.returncode == 1 and [row[0] for row in ended[0]] == ["failed", "failed"] and "are not there" in ended[0][0][2],
                    f"{name}: without it the file fails", f"{ended} {done}")
        suite.check(ended[0] == ended[1], f"{name}: and isn't tried again as long as nothing has changed", ended)
        code, printed = run.analyse()
        last = run.rows("SELECT status, finished FROM files ORDER BY name")
        suite.check(code == 1 and last[0][0] == "done", f"{name}: with it, it is", printed)
        run.analyse()
        suite.check(last[1][0] == "failed" and run.rows("SELECT status, finished FROM files ORDER BY name") == last,
                    f"{name}: what is no sound fails again, once", last)


def test_interrupt(suite):
    with Run(suite.build) as run:
        for k in range(100):
            tone(f"{run.sounds}/{k:03d}.wav", k)
        engine = run.start()
        wait_for(lambda: os.path.exists(run.catalogue) and count_done(run) >= 5)
        engine.send_signal(signal.SIGINT)
        try:
            printed = engine.communicate(timeout=20)[0].decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            engine.kill()
            printed = "it does not end"
        suite.check(not glob.glob(run.catalogue + "-wal"), "interrupt: no write-ahead log is left")
        waiting = run.value("SELECT count(*) FROM queue")
        done = count_done(run)
        suite.check(engine.returncode is not None and engine.returncode >= 0, "interrupt: it ends by itself", printed)
        suite.check(waiting + done == 100, "interrupt: what isn't done is queued", f"{waiting} + {done}\n{printed}")
        working = run.value("SELECT coalesce(sum(interrupted), 0) FROM queue")
        suite.check(working == 0, "interrupt: nothing counts as interrupted", working)
        code, printed = run.analyse()
        suite.check(code == 0, "interrupt: the next run goes on", printed[-1500:])
        suite.complete(run, 100, "interrupt")


def test_long_file(suite):
    """A file whose audio does not fit the budget is read a second time, region by region."""
    with Run(suite.build) as run:
        tone(run.sounds + "/long.wav", 3, seconds=2.0, rate=8000, repeats=80, pause=2.5)
        code, printed = run.analyse()
        small = run.rows("SELECT region_id, plugin, result FROM region_analysis ORDER BY 1, 2")
        regions = run.value("SELECT count(*) FROM regions")
        suite.check(code == 0 and regions == 80, "long file: eighty regions", f"{regions} {printed}")
        os.rename(run.catalogue, run.catalogue + ".kept")
        code, printed = run.analyse(settings=["engine.pcm_budget=24"])
        again = run.rows("SELECT region_id, plugin, result FROM region_analysis ORDER BY 1, 2")
        suite.check(code == 0 and small == again, "long file: read twice, the results are the same to the byte", printed)


def test_hanging_share(suite):
    """A file system that never answers, made with /dev/fuse."""
    name = "hanging share"
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        suite.skip(name, "needs root and /dev/fuse")
        return
    with Run(suite.build) as run:
        share = os.path.join(run.work, "share")
        os.mkdir(share)
        known = os.path.join(share, "known.wav")
        tone(known, 8)
        run.analyse(known)
        fuse = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()
        if libc.mount(b"hanging", share.encode(), b"fuse", 0, options) != 0:
            os.close(fuse)
            suite.skip(name, "mount is not allowed here")
            return
        try:
            for k in range(5):
                tone(f"{run.sounds}/{k}.wav", k)
            paths = [os.path.join(share, f"lost {k}.wav") for k in range(3)]
            run.environment = traceable(run.environment)  # nor can it stop a thread that hangs in the system
            start = time.monotonic()
            code, printed = run.analyse(*paths, known, run.sounds, settings=["engine.open_deadline=2"], timeout=150)
            seconds = time.monotonic() - start
            suite.check(code == 1, f"{name}: the run ends ({seconds:.0f} s)", f"{code}\n{printed}")
            suite.check(count_done(run) == 5, f"{name}: the other files are done", printed)
            told = [line for line in printed.splitlines() if "does not answer" in line]
            suite.check(all(any(f"  {path}:" in line for line in told) for path in [*paths, known]),
                        f"{name}: the lost files are named with the reason", printed)
            rows = run.rows("SELECT path, status_reason, size > 0, content_id IS NOT NULL FROM files WHERE status = 'failed'")
            suite.check([row[0] for row in rows] == [os.fsencode(known)] and "does not answer" in rows[0][1] and rows[0][2:] == (1, 1),
                        f"{name}: a known file keeps what is known of it; what is unknown gets no row", rows)
            tone(f"{run.work}/zeta.wav", 7)  # beside the share, below one folder
            os.remove(f"{run.sounds}/0.wav")
            code, printed = run.analyse(run.work, settings=["engine.open_deadline=2"], timeout=150)
            suite.check(code == 1 and count_done(run) == 5 and
                        run.rows("SELECT count(*) FROM files WHERE status = 'missing' AND name = '0.wav'") == [(1,)],
                        f"{name}: below a folder it costs nothing but itself", printed)
            suite.check(any(f"  {share}:" in line and "does not answer" in line for line in printed.splitlines()),
                        f"{name}: and is named", printed)
            suite.check(run.rows("SELECT 1 FROM files WHERE path = ?", os.fsencode(share)) == [],
                        f"{name}: a folder does not become a file that failed", printed)
        finally:
            os.close(fuse)  # the connection aborts, and whoever waits gets an error
            libc.umount2(share.encode(), 2)
        code, printed = run.analyse(run.work)
        suite.check(code == 0 and run.rows("SELECT 1 FROM files WHERE status = 'failed'") == [],
                    f"{name}: when it answers again, nothing has failed", printed)


def test_unplugged_disk(suite):
    """A known file behind a link whose disk is gone for now."""
    with Run(suite.build) as run:
        disk = os.path.join(run.work, "disk")
        os.mkdir(disk)
        tone(disk + "/far.wav", 1)
        os.symlink(disk + "/far.wav", run.sounds + "/link.wav")
        run.analyse()
        os.rename(disk, disk + ".unplugged")
        code, printed = run.analyse()
        row = run.rows("SELECT status, status_reason FROM files")
        suite.check(code == 1 and len(row) == 1 and row[0][0] == "failed" and "isn't there" in row[0][1],
                    "unplugged disk: its file can't be read, and says why", f"{row}\n{printed}")
        found = subprocess.run(run.command("find", "--paths"), env=run.environment, capture_output=True, check=False)
        suite.check("link.wav" in found.stdout.decode(), "unplugged disk: what is known of it is still found", found)
        os.rename(disk + ".unplugged", disk)
        code, printed = run.analyse()
        suite.check(code == 0 and run.rows("SELECT status, content_id IS NOT NULL FROM files") == [("done", 1)],
                    "unplugged disk: with the disk it is back", printed)


def test_changed_library(suite):
    """A plugin that is overwritten during a run: all of the run is done by what was there when it began."""
    name = "changed library"
    built = os.path.join(suite.build, "tests", "hostile", "segv_in_process.so")
    other = os.path.join(suite.build, "tests", "hostile", "leak_slowly.so")
    if not os.path.exists(built) or not os.path.exists(other):
        suite.skip(name, "the hostile plugins are not built")
        return
    with Run(suite.build) as run:
        folder = os.path.join(run.work, "plugins")
        os.mkdir(folder)
        target = os.path.join(folder, "plugin.so")
        shutil.copy(built, target)  # its worker dies with every region, so that new ones load it all the time
        run.environment["SONDE_PLUGIN_PATH"] = folder
        for k in range(60):
            tone(f"{run.sounds}/{k}.wav", k, seconds=1.0)
        engine = run.start("--allow-weak-sandbox", run.sounds)
        wait_for(lambda: os.path.exists(run.catalogue) and count_done(run) >= 1)
        shutil.copy(other, target + ".new")
        os.replace(target + ".new", target)
        printed = engine.communicate(timeout=120)[0].decode("utf-8", "replace")
        suite.check(engine.returncode in (0, 1), f"{name}: the run ends by itself", printed[-1500:])
        told = run.rows("SELECT DISTINCT plugin, reason FROM incidents")
        suite.check(told == [("hostile.segv_in_process", "crashed with SIGSEGV, in process")],
                    f"{name}: the old one runs to the end, from its copy", f"{told}\n{printed[-1500:]}")
        short = run.value("SELECT count(*) FROM region_analysis WHERE plugin = 'key' AND outcome IN ('ok', 'empty', 'unsupported')")
        suite.check(short == 60, f"{name}: the others' results are there", short)


def traceable(environment):
    """LeakSanitizer traces by itself, and gives up where somebody else does: it is left out of what strace looks at."""
    return dict(environment, ASAN_OPTIONS=environment.get("ASAN_OPTIONS", "") + ":detect_leaks=0")


def test_touches_no_audio(suite):
    with Run(suite.build) as run:
        linked = subprocess.run(["ldd", run.sonde], capture_output=True, check=False).stdout.decode()
        heavy = [lib for lib in ("libsndfile", "libavformat", "libavcodec", "libsoxr", "libebur128", "libkissfft") if lib in linked]
        suite.check("libuv" in linked and not heavy, "the engine is linked to no decoder and no signal processing", heavy)
        if not shutil.which("strace"):
            suite.skip("the engine copies plugins and loads none", "strace is not installed")
            return
        tone(run.sounds + "/one.wav", 1)
        log = os.path.join(run.work, "trace")
        traced = subprocess.run(["strace", "-o", log, "-e", "trace=openat,open,mmap,read,pread64",
                                 *run.command("analyze", run.sounds)], env=traceable(run.environment), capture_output=True, check=False)
        with open(log, encoding="utf-8", errors="replace") as file:
            text = file.read()
        if traced.returncode not in (0, 1) or "openat" not in text:
            suite.skip("the engine copies plugins and loads none", "strace is not allowed here")
            return
        lines = text.splitlines()
        opened = [k for k, line in enumerate(lines) if "plugins/" in line and ".so\"" in line]
        mapped = [line for line in lines[opened[0]:] if "PROT_EXEC" in line] if opened else []
        suite.check(opened and not mapped, "the engine copies plugins and loads none", mapped[:3])
        suite.check("RIFF" not in text, "the engine reads no audio file")


def main(scope=None):
    """Runs the functions named test_... of `scope` (default: this module's)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    suite = Suite(os.path.abspath(args.build))
    tests = {name[5:]: value for name, value in (scope or globals()).items() if name.startswith("test_")}
    for name in args.names or tests:
        tests[name](suite)
    print(f"1..{suite.points}")
    return 1 if suite.failed else 0


if __name__ == "__main__":
    sys.exit(main())
