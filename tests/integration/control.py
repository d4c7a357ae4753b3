#!/usr/bin/python3
"""Commands that talk to a running engine: over its control socket, by signals, and how it waits. Speaks TAP.

    control.py --build DIR [NAME...]     NAME: only these tests
"""
import json
import os
import random
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import wave

from watch_rig import main


def copy(rig, *indices, prefix=""):
    """Sounds of the stock into the watched folder; their names."""
    names = [f"{prefix}{k}.wav" for k in indices]
    for k, name in zip(indices, names):
        shutil.copy(rig.sounds[k], rig.at(name))
    return names


def queued(rig):
    return rig.rows("SELECT count(*) FROM queue")[0][0]


def files_in_log(rig):
    """Names in the order in which the log has them."""
    with open(rig.log, encoding="utf-8", errors="replace") as log:
        return [line.split("path=")[1].split()[0].strip('"').split("/")[-1] for line in log if line.startswith("event=file ")]


def commands(rig):
    """tag, set, analyze ... while watching."""
    check = rig.check
    first, second = copy(rig, 0, 1)
    check(rig.start() and rig.done(first, second), "an engine watches")
    mode = os.stat(rig.catalogue + ".control")
    check(stat.S_ISSOCK(mode.st_mode) and stat.S_IMODE(mode.st_mode) == 0o600, "its socket is for its user alone")
    pid = rig.engine().get("pid")
    check(pid == rig.process.pid, "status asks it", pid)
    code, text = rig.command("tag", rig.at(first), "loud", "odd")
    check(code == 0 and rig.command("find", "--tag", "loud", "--paths")[1].strip() == rig.at(first), "tag, by the engine", text)
    code, text = rig.command("tag", "both", "--", rig.at(first), rig.at(second))
    check(code == 0 and len(rig.command("find", "--tag", "both", "--paths")[1].split()) == 2, "and of many files", text)
    code, text = rig.command("untag", rig.at(first), "loud", "never")
    check(code == 1 and 'no tag "never"' in text and rig.command("find", "--tag", "loud", "--paths")[0] == 1,
          "untag says what wasn't there", text)
    code, text = rig.command("set", rig.at(first), "bpm=121.5", "key=A minor")
    check(code == 0 and rig.rows("SELECT bpm, key FROM sounds WHERE name = ?", first) == [(121.5, "A minor")], "set", text)
    code, text = rig.command("set", "bpm=x2/3", "--", rig.at(first))
    check(code == 0 and rig.rows("SELECT bpm FROM sounds WHERE name = ?", first) == [(81,)], "and by how much", text)
    code, text = rig.command("set", rig.at(first), "label=owl", "bpm=4000")
    check(code == 2 and "4000" in text and not rig.rows("SELECT 1 FROM sounds WHERE label = 'owl'"),
          "all words or none: one that makes no sense is wrong usage", text)
    code, text = rig.command("plugin", "reset", "key")
    check(code == 0 and "forgotten" in text, "plugin reset", text)
    aside = os.path.join(rig.work, "aside")
    os.mkdir(aside)
    name = "caf\xe9 %41 \udcff.wav"  # neither UTF-8 nor free of %
    shutil.copy(rig.sounds[2], os.path.join(aside, name))
    with open(os.path.join(aside, "broken.wav"), "wb") as broken:
        broken.write(b"RIFF nothing")
    code, text = rig.command("analyze", "aside")
    check(code == 1 and "2 of 2 files" in text and "broken.wav" in text and
          rig.rows("SELECT status FROM files WHERE path = ?", os.fsencode(os.path.join(aside, name))) == [("done",)],
          "analyze hands over, waits, and names what failed", text)
    code, text = rig.command("analyze", "--progress", "json", "aside")
    events = [json.loads(line) for line in text.splitlines()]
    check(sum(event["event"] == "file" for event in events) == 2 and events[-1]["files_known"] == 1, "with events as ever", text)
    told = [os.fsdecode(bytes.fromhex(event["path_hex"])) for event in events if "path_hex" in event]
    check(told == [os.path.join(aside, name)], "and the bytes of a name that isn't UTF-8", text)
    before = rig.analyses()
    code, text = rig.command("analyze", "--force", rig.at(first))
    check(code == 0 and "1 analysed" in text, "analyze --force", text)
    code, text = rig.command("retry", os.path.join(aside, "broken.wav"))
    check(code == 1 and "1 failed" in text, "retry", text)
    code, text = rig.command("retry", "broken.wav")
    check(code == 1 and "1 failed" in text and "no such" not in text, "retry by name", text)
    code, text = rig.command("analyze", "--stale")
    check(code == 0 and rig.analyses() == before, "nothing is stale", text)
    code, text = rig.command("analyze", "--jobs", "2", "aside")
    check(code == 2 and "engine is running" in text, "what can't be changed meanwhile is refused with a sentence", text)
    code, text = rig.command("analyze", os.path.join(rig.work, "nothing"))
    check(code == 1 and "no such file" in text, "nor is what isn't there swallowed", text)
    code, text = rig.command("catalogue", "vacuum")
    check(code != 0 and str(pid) in text, "what needs the lock says who has it", text)
    code, text = rig.command("watch", rig.folder)
    check(code == 3 and str(pid) in text, "two engines: the second says who is first", text)
    check(rig.command("drain")[0] == 0 and rig.process.wait(timeout=60) == 0, "drain")
    check(not os.path.exists(rig.catalogue + ".control"), "the socket goes with the engine")
    code, text = rig.command("pause")
    check(code == 1 and "no engine is running" in text, "without one, pause says so", text)
    check(rig.command("tag", rig.at(first), "later")[0] == 0, "and tag takes the lock")


