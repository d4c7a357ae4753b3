#!/usr/bin/python3
"""What becomes of a plugin that dies: strikes, quarantine, the circuit breaker, the catalogue's incidents and the commands that
show them; and what `sonde doctor` proves. Speaks TAP.

    accidents.py --build DIR [NAME...]      NAME: only these tests
"""
import argparse
import ctypes
import errno
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from analysis import Run, Suite, tone, wait_for  # noqa: E402

BAD = "hostile.dies_of_22050"


class House(Run):
    """A run with third-party plugins."""

    def __init__(self, build, *plugins):
        super().__init__(build)
        self.plugins_folder = os.path.join(self.work, "plugins")
        os.mkdir(self.plugins_folder)
        for name in plugins:
            shutil.copy(os.path.join(build, "tests", "hostile", name + ".so"), self.plugins_folder)
        self.environment["SONDE_PLUGIN_PATH"] = self.plugins_folder
        self.prefix = []

    def command(self, *arguments):
        return self.prefix + super().command(*arguments)

    def sonde_command(self, *arguments, settings=()):
        """(exit code, standard output, standard error) of any command."""
        options = [word for setting in settings for word in ("--set", setting)]
        run = subprocess.run(self.command(*options, *arguments), check=False, env=self.environment, capture_output=True, timeout=240)
        return run.returncode, run.stdout.decode("utf-8", "replace"), run.stderr.decode("utf-8", "replace")

    def analyse_weak(self, *options, settings=()):
        """Also on a system whose sandbox is weak."""
        return self.analyse("--allow-weak-sandbox", *options, self.sounds, settings=settings)

    def outcomes(self, plugin):
        return dict(self.rows("""SELECT outcome, count(*) FROM region_analysis WHERE plugin = ? AND current GROUP BY outcome""", plugin))


def bad(path, seed):
    tone(path, seed, rate=22050)


def good(path, seed):
    tone(path, seed, rate=16000)


# ------------------------------------------------------------------------------------------------------------- the tests


def test_strikes(suite):
    """Once is no proof: the next run tries a second time; then the result is in quarantine until somebody wants otherwise."""
    with House(suite.build, "dies_of_22050") as house:
        bad(f"{house.sounds}/bad.wav", 1)
        good(f"{house.sounds}/good.wav", 2)
        strikes = []
        for _ in range(3):
            code, printed = house.analyse_weak()
            strikes.append(house.value("SELECT count(*) FROM strikes"))
        suite.check(strikes == [1, 2, 2], "strikes: a second run tries once more, a third one doesn't", f"{strikes}\n{printed}")
        suite.check("2 already known" in printed, "strikes: then there is nothing left to do", printed)
        suite.check(house.outcomes(BAD) == {"crashed": 1, "ok": 1}, "strikes: the other file has its result", house.outcomes(BAD))
        code, printed = house.analyse_weak("--force")
        suite.check(house.outcomes(BAD) == {"quarantined": 1, "ok": 1}, "strikes: also --force leaves it in quarantine", printed)
        listed = house.value("SELECT count(*) FROM quarantine")
        suite.check(listed == 1, "strikes: the quarantine lists it", listed)
        code, out, err = house.sonde_command("retry", "--allow-weak-sandbox", "--progress", "lines", f"{house.sounds}/bad.wav")
        suite.check(house.value("SELECT count(*) FROM incidents WHERE plugin = ?", BAD) == 3, "strikes: sonde retry tries it", out + err)
        suite.check(house.outcomes(BAD) == {"crashed": 1, "ok": 1}, "strikes: and keeps what came of it", house.outcomes(BAD))
        code, out, err = house.sonde_command("plugin", "reset", BAD)
        suite.check(code == 0 and house.value("SELECT count(*) FROM strikes") == 0, "strikes: sonde plugin reset forgets them", out + err)


