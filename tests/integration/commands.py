#!/usr/bin/python3
"""The command line itself: help, wrong usage, options that stand anywhere, the ways of telling progress. Speaks TAP.

    commands.py --build DIR
"""
import fcntl
import json
import os
import re
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import analysis  # noqa: E402
from analysis import Run, tone, wait_for  # noqa: E402


def call(run, *words, **more):
    done = subprocess.run([run.sonde, *words], check=False, env=dict(run.environment, **more), capture_output=True, timeout=120)
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def test_help(suite):
    with Run(suite.build) as run:
        code, out, err = call(run, "--help")
        names = re.findall(r"^  ([a-z]+) {2,}\S", out, re.M)
        suite.check(code == 0 and {"analyze", "find", "doctor"} <= set(names), "help: names the commands", out)
        for name in names:
            code, out, err = call(run, name, "--help")
            suite.check(code == 0 and out.startswith("usage: sonde " + name), f"help: {name} --help", out + err)
            again = call(run, "help", name)[1]
            suite.check(again == out, f"help: help {name} says the same", again)
            # Whatever it takes, it doesn't take this.
            code, out, err = call(run, "--catalogue", run.catalogue, name, "--no-such-option")
            suite.check(code == 2 and err, f"help: {name} refuses an option that isn't there", f"{code} {out} {err}")
        code, out, err = call(run, "--version")
        suite.check(code == 0 and re.match(r"sonde \d", out), "help: --version", out)
        suite.check(call(run)[0] == 2, "help: without a command")
        code, out, err = call(run, "analyse")
        suite.check(code == 2 and '"analyse"' in err, "help: a command that isn't there", err)
        code, out, err = call(run, "sing")
        suite.check(code == 2 and "lists them" in err, "help: nor one that it could be", err)
        for word, command in (("analyse", "analyze"), ("stop", "drain"), ("fnid", "find"), ("shows", "show"), ("atch", "watch"), ("paude", "pause")):
            code, out, err = call(run, word)
            suite.check(code == 2 and f'"{word}": do you mean "{command}"' in err, f"help: {word} for {command}", err)


def test_globals(suite):
    with Run(suite.build) as run:
        tone(run.sounds + "/one.wav", 1)
        for words in (["--set", "nonsense", "status"], ["--set", "engine.nonsense=1", "status"], ["--set", "engine.jobs=many", "status"],
                      ["status", "--catalogue"], ["--config", "/nowhere/sonde.ini", "status"], ["--set", "engine.jobs=1"] * 65 + ["status"]):
            code, out, err = call(run, *words)
            suite.check(code in (2, 3) and err.startswith("sonde: "), f"options: {' '.join(words[:3])}", f"{code} {out} {err}")
        code, out, err = call(run, "analyze", f"--catalogue={run.catalogue}", "--", run.sounds)
        suite.check(code == 0, "options: before and behind the command, and up to --", out + err)
        code, out, err = call(run, "--catalogue", run.work + "/none.db", "status")
        suite.check(code == 3 and "none.db" in err, "options: a catalogue that isn't there", err)
        for words in (["watch"], ["analyze"], ["analyze", "--jobs", "0", "x"], ["analyze", "--jobs", "many", "x"], ["analyze", "--progress", "song", "x"],
                      ["analyze", "--order", "foo", "x"], ["analyze", "--only", "nosuch", "x"], ["--set", "queue.order=foo", "analyze", "x"],
                      ["analyze", ""], ["rescan", ""], ["watch", ""], ["analyze", "--stale", run.sounds, ""],
                      ["catalogue"], ["catalogue", "backup"], ["catalogue", "sing"], ["catalogue", "prune", "--all"], ["config", "x"]):
            code, out, err = call(run, "--catalogue", run.catalogue, *words)
            suite.check(code == 2 and err, f"usage: {' '.join(words)}", f"{code} {out} {err}")
        for path in (run.sounds + "/one.wav", "/dev/null"):
            code, out, err = call(run, "--catalogue", run.catalogue, "watch", path)
            suite.check(code == 3 and path + " is no folder" in err, f"watch: {path}", f"{code} {out} {err}")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([run.sonde, "--catalogue", run.catalogue, "find"], check=False, env=run.environment, stdout=full,
                                  stderr=subprocess.PIPE, timeout=120)
        suite.check(done.returncode == 3 and b"not all could be written" in done.stderr, "output: where there is no room for it",
                    f"{done.returncode} {done.stderr}")
        kept = os.path.join(run.work, "kept.db")
        for words, good in ((["backup", kept], 0), (["backup", kept], 3), (["merge", kept], 0), (["merge", "/nowhere.db"], 3), (["prune"], 0),
                            (["prune", "--missing"], 0), (["vacuum"], 0), (["check"], 0), (["recover", run.work + "/new.db"], 0)):
            code, out, err = call(run, "--catalogue", run.catalogue, "catalogue", *words)
            suite.check(code == good and (out or err or good == 0), f"catalogue {words[0]}: exit code {good}", f"{code} {out} {err}")
        code, out, err = call(run, "--catalogue", run.catalogue, "config")
        file = os.path.join(run.work, "sonde.ini")
        with open(file, "w", encoding="utf-8") as ini:
            ini.write(out)
        again = call(run, "--config", file, "config")
        suite.check(code == 0 and again[0] == 0 and "engine" in again[1], "config: what it prints is a configuration", again)