def unrun(rig):
    """Results that are missing since workers can't be started: counted by a running engine that is asked as by a run of its own."""
    worker = os.path.join(rig.work, "worker")
    real = os.path.join(os.path.dirname(rig.sonde), "..", "..", "workers", "sonde-worker")
    with open(worker, "w", encoding="utf-8") as script:
        script.write(f'#!/bin/sh\n[ "$1" = analyse ] && exit 1\nexec "{real}" "$@"\n')
    os.chmod(worker, 0o755)
    setting = f"worker.path={worker}"
    code, text = rig.command("--set", setting, "analyze", rig.sounds[0])
    rig.check(code == 1 and "are missing, for workers could not be started" in text, "a run without workers for plugins", text)
    rig.start(settings=[setting])
    code, text = rig.command("analyze", rig.sounds[1])
    rig.check(code == 1 and "are missing, for workers could not be started" in text, "analyze by a running engine says the same", text)
    code, text = rig.command("analyze", "--progress", "json", rig.sounds[2])
    end = json.loads(text.splitlines()[-1])
    rig.check(code == 1 and end["event"] == "end" and end["results_unrun"] > 0, "with their number", text)
    rig.stop()


def hostile(rig):
    """Whatever comes over the socket, the engine goes on."""
    check = rig.check
    rig.start()
    ask = rig.ask
    for name, line in {"garbage": b"\x00\xff{{{\n", "another shape": b"[1, 2]\n", "deep": b"[" * 5000 + b"\n",
                       "no command": b'{"control": 1}\n', "an unknown command": b'{"control": 1, "command": "rm"}\n',
                       "an unknown member": b'{"control": 1, "command": "status", "x": 1}\n',
                       "a relative path": b'{"control": 1, "command": "analyze", "paths": ["a"]}\n',
                       "a zero byte": b'{"control": 1, "command": "analyze", "paths": ["/a%00b"]}\n',
                       "a tag of nothing": b'{"control": 1, "command": "tag", "words": ["x"]}\n',
                       "a tag of a sound that isn't there": b'{"control":1,"command":"tag","audio":999,"words":["x"]}\n'}.items():
        answer = ask(line)
        check(len(answer) == 1 and answer[0]["ok"] is False and answer[0]["error"], f"{name} is refused", answer)
    answer = ask(b'{"control": 2, "command": "status"}\n')
    check("version 1" in answer[0]["error"], "another version is told which one this is", answer)
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(rig.catalogue + ".control")
        try:
            for _ in range(100):
                link.sendall(b"a" * 65536)
        except OSError:
            pass
    idle = []
    for _ in range(40):  # more than may be: the last are hung up on, the first hold their places for 10 s
        link = socket.socket(socket.AF_UNIX)
        idle.append(link)
        try:
            link.connect(rig.catalogue + ".control")
            link.sendall(b'{"control":')
        except OSError:
            pass  # hung up on already
    for link in idle:
        link.close()
    check(rig.wait(lambda: rig.engine().get("pid") == rig.process.pid), "endless lines and many idle clients do no harm")
    deaf = socket.socket(socket.AF_UNIX)  # follows, and never reads
    deaf.connect(rig.catalogue + ".control")
    deaf.sendall(json.dumps({"control": 1, "command": "analyze", "follow": True, "paths": [rig.stock] * 500}).encode() + b"\n")
    check(rig.wait(lambda: rig.rows("SELECT count(*) FROM files WHERE status = 'done'") == [(12,)], 180),
          "a client that doesn't read what it asked for holds nothing up")
    deaf.close()
    if os.geteuid() == 0:
        os.chmod(rig.work, 0o755)
        os.chmod(rig.catalogue + ".control", 0o666)
        stranger = subprocess.run([sys.executable, "-c", """
import socket, sys
link = socket.socket(socket.AF_UNIX)
link.settimeout(20)
link.connect(sys.argv[1])
try:
    link.sendall(b'{"control": 1, "command": "drain"}\\n')
    print(len(link.recv(100)))
except (BrokenPipeError, ConnectionResetError):
    print(0)
""", rig.catalogue + ".control"], stdout=subprocess.PIPE, user=65534, check=False, timeout=60)
        check(stranger.stdout.strip() == b"0" and not rig.heard("command=drain"), "another user is hung up on", stranger)
    else:
        check(True, "another user is hung up on # SKIP needs root")
    code = rig.stop()
    check(code == 0, "and it ends as it should", code)