def test_circuit(suite):
    """Five contents of which it dies open the circuit; what is skipped then is taken up in the same run when it works again."""
    with House(suite.build, "dies_of_22050") as house:
        for k in range(12):
            bad(f"{house.sounds}/a bad {k:02d}.wav", k)
        for k in range(12):
            good(f"{house.sounds}/b good {k:02d}.wav", 100 + k)
        code, printed = house.analyse_weak("--jobs", "1", settings=["engine.circuit_rest=3600"])
        found = house.outcomes(BAD)
        suite.check("its circuit is open" in printed and found.get("skipped", 0) > 0, "circuit: it opens, and the rest is skipped", f"{found}\n{printed}")
        suite.check(5 <= found.get("crashed", 0) <= 7, "circuit: five contents are enough, not one more job is given out", found)
        state = house.value("SELECT state FROM plugins WHERE plugin = ?", BAD)
        code, out, err = house.sonde_command("status")
        suite.check(state == "open" and re.search(rf"{BAD} .*open", out), "circuit: sonde status shows it", f"{state}\n{out}{err}")
        others = house.value("""SELECT count(*) FROM region_analysis WHERE current AND plugin NOT LIKE 'hostile.%'
                                AND outcome NOT IN ('ok', 'empty', 'unsupported')""")
        suite.check(others == 0, "circuit: no other plugin is touched by it", others)
        watcher = subprocess.Popen(house.command("--set", "engine.circuit_rest=0.5", "watch", "--allow-weak-sandbox", house.sounds),
                                   env=house.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

        def is_settled():
            now = house.outcomes(BAD)
            return now.get("ok", 0) == 12 and "skipped" not in now and house.value("SELECT count(*) FROM queue") == 0

        settled = wait_for(is_settled, 120)
        found = house.outcomes(BAD)
        state = house.value("SELECT state FROM plugins WHERE plugin = ?", BAD)
        watcher.send_signal(signal.SIGTERM)
        printed = watcher.communicate(timeout=60)[0].decode("utf-8", "replace")
        suite.check(settled, "circuit: within one run it tries again after its rest, and what was skipped is taken up", f"{found}\n{printed[-3000:]}")
        suite.check("works again" in printed and state == "ready", "circuit: and it says so", f"{state}\n{printed[-3000:]}")
        code, out, err = house.sonde_command("catalogue", "check")
        suite.check(code == 0, "circuit: the catalogue is as it should be", out + err)


def test_incidents(suite):
    """Everything that is needed to see the same again."""
    with House(suite.build, "dies_of_22050", "open_file", "loop_in_process") as house:
        bad(f"{house.sounds}/bad.wav", 1)
        code, out, err = house.sonde_command("incidents")
        suite.check(code == 3, "incidents: without a catalogue the command says so", out + err)
        house.analyse_weak(settings=["engine.analyse_deadline=1"])
        number = house.value("SELECT incident_id FROM incidents WHERE plugin = ?", BAD)
        code, out, err = house.sonde_command("incidents")
        suite.check(code == 0 and BAD in out and "SIGSEGV" in out and "bad.wav" in out, "incidents: listed", out + err)
        code, out, err = house.sonde_command("incidents", "--json", "--limit", "1", "--plugin", BAD)
        suite.check(code == 0 and json.loads(out)["incident"] == number, "incidents: as JSON, of one plugin", out + err)
        code, out, err = house.sonde_command("incidents", "--plugin", "nobody")
        suite.check(code == 1 and "nothing" in err, "incidents: of a plugin that did nothing", out + err)
        code, out, err = house.sonde_command("incidents", "show", str(number))
        shown = json.loads(out)
        detail = shown["detail"]
        suite.check(shown["path"].endswith("bad.wav") and shown["region"] == 0 and shown["strike"], "incidents show: file and region", out)
        wanted = {"phase": "process", "version": "1.0", "start_frame": 0, "signal": "SIGSEGV"}
        suite.check(all(detail.get(key) == value for key, value in wanted.items()), "incidents show: phase, signal, version, frames", out)
        suite.check(re.fullmatch("[0-9a-f]{32}", detail["library_hash"]) and detail["library"].endswith("dies_of_22050.so")
                    and re.fullmatch("[0-9a-f]{32}", detail["bytes_hash"]) and "parameters" in detail,
                    "incidents show: the library and its hash, the content, the parameters", out)
        suite.check(any("dies_of_22050.so+0x" in frame for frame in detail["backtrace"]), "incidents show: a backtrace", out)
        call = house.rows("SELECT kind, detail FROM incidents WHERE plugin = 'hostile.open_file'")
        suite.check(not call or "openat" in call[0][1], "incidents: a forbidden call has its name", call)
        slow = house.rows("SELECT kind, reason FROM incidents WHERE plugin = 'hostile.loop_in_process'")
        suite.check(slow and slow[0][0] == "timeout" and "process" in slow[0][1], "incidents: a hang has its phase", slow)
        seconds = house.value("SELECT end - start FROM regions")
        allowed = slow and float(re.search(r"within ([0-9.]+) s", slow[0][1]).group(1))
        suite.check(slow and abs(allowed - (1 + 2 * seconds)) < 0.02 * allowed, "incidents: its deadline grew with the region", (slow, seconds))
        before = house.value("SELECT count(*) FROM incidents")
        code, out, err = house.sonde_command("incidents", "replay", str(number))
        suite.check(code == 1 and "crashed" in out and "SIGSEGV" in out, "incidents replay: the same happens again", out + err)
        suite.check(house.value("SELECT count(*) FROM incidents") == before, "incidents replay: beside the catalogue")
        for words in (["show"], ["show", "x"], ["replay"], ["--limit", "0"], ["nonsense"], ["--nonsense"]):
            code, out, err = house.sonde_command("incidents", *words)
            suite.check(code == 2 and "usage" in err.lower() + out.lower() or code == 2, f"incidents {' '.join(words)}: wrong usage", err)
        for verb in ("show", "replay"):
            code, out, err = house.sonde_command("incidents", verb, "999")
            suite.check(code in (1, 3) and "no incident 999" in err, f"incidents {verb}: of a number that isn't there", err)


def test_debugger(suite):
    """replay --debugger: the worker waits before its sandbox closes, until somebody lets it go on."""
    with House(suite.build, "dies_of_22050") as house:
        bad(f"{house.sounds}/bad.wav", 1)
        house.analyse_weak()
        number = house.value("SELECT incident_id FROM incidents WHERE plugin = ?", BAD)
        replay = subprocess.Popen(house.command("incidents", "replay", str(number), "--debugger"), env=house.environment,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        told = b""
        while b"kill -CONT" not in told:
            line = replay.stdout.readline()
            if not line:
                break
            told += line
        worker = re.search(rb"worker (\d+)", told)
        suite.check(worker, "debugger: it says which process waits, and how to attach", told)
        if worker:
            pid = int(worker.group(1))
            suite.check(wait_for(lambda: state_of(pid) == "T", 60), "debugger: that process has stopped", state_of(pid))
            os.kill(pid, signal.SIGCONT)
        # It dies in a fresh worker; whoever replaces it stops as well.
        rest = b""
        while replay.poll() is None:
            line = replay.stdout.readline()
            rest += line
            again = re.search(rb"worker (\d+)", line)
            if again and wait_for(lambda: state_of(int(again.group(1))) == "T", 60):
                os.kill(int(again.group(1)), signal.SIGCONT)
        rest += replay.stdout.read()
        suite.check(replay.returncode == 1 and b"SIGSEGV" in rest, "debugger: then all goes its way", rest)
        for number_of_end in (signal.SIGTERM, signal.SIGKILL):
            leave_stopped(suite, house.command("incidents", "replay", str(number), "--debugger"), house.environment, number_of_end)


def leave_stopped(suite, command, environment, number):
    """The replay ends while its worker has stopped."""
    name = signal.Signals(number).name
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as replay:
        told = b""
        while b"kill -CONT" not in told and (line := replay.stdout.readline()):
            told += line
        worker = int(re.search(rb"worker (\d+)", told).group(1))
        stopped = wait_for(lambda: state_of(worker) == "T", 60)
        open_files = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{replay.pid}/fd")]
        folder = os.path.dirname(next(path for path in open_files if "/sonde-replay-" in path))
        os.kill(replay.pid, number)
        replay.wait(60)
        suite.check(stopped and wait_for(lambda: state_of(worker) in (None, "Z"), 10), f"debugger: {name} ends the stopped worker, too", told)
        if state_of(worker) == "T":
            os.kill(worker, signal.SIGKILL)
        if number == signal.SIGTERM:
            suite.check(replay.returncode == 1 and not os.path.exists(folder), f"debugger: {name} leaves no catalogue", replay.returncode)
        shutil.rmtree(folder, ignore_errors=True)


def state_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return None


def test_no_sandbox(suite):
    """The developer's switch takes no plugins of others."""
    with House(suite.build, "ranked_2_steps_in") as house:
        good(f"{house.sounds}/one.wav", 1)
        other = "SELECT count(*) FROM region_analysis WHERE plugin LIKE 'hostile.%'"
        code, printed = house.analyse("--no-sandbox", house.sounds)
        suite.check(code == 0 and house.value(other) == 0 and "refused" in printed, "no sandbox: plugins of others are refused", printed)
        code, printed = house.analyse("--no-sandbox", "--allow-weak-sandbox", "--force", house.sounds)
        suite.check(house.value(other) == 0, "no sandbox: also when a weak one is allowed", printed)
        record = json.loads(house.value("SELECT sandbox FROM runs ORDER BY run_id DESC LIMIT 1"))
        suite.check(record["profile"] == "none" and record["missing"], "no sandbox: the run's record says so", record)


def test_weak_sandbox(suite):
    """A kernel that lacks a layer."""
    with House(suite.build, "ranked_2_steps_in") as house:
        good(f"{house.sounds}/one.wav", 1)
        other = "SELECT count(*) FROM region_analysis WHERE plugin LIKE 'hostile.%'"
        house.prefix = [sys.executable, os.path.abspath(__file__), "--without-landlock"]
        code, printed = house.analyse("--force", house.sounds)
        suite.check(code == 0 and house.value(other) == 0 and "weak" in printed, "weak sandbox: plugins of others are refused", printed)
        code, printed = house.analyse_weak("--force")
        record = json.loads(house.value("SELECT sandbox FROM runs ORDER BY run_id DESC LIMIT 1"))
        suite.check(house.value(other) == 1 and "Landlock" in record["missing"][0], "weak sandbox: allowed when asked for, and recorded", record)
        code, out, err = house.sonde_command("doctor", "--json")
        told = json.loads(out)
        suite.check(code == 1 and "Landlock" in told["sandbox"]["missing"][0], "weak sandbox: doctor says what is missing", out)


def run_without_landlock(command):
    """Becomes `command` under a filter (man 2 seccomp) in which landlock_create_ruleset answers as kernels do that don't have it."""
    load, equal, give = 0x20, 0x15, 0x06  # BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ, BPF_RET
    errno_enosys, allow = 0x00050000 | errno.ENOSYS, 0x7FFF0000
    lines = [(load, 0, 0, 0), (equal, 0, 1, 444), (give, 0, 0, errno_enosys), (give, 0, 0, allow)]
    text = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in lines))
    program = struct.pack("@HP", len(lines), ctypes.addressof(text))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privs, set_seccomp, mode_filter = 38, 22, 2
    if libc.prctl(no_new_privs, 1, 0, 0, 0) != 0 or libc.prctl(set_seccomp, mode_filter, program) != 0:
        raise OSError(ctypes.get_errno(), "no filter of system calls")
    os.execv(command[0], command)