def test_progress(suite):
    with Run(suite.build) as run:
        for k in range(6):
            tone(f"{run.sounds}/{k}.wav", k)
        with open(f"{run.sounds}/broken.wav", "wb") as file:
            file.write(b"no sound " * 100)

        def go(style, *words):
            return call(run, "--catalogue", f"{run.work}/{style}.db", "analyze", "--progress", style, *words, run.sounds)

        code, out, err = go("json")
        events = [json.loads(line) for line in out.splitlines()]
        kinds = {event["event"] for event in events}
        files = [event for event in events if event["event"] == "file"]
        suite.check(code == 1 and {"file", "end"} <= kinds and len(files) == 7, "progress: as JSON, an event a line", out + err)
        suite.check([f["status"] for f in files if f["path"].endswith("broken.wav")] == ["failed"], "progress: with what failed", files)
        odd = f"{run.sounds}/odd".encode() + b"\xff\n.wav"
        os.rename(f"{run.sounds}/0.wav", odd)
        code, out, err = go("json")
        events = [json.loads(line) for line in out.splitlines()]
        told = {bytes.fromhex(event["path_hex"]) for event in events if event["event"] == "file" and "path_hex" in event}
        suite.check(code == 1 and told == {odd}, "progress: a path that its text doesn't tell has its bytes beside it, no other has", out + err)
        os.rename(odd, f"{run.sounds}/0.wav")
        code, out, err = go("json")
        gone = [event for event in map(json.loads, out.splitlines()) if event["event"] == "gone"]
        suite.check(code == 1 and [bytes.fromhex(event.get("path_hex", "")) for event in gone] == [odd], "progress: when it is gone, too", out + err)
        code, out, err = go("bar")
        suite.check(code == 1 and "broken.wav" in err and "7 of 7 files" in err, "progress: as a bar", out + err)
        code, out, err = go("lines", "--jobs", "1")
        suite.check(code == 1 and "failed: " in err and not out, "progress: as lines", out + err)
        code, out, err = go("none")
        suite.check(code == 1 and not out and not err, "progress: none", out + err)
        code, out, err = go("json", "/nowhere/at all.wav")
        suite.check(code == 1 and '"missing"' in out, "progress: a file that isn't there", out + err)


def test_low_disk(suite):
    """Where nothing is begun for want of room, somebody who waits is told why."""
    with Run(suite.build) as run:
        tone(run.sounds + "/one.wav", 1)
        words = run.command("--set", "engine.min_free=1000000000", "analyze", "--progress", "lines", run.sounds)
        told = os.path.join(run.work, "told")
        with open(told, "wb") as file:
            engine = subprocess.Popen(words, env=run.environment, stdout=file, stderr=file)

        def heard(text):
            with open(told, encoding="utf-8") as file:
                return text in file.read()

        try:
            waits = wait_for(lambda: heard("waiting for room") or engine.poll() is not None)
            suite.check(waits and heard("warning: only ") and engine.poll() is None, "low disk: it says what it waits for",
                        open(told, encoding="utf-8").read())
        finally:
            engine.terminate()
            engine.wait()


def test_file_limit(suite):
    """With a limit on the size of files a write fails, and is told: no signal ends anybody."""
    for kilobytes, told in ((100, "I/O error"), (1000, "ulimit -f")):
        with Run(suite.build) as run:
            tone(run.sounds + "/one.wav", 1)
            # a shell counts blocks of 512 bytes
            limited = ["sh", "-c", f'ulimit -f {2 * kilobytes} && exec "$0" "$@"', run.sonde, "--catalogue", run.catalogue]
            done = subprocess.run([*limited, "analyze", run.sounds], check=False, env=run.environment, capture_output=True,
                                  text=True, timeout=120)
            suite.check(done.returncode == 3 and told in done.stderr, f"file limit: {kilobytes} kB", f"{done.returncode} {done.stderr}")
            if kilobytes == 1000:
                code, out, err = call(run, "--catalogue", run.catalogue, "status")
                suite.check(code == 0 and "not ended: \n" not in out, "file limit: no run that never was", out + err)
            code, out, err = call(run, "--catalogue", run.catalogue, "analyze", run.sounds)
            suite.check(code == 0 and "1 analysed" in out + err, f"file limit: and without, after {kilobytes} kB", out + err)


def test_waiting(suite):
    """Who had to wait for another writer, and got its turn, has nothing to complain of."""
    with Run(suite.build) as run:
        tone(run.sounds + "/one.wav", 1)
        run.analyse()
        for words, said in ((["plugin", "reset", "key"], "forgotten"), (["tag", run.sounds + "/one.wav", "mine"], "")):
            with open(run.catalogue + ".lock", "ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                timer = threading.Timer(1.2, fcntl.flock, (lock, fcntl.LOCK_UN))
                timer.start()
                code, out, err = call(run, "--catalogue", run.catalogue, *words)
                timer.join()
            suite.check(code == 0 and said in out and "being written" not in err, f"waiting: {words[0]}", f"{code} {out} {err}")


if __name__ == "__main__":
    sys.exit(analysis.main(globals()))