def stale_socket(rig):
    """kill -9 leaves a socket; the next engine takes its place. Long names have one too."""
    check = rig.check
    copy(rig, 0)
    rig.start()
    rig.process.kill()
    rig.process.wait()
    check(os.path.exists(rig.catalogue + ".control"), "kill -9 leaves the socket")
    code, text = rig.command("tag", rig.at("0.wav"), "x")
    check(code == 1 and "process" not in text, "nobody is thought to be there", text)
    check(rig.start() and rig.engine().get("pid") == rig.process.pid, "the next engine listens again")
    check(rig.done("0.wav") and rig.stop() == 0, "and works")
    deep = os.path.join(rig.work, *["a long name of a folder " * 4] * 2)
    os.makedirs(deep)
    rig.catalogue = os.path.join(deep, "c" * 150 + ".db")
    check(rig.start() and rig.engine().get("pid") == rig.process.pid, "a path that is longer than a socket's may be", len(deep))
    check(rig.stop() == 0 and not [name for name in os.listdir(deep) if name.endswith(".control")], "leaves nothing behind")
    rig.catalogue = os.path.join(rig.work, "theirs.db")
    with open(rig.catalogue + ".control", "w", encoding="ascii") as theirs:
        theirs.write("mine")
    rig.start()
    check(rig.wait(lambda: rig.heard("commands can't talk to this engine")) and
          os.path.getsize(rig.catalogue + ".control") == 4, "a file in the socket's place is left alone, and the engine runs")