def test_do_not_respawn(suite):
    """A worker that says "do not respawn" is started once."""
    with House(suite.build) as house:
        good(f"{house.sounds}/one.wav", 1)
        worker = os.path.join(house.work, "worker")
        with open(worker, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\necho x >>{house.work}/starts\necho this machine lacks something >&2\nexit 64\n")
        os.chmod(worker, 0o700)
        code, printed = house.analyse(house.sounds, settings=[f"worker.path={worker}"])
        with open(f"{house.work}/starts", encoding="ascii") as file:
            starts = len(file.readlines())
        suite.check(code == 3 and starts == 1 and "this machine lacks something" in printed,
                    "do not respawn: one start, and its last line is the reason", f"{code}, {starts} starts\n{printed}")


def test_greedy_decoder(suite):
    """Whoever has taken over a decoder can't keep it going by asking and asking."""
    with House(suite.build) as house:
        good(f"{house.sounds}/good.wav", 1)
        worker = f"{house.work}/worker"
        with open(worker, "w", encoding="utf-8") as script:
            script.write(f'#!/bin/sh\n[ "$1" = decode ] && exec "{suite.build}/tests/hostile/greedy_decoder" "$@"\n'
                         f'exec "{suite.build}/workers/sonde-worker" "$@"\n')
        os.chmod(worker, 0o700)
        try:
            code, printed = house.analyse(house.sounds, settings=[f"worker.path={worker}"])
        except subprocess.TimeoutExpired as error:
            code, printed = None, str(error)
        suite.check(code == 1 and "it asks for memory that it cannot have, twice" in " ".join(printed.split()),
                    "a greedy decoder: is ended, and the file fails", f"{code}\n{printed}")


def test_printing(suite):
    """What plugins print is kept, up to a cap, and is found with the incident."""
    with House(suite.build, "log_flood", "dies_of_22050") as house:
        bad(f"{house.sounds}/bad.wav", 1)
        house.analyse_weak()
        longest = house.value("SELECT max(length(detail)) FROM incidents")
        suite.check(longest < 40000, "printing: what is kept of it has a cap", longest)


def test_doctor(suite):
    with House(suite.build) as house:
        code, out, err = house.sonde_command("doctor", "--json")
        told = json.loads(out)
        whole = not told["sandbox"]["missing"]
        trials = {trial["name"]: trial for trial in told["trials"]}
        suite.check(code == (0 if whole else 1), "doctor: its exit code", out + err)
        wanted = {"open", "connect", "exec", "fork", "kill", "write"}
        suite.check(len(told.get("decoders", [])) == 2 and told["decoders"][0].startswith("libsndfile"),
                    "doctor: names the decoding libraries", told.get("decoders"))
        suite.check(wanted <= set(trials) and any("exec" in name for name in trials), "doctor: tries what it promises", sorted(trials))
        loose = [name for name, trial in trials.items() if not trial["stopped"]]
        suite.check(not whole or not loose, "doctor: all of it is stopped", loose)
        suite.check(all(trial["by"] for trial in trials.values()), "doctor: and by what", out)
        code, out, err = house.sonde_command("doctor")
        suite.check("Landlock" in out and all(trial["title"] in out for trial in trials.values()), "doctor: in words", out)
        code, out, err = house.sonde_command("doctor", settings=["worker.path=/nowhere/sonde-worker"])
        suite.check(code == 3 and "could not be tried" in err, "doctor: without a worker it says why", out + err)
        code, out, err = house.sonde_command("doctor", "--nonsense")
        suite.check(code == 2, "doctor: wrong usage", err)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    suite = Suite(os.path.abspath(args.build))
    tests = {name[5:]: value for name, value in globals().items() if name.startswith("test_")}
    for name in args.names or tests:
        tests[name](suite)
    print(f"1..{suite.points}")
    return 1 if suite.failed else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--without-landlock"]:
        run_without_landlock(sys.argv[2:])
    sys.exit(main())