def holding(rig):
    """pause, resume, priority, order, a disk that is nearly full."""
    check = rig.check
    rig.start("--order", "smallest", settings=["engine.jobs=1"])
    check(rig.command("pause")[0] == 0 and rig.wait(lambda: rig.heard("event=holding")), "pause")
    names = copy(rig, 6, 5, 4, 3, 2, 1, 0)  # the stock grows by its number
    check(rig.wait(lambda: queued(rig) == 7), "what comes meanwhile is queued")
    check("waits: paused" in rig.command("status")[1], "status says why nothing happens")
    asked = subprocess.Popen([rig.sonde, "--catalogue", rig.catalogue, "analyze", "--progress", "lines", rig.at("5.wav")],
                             env=rig.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(rig.wait(lambda: rig.rows("SELECT count(*) FROM queue WHERE priority > 0") == [(1,)]), "somebody asks for one of them")
    check(rig.rows("SELECT count(*) FROM files WHERE status = 'done'") == [(0,)], "still nothing is begun")
    check(rig.command("resume")[0] == 0 and rig.done(*names), "resume")
    text = asked.communicate(timeout=60)[0].decode()
    check(asked.returncode == 0 and "paused" in text and "1 of 1 files" in text, "who asked was told, and got it", text)
    rig.wait(lambda: len(files_in_log(rig)) == 7)  # told after it is stored
    order = files_in_log(rig)
    check(order[0] == "5.wav", "what is asked for comes first", order)
    check(order[1] == "0.wav" and order[-1] == "6.wav", "then the smallest", order)
    check(rig.stop() == 0, "end")
    for way, first, last in ("newest", "10.wav", "7.wav"), ("oldest", "7.wav", "10.wav"):
        rig.start("--order", way, settings=["engine.jobs=1"])
        rig.command("pause")
        names = copy(rig, 8, 10, 7, 9, prefix=way)
        for k, name in zip((8, 10, 7, 9), names):
            with open(rig.at(name), "ab") as more:  # other bytes and another time
                more.write(way.encode())
            os.utime(rig.at(name), (1e9 + k, 1e9 + k))
        check(rig.wait(lambda: queued(rig) == 4), "four wait")
        rig.command("resume")
        rig.done(*names)
        rig.wait(lambda: len([name for name in files_in_log(rig) if name.startswith(way)]) == 4)  # told after it is stored
        order = [name for name in files_in_log(rig) if name.startswith(way)]
        check(order and order[0] == way + first and order[-1] == way + last, f"{way} first", order)
        rig.stop()


def pausing(rig):
    """A pause outlasts the engine, whichever way that ends, until somebody says resume."""
    check = rig.check
    rig.start()
    check(rig.command("pause")[0] == 0 and rig.wait(lambda: rig.rows("SELECT 1 FROM engine_state WHERE name = 'paused'")),
          "a pause is written down")
    rig.process.kill()
    rig.process.wait()
    code, text = rig.command("status")
    check(code == 0 and "would begin paused" in text, "status without an engine says so", text)
    names = copy(rig, 0, 1)
    check(rig.start() and rig.wait(lambda: queued(rig) == 2) and rig.hears("paused before this start"),
          "after kill -9 it begins paused, and says so")
    check(rig.engine().get("paused") is True and "waits: paused" in rig.command("status")[1], "so does status")
    check(rig.stop() == 0, "a clean end")
    code, text = rig.command("analyze", rig.stock)
    check(code == 0 and rig.rows("SELECT count(*) FROM queue") == [(0,)], "analyze without a watching engine does what it is asked", text)
    names += copy(rig, 2, 3)
    check(rig.start() and rig.wait(lambda: queued(rig) == 2), "paused again after that")
    check(rig.command("resume")[0] == 0 and rig.done(*names), "resume")
    check(rig.stop() == 0 and rig.start(), "another start")
    names += copy(rig, 4)
    check(rig.done(*names) and rig.engine().get("paused") is False, "isn't paused any more")
    rig.command("pause")
    check(rig.stop() == 0, "paused, and ended")
    code, text = rig.command("resume")
    check(code == 0 and "won't begin paused" in text, "resume without an engine", text)
    code, text = rig.command("resume")
    check(code == 1 and "nothing to resume" in text, "twice: it says so", text)
    names += copy(rig, 5)
    check(rig.start() and rig.done(*names) and rig.stop() == 0, "the next start isn't paused")


def low_disk(rig):
    """Too little room: it says so and waits; room again: it goes on."""
    check = rig.check
    place = "/dev/shm"
    if not os.access(place, os.W_OK) or shutil.disk_usage(place).free < 64 << 20:
        check(True, "low disk # SKIP needs a /dev/shm with 64 MiB")
        return
    ballast = os.path.join(place, f"sonde-test-{os.getpid()}.ballast")
    rig.catalogue = os.path.join(rig.work, "a link.db")  # the disk of what it leads to counts
    os.symlink(os.path.join(place, f"sonde-test-{os.getpid()}.db"), rig.catalogue)
    try:
        free = shutil.disk_usage(place).free >> 20
        with open(ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 48 << 20)
        names = copy(rig, 0, 1)
        rig.start(settings=[f"engine.min_free={free - 24}"])
        check(rig.wait(lambda: rig.heard("event=holding") and rig.heard("waiting for room")), "low disk is logged")
        check("waiting for room" in rig.command("status")[1], "and said in status")
        check(rig.wait(lambda: queued(rig) == 2) and rig.status("0.wav") == "queued", "nothing is begun")
        os.remove(ballast)
        check(rig.done(*names) and rig.hears("event=going-on"), "with room it goes on")
        check(rig.stop() == 0, "end")
    finally:
        rig.process.kill()
        rig.process.wait()
        for name in os.listdir(place):
            if name.startswith(f"sonde-test-{os.getpid()}."):
                os.remove(os.path.join(place, name))


def ending(rig):
    """SIGTERM lets what is under way come to its end; the rest stays queued."""
    check = rig.check
    rig.start("--background", settings=["engine.jobs=1"])
    rig.command("pause")
    names = copy(rig, *range(12))
    check(rig.wait(lambda: queued(rig) == 12), "twelve wait")
    rig.command("resume")
    check(rig.wait(lambda: rig.rows("SELECT count(*) FROM files WHERE status = 'done'")[0][0] > 0), "one is done")
    workers = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and parent_of(pid) == rig.process.pid]
    check(workers and all(os.sched_getscheduler(pid) == os.SCHED_IDLE for pid in workers) and
          os.sched_getscheduler(rig.process.pid) == os.SCHED_OTHER, "--background: workers are idle, the engine listens", workers)
    check(rig.stop(signal.SIGTERM) == 0, "SIGTERM ends it")
    states = dict(rig.rows("SELECT status, count(*) FROM files GROUP BY status"))
    check(set(states) <= {"done", "queued"} and sum(states.values()) == 12, "nothing is left half-way", states)
    check(not rig.rows("SELECT 1 FROM queue WHERE state = 'working' OR interrupted > 0"), "nothing counts as interrupted")
    rig.start()
    check(rig.done(*names), "the next engine does the rest")
    check(rig.stop(signal.SIGINT) == 0, "SIGINT ends it too")


def parent_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as about:
            return int(about.read().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def reloading(rig):
    """SIGHUP: another configuration, and a broken one; systemd hears of all of it."""
    check = rig.check
    other = os.path.join(rig.work, "other")
    os.mkdir(other)
    shutil.copy(rig.sounds[1], os.path.join(other, "in other.wav"))
    os.utime(os.path.join(other, "in other.wav"), (1e9, 1e9))
    copy(rig, 0)
    settings = os.path.join(rig.work, ".config", "sonde")
    os.makedirs(settings)

    def write(text):
        with open(os.path.join(settings, "sonde.ini"), "w", encoding="utf-8") as file:
            file.write(text)

    write(f"[watch]\nfolders = {rig.folder}\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        address = os.path.join(rig.work, "notify")
        systemd.bind(address)
        systemd.setblocking(False)
        said = []

        def told(what):
            while True:
                try:
                    said.extend(systemd.recv(4096).decode().splitlines())
                except BlockingIOError:
                    return what in said

        rig.start(environment={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "600000"}, folders=[])
        check(rig.wait(lambda: told("READY=1")), "systemd hears READY=1, and folders come from the configuration", said)
        check(rig.wait(lambda: told("WATCHDOG=1")) and any(line.startswith("STATUS=") for line in said), "and signs of life")
        check(rig.done("0.wav"), "the first folder")
        write("[watch]\nfolder = /tmp\n")
        rig.process.send_signal(signal.SIGHUP)
        check(rig.hears("nothing changes") and rig.hears("watch.folder"), "a broken configuration changes nothing")
        write(f"[watch]\nfolders = {rig.folder}:{other}\n[plugins]\ndisabled = key key_fallback\n")
        rig.command("pause")
        said.clear()
        rig.process.send_signal(signal.SIGHUP)
        check(rig.wait(lambda: told("RELOADING=1") and told("READY=1")), "SIGHUP: RELOADING=1, READY=1", said)
        check(rig.engine().get("paused") is True, "a pause outlasts it")
        rig.command("resume")
        check(rig.wait(lambda: rig.rows("SELECT status FROM files WHERE name = 'in other.wav'") == [("done",)]),
              "the second folder is watched")
        check(not rig.rows("SELECT 1 FROM region_analysis JOIN regions USING (region_id) JOIN contents USING (audio_id) JOIN"
                           " files USING (content_id) WHERE files.name = 'in other.wav' AND plugin = 'key'"),
              "a plugin that was disabled doesn't run")
        before = rig.analyses()
        write(f"[watch]\nfolders = {rig.folder}:{other}\n")
        code, text = rig.command("reload")
        check(code == 0 and rig.wait(lambda: rig.analyses() > before) and
              rig.wait(lambda: rig.rows("SELECT count(*) FROM queue") == [(0,)]), "sonde reload: a new plugin runs over what is there", text)
        added = rig.rows("SELECT DISTINCT plugin FROM region_analysis WHERE analysis_id > ?", before)
        check(added == [("key",)], "and nothing else does", added)
        watching = rig.count("event=watching")
        write(f"[watch]\nfolders = {rig.folder}\n[plugin:key]\nno_such_parameter = 1\n")
        rig.process.send_signal(signal.SIGHUP)
        check(rig.wait(lambda: rig.count("nothing changes") == 2 and rig.count("event=watching") > watching),
              "a parameter that a plugin refuses changes nothing either")
        told("")  # takes the signs of life: of more than ten that wait the system drops the last
        rig.process.send_signal(signal.SIGTERM)
        check(rig.process.wait(timeout=60) == 0 and told("STOPPING=1"), "STOPPING=1")


def reloading_in_vain(rig):
    """What a reload finds may be of no use just then: a folder that is away, a file that an editor is saving. It goes on."""
    check = rig.check
    file = os.path.join(rig.work, "named.ini")
    usual = os.path.join(rig.work, ".config", "sonde")
    other = os.path.join(rig.work, "other")
    os.makedirs(usual)
    os.mkdir(other)
    with open(os.path.join(usual, "sonde.ini"), "w", encoding="utf-8") as ini:
        ini.write(f"[watch]\nfolders = {other}\n")

    def write(text):
        with open(file, "w", encoding="utf-8") as ini:
            ini.write(text)

    def refused(times, why):
        rig.process.send_signal(signal.SIGHUP)
        return rig.wait(lambda: rig.count("nothing changes") == times or rig.process.poll() is not None) and rig.hears(why) and \
            rig.process.poll() is None

    rig.start(folders=[os.path.relpath(rig.folder)])
    os.rename(rig.folder, rig.folder + "-aside")
    check(rig.hears("event=away"), "a folder that was named by a relative path is away")
    rig.process.send_signal(signal.SIGHUP)
    check(rig.wait(lambda: rig.count("event=watching") == 2) and rig.process.poll() is None, "and a reload waits for it, too")
    os.rename(rig.folder + "-aside", rig.folder)
    check(rig.hears("event=back"), "until it is back")
    copy(rig, 0)
    check(rig.done("0.wav"), "and takes what comes into it")
    rig.stop()
    write(f"[watch]\nfolders = {rig.folder}\n")
    rig.start("--config", file, folders=[])
    os.rename(file, file + "~")
    check(refused(1, "cannot read the configuration"), "a configuration that was named and isn't there changes nothing")
    write("[watch]\nfolders =\n")
    check(refused(2, "name at least one folder"), "nor does one without folders")
    write("[watch]\nfolders = nowhere\n")
    check(refused(3, "there is no nowhere"), "nor one whose folder isn't there, and has no full path")
    copy(rig, 1)
    check(rig.done("1.wav") and rig.stop() == 0, "it is still watching")
    check(rig.count("event=reloading") == 1, "and the usual configuration was never read")


def rescan(rig):
    """What is gone is missing, on rescan and at the start; what comes back is what it was; a disk that isn't there changes
    nothing."""
    check = rig.check
    names = copy(rig, 0, 1, 2)
    code, text = rig.command("analyze", rig.folder)
    check(code == 0, "analyse without an engine", text)
    os.rename(rig.at("1.wav"), os.path.join(rig.work, "aside.wav"))
    code, text = rig.command("rescan", rig.folder)
    check(code == 0 and rig.status("1.wav") == "missing" and rig.status("0.wav") == "done", "rescan finds what is gone", text)
    before = rig.analyses()
    os.rename(os.path.join(rig.work, "aside.wav"), rig.at("1.wav"))
    code, text = rig.command("rescan", rig.folder)
    check(code == 0 and rig.status("1.wav") == "done" and rig.analyses() == before, "and what is back, without analysing", text)
    os.mkdir(rig.at("deep"))
    deep = copy(rig, 5, 6, prefix="deep/")
    check(rig.command("analyze", rig.folder)[0] == 0 and rig.status(deep[1]) == "done", "two more in a folder of their own")
    os.rename(rig.at(deep[0]), os.path.join(rig.work, "aside.wav"))
    code, text = rig.command("analyze", rig.at("1.wav"))
    check(code == 0 and rig.status(deep[0]) == "done", "analyze of a file looks at that file alone", text)
    code, text = rig.command("analyze", rig.at("deep"), rig.stock)
    check(code == 0 and rig.status(deep[0]) == "missing" and rig.status(deep[1]) == "done" and "1 known before is gone" in text,
          "analyze of folders finds what is gone from them", text)
    os.rename(os.path.join(rig.work, "aside.wav"), rig.at(deep[0]))
    check(rig.command("analyze", rig.folder)[0] == 0 and rig.status(deep[0]) == "done", "and what is back")
    os.remove(rig.at("2.wav"))
    rig.start()
    check(rig.wait(lambda: rig.status("2.wav") == "missing") and rig.hears("event=gone"), "the first look of a watcher does too")
    os.remove(rig.at(deep[0]))
    os.remove(rig.at(deep[1]))
    code, text = rig.command("analyze", rig.folder)
    check(code == 0 and rig.status(deep[0]) == "missing" and rig.status(deep[1]) == "missing", "analyze by a running engine too", text)
    shutil.copy(rig.sounds[3], rig.at("3.wav"))
    code, text = rig.command("rescan", rig.at("3.wav"))
    check(code == 0 and rig.status("3.wav") == "done", "rescan of one file, by the engine, and at once", text)
    code, text = rig.command("rescan", rig.at("never was"))
    check(code == 1 and "never was: no such file or folder" in text, "rescan of what has never been there", text)
    rig.stop()
    tree = rig.at("disk")
    os.mkdir(tree)
    if subprocess.run(["mount", "-t", "tmpfs", "none", tree], check=False, stderr=subprocess.DEVNULL).returncode != 0:
        check(True, "an unmounted disk # SKIP mounting is not allowed here")
        return
    mounted = True
    try:
        shutil.copy(rig.sounds[4], rig.at("disk/on disk.wav"))
        check(rig.command("rescan", rig.folder)[0] == 0 and rig.status("disk/on disk.wav") == "done", "a disk is mounted")
        subprocess.run(["umount", tree], check=True)
        mounted = False
        code, text = rig.command("rescan", rig.folder)
        check(rig.status("disk/on disk.wav") == "done" and "isn't there now" in text, "unmounted: its files stay as they are", text)
        code, text = rig.command("analyze", rig.folder)
        check(rig.status("disk/on disk.wav") == "done" and "isn't there now" in text, "for analyze too", text)
        rig.start()
        check(rig.wait(lambda: rig.heard("isn't there now")) and rig.status("disk/on disk.wav") == "done", "for a watcher too")
        os.remove(rig.at(names[0]))
        check(rig.wait(lambda: rig.status(names[0]) == "missing"), "what is really gone beside it is missing")
    finally:
        if mounted:
            subprocess.run(["umount", tree], check=False)


def stale(rig):
    """A plugin that changes on disk: while an engine runs nothing of it is mixed in; then only what it changes runs again."""
    check = rig.check
    bundled = os.path.join(rig.work, "bundled")
    os.mkdir(bundled)
    plugins = os.path.join(os.path.dirname(rig.sonde), "..", "..", "plugins")
    for name in ("features", "content_timeline", "classifier", "tempo_meter", "key"):
        shutil.copy(os.path.join(plugins, name, name + ".so"), bundled)
        resources = os.path.join(plugins, name, name + ".resources")
        if os.path.isdir(resources):
            shutil.copytree(resources, os.path.join(bundled, name + ".resources"))
    with open(rig.sounds[0], "rb") as source, open(rig.at("0.wav"), "wb") as target:
        target.write(source.read())
    rig.start(settings=[f"plugins.bundled={bundled}"])
    check(rig.done("0.wav"), "one file")

    def change(name):
        """The same plugin in other bytes, written over the one in use."""
        with open(os.path.join(bundled, name + ".so"), "rb") as library:
            data = library.read() + name.encode()
        with open(os.path.join(bundled, name + ".so"), "wb") as library:  # empty for a moment, as a linker does it
            library.flush()
            os.fsync(library.fileno())
            library.write(data)

    def added(after):
        return sorted(row[0] for row in rig.rows("SELECT DISTINCT plugin FROM region_analysis WHERE analysis_id > ?", after))

    def last():
        return rig.rows("SELECT max(analysis_id) FROM region_analysis")[0][0]

    identities = rig.rows("SELECT plugin, identity FROM region_analysis WHERE current")
    change("classifier")
    copy(rig, 1, 2, 3)
    check(rig.done("1.wav", "2.wav", "3.wav") and not rig.rows("SELECT 1 FROM incidents"), "a plugin is written over: nothing crashes")
    check(not rig.rows("SELECT 1 FROM region_analysis WHERE outcome NOT IN ('ok', 'empty', 'unsupported')"), "nothing fails")
    before = last()
    code, text = rig.command("analyze", "--stale")
    check(code == 0 and last() == before and rig.rows("SELECT plugin, identity FROM region_analysis WHERE analysis_id <= ?",
                                                      len(identities)) == identities, "for this engine it is the one it began with", text)
    code, text = rig.command("reload")
    check(code == 0 and rig.wait(lambda: added(before) == ["classifier"]), "after a reload the new one runs over what is there", added(before))
    check(rig.wait(lambda: queued(rig) == 0) and added(before) == ["classifier"], "and nothing else does", added(before))
    check(rig.stop() == 0, "end")
    readers = {"content_timeline"}
    needs = [(plugin, json.loads(inputs or "{}")) for plugin, inputs in
             rig.rows("SELECT DISTINCT plugin, inputs FROM region_analysis WHERE current")]
    for _ in needs:
        readers |= {plugin for plugin, inputs in needs if any(given["plugin"] in readers for given in inputs.values())}
    before = last()
    change("content_timeline")
    code, text = rig.command("--set", f"plugins.bundled={bundled}", "analyze", "--stale", rig.folder)
    check(code == 0 and added(before) == sorted(readers) and 1 < len(readers) < 6,
          "--stale: what has changed, and whatever reads it", (added(before), readers, text))
    check(rig.rows("SELECT count(*) FROM region_analysis WHERE NOT current AND plugin = 'content_timeline'") == [(4,)],
          "the old results are history")
    before = last()
    code, text = rig.command("--set", f"plugins.bundled={bundled}", "analyze", "--stale")
    check(code == 0 and last() == before and "0 of 0 files" in text, "and a second time there is nothing to do", text)


def progress(rig):
    """Counts, pace and the time that is left."""
    check = rig.check
    rig.start()
    rig.command("pause")
    for k in range(60):  # a minute of noise each: long enough that somebody can ask before all are done
        with wave.open(rig.at(f"p{k}.wav"), "wb") as target:
            target.setparams((1, 2, 8000, 0, "NONE", None))
            target.writeframes(random.Random(k).randbytes(2 * 8000 * 60))
    check(rig.wait(lambda: queued(rig) == 60), "sixty wait")
    os.unlink(rig.at("p58.wav"))
    os.unlink(rig.at("p59.wav"))
    check(rig.wait(lambda: queued(rig) == 58), "two of them are gone before their turn")
    rig.command("resume")
    seen = {}

    def has_eta():
        code, text = rig.command("status", "--json")
        status = json.loads(text)
        if "eta_seconds" in status:
            seen.update(status)
        return "eta_seconds" in status or queued(rig) == 0

    check(rig.wait(has_eta) and seen and 0 < seen["eta_seconds"] < 3600 and seen["engine"]["files_per_second"] > 0,
          "status tells how long it will take", seen)
    check(rig.wait(lambda: queued(rig) == 0, 900), "it is done")
    check(rig.wait(lambda: (now := rig.engine())["files_done"] == now["files_total"] == 58), "and counted: what went away comes no more",
          rig.engine())
    engine = rig.engine()
    check(engine["files_failed"] == 0, "none failed", engine)
    before = engine["looks"]
    shutil.copy(rig.sounds[0], rig.at("one more.wav"))
    rig.done("one more.wav")
    after = rig.engine()["looks"]
    check(after["opened"] - before["opened"] == 1 and after["files"] - before["files"] <= 2,
          "one new file costs one file's work", (before, after))


if __name__ == "__main__":
    TESTS = (commands, unrun, hostile, stale_socket, holding, pausing, low_disk, ending, reloading, reloading_in_vain, rescan, stale, progress)
    main(__doc__, {test.__name__: test for test in TESTS})
