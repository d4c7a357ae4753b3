#!/usr/bin/python3
"""Plugins of others, from the outside: where they are found, what is said of broken ones, what is remembered, what the user
chooses, which processes they share, and how results and arrays come from one to another. Speaks TAP.

    plugins.py --build DIR [NAME...]
"""
import argparse
import array
import glob
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "hostile"))
from run import make_sounds  # noqa: E402
from analysis import traceable  # noqa: E402


class Suite:
    def __init__(self, build):
        self.build = build
        self.points = self.failed = 0

    def check(self, good, name, why=""):
        self.points += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.points} - {name}", flush=True)
        if not good:
            print("# " + str(why).replace("\n", "\n# "), flush=True)

    def skip(self, name, why):
        self.points += 1
        print(f"ok {self.points} - {name} # SKIP {why}", flush=True)


class House:
    """A home of its own, with folders for plugins and sounds."""

    def __init__(self, suite, sounds=3):
        self.build = suite.build
        self.sonde = os.path.join(suite.build, "engine", "cli", "sonde")
        self.work = tempfile.mkdtemp(prefix="sonde-plugins-")
        self.folder = os.path.join(self.work, "plugins")
        self.own = os.path.join(self.work, ".local", "lib", "sonde")
        self.sounds = os.path.join(self.work, "sounds")
        self.catalogue = os.path.join(self.work, "run.db")
        os.makedirs(self.folder)
        os.makedirs(self.own)
        if sounds:
            make_sounds(self.sounds, sounds)
        self.environment = dict(os.environ, HOME=self.work, SONDE_PLUGIN_PATH=self.folder)
        for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
            self.environment.pop(name, None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.work, ignore_errors=True)

    def add(self, name, folder=None, target=None):
        """Copies a built plugin in: one of these tests' own, or a hostile one."""
        for place in ("integration/plugins", "hostile"):
            source = os.path.join(self.build, "tests", place, name + ".so")
            if os.path.exists(source):
                path = os.path.join(folder or self.folder, (target or name) + ".so")
                shutil.copy(source, path + ".new")
                os.replace(path + ".new", path)
                return path
        raise FileNotFoundError(name)

    def run(self, *words, settings=(), timeout=120):
        sets = [part for setting in settings for part in ("--set", setting)]
        run = subprocess.run([self.sonde, "--catalogue", self.catalogue, *sets, *words], env=self.environment, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False)
        return run.returncode, run.stdout

    def analyse(self, *words, settings=()):
        return self.run("analyze", "--allow-weak-sandbox", "--progress", "lines", *words, self.sounds, settings=settings)

    def listed(self, *words):
        code, printed = self.run("plugin", "list", "--json", *words)
        return code, [json.loads(line) for line in printed.splitlines() if line.startswith("{")]

    def rows(self, query, *values):
        db = sqlite3.connect(f"file:{self.catalogue}?mode=ro", uri=True, timeout=10)
        try:
            return db.execute(query, values).fetchall()
        finally:
            db.close()


RESULTS = "SELECT path, region, plugin, outcome, result FROM region_results WHERE plugin LIKE 'test.%' ORDER BY path, region, plugin"


def test_found(suite):
    with House(suite, sounds=1) as house:
        first = house.add("reader_1")
        hidden = house.add("reader_2", folder=house.own, target="reader_1")
        house.add("second", folder=house.own)
        refused = {"no_entry": "no sonde_entry", "segv_in_init": "SIGSEGV", "wrong_abi": "ABI"}
        for name in refused:
            house.add(name)
        with open(os.path.join(house.folder, "empty.so"), "w", encoding="ascii"):
            pass
        with open(os.path.join(house.folder, "text.so"), "w", encoding="ascii") as file:
            file.write("this is no library\n")
        os.symlink("nowhere", os.path.join(house.folder, "dangling.so"))
        os.mkfifo(os.path.join(house.folder, "pipe.so"))
        house.environment["SONDE_PLUGIN_PATH"] += ":" + house.work + "/no such folder"
        code, rows = house.listed()
        plugins = {row["plugin"]: row for row in rows if "plugin" in row}
        suite.check(code == 0 and plugins["test.reader"]["version"] == "1.0" and plugins["test.reader"]["library"] == first,
                    "the first folder comes first", rows)
        suite.check(plugins["test.second"]["library"].startswith(house.own), "~/.local/lib/sonde is searched", rows)
        suite.check(plugins["key"]["origin"] == "bundled" and plugins["key_fallback"]["state"] == "standby", "so is what is bundled")
        broken_code, broken = house.listed("--broken")
        reasons = {os.path.basename(row["library"]): row["reason"] for row in broken if "library" in row}
        weak = any("sandbox is weak" in reason for reason in reasons.values())
        wanted = {"empty.so": "plain file", "dangling.so": "cannot be opened", "pipe.so": "plain file", "no such folder": "cannot be read",
                  "reader_1.so": "is hidden by " + first}
        if not weak:
            wanted.update({name + ".so": reason for name, reason in refused.items()}, **{"text.so": "can't be loaded"})
        wrong = [(name, reasons.get(name)) for name, reason in wanted.items() if reason not in reasons.get(name, "")]
        suite.check(broken_code == 1 and not wrong, "what is broken is listed, each with its reason", wrong)
        twice = [row for row in broken if row.get("library", "-") in row["reason"]]
        suite.check(not twice, "a library is named once", twice)
        _, printed = house.run("plugin", "list", "--broken")
        suite.check(weak or re.search(r"^- +- +broken +/.*/wrong_abi\.so: it is built for plugin ABI", printed, re.M),
                    "and stands in the column where libraries stand", printed)
        suite.check(all("sonde-run-" not in reason for reason in reasons.values()), "and under its own name", reasons)
        suite.check([row["library"] for row in broken if row.get("library") == hidden], "a second file of one name too", broken)
        code, printed = house.analyse()
        told = [name for name in wanted if name not in printed]
        suite.check(code == 0 and not told, "a run says so as well, and goes on", f"{told}\n{printed}")
        code, printed = house.run("plugin", "show", "test.reader")
        suite.check(code == 0 and re.search(r"provides +test.halves/1", printed) and re.search(r"needs +key/1", printed), "plugin show", printed)
        shown = json.loads(house.run("plugin", "show", "--json", "test.reader")[1])
        suite.check(shown["state"] == "ready" and shown["schema"]["properties"]["version"]["x-unit"] == "1", "plugin show --json", shown)
        suite.check(house.run("plugin", "show", "no.such")[0] == 1, "a plugin that isn't there")
        os.remove(first)
        os.remove(hidden)
        absent = [row for row in house.listed()[1] if row.get("plugin") == "test.reader"]
        suite.check(absent and absent[0]["state"] == "absent", "one that is gone is absent, not forgotten", absent)


def test_odd_names(suite):
    """A library may have a name that is no text. One that can't be told to workers keeps none of the others from running."""
    with House(suite, sounds=1) as house:
        odd = os.fsdecode(b"caf\xe9\x1b")
        path = house.add("reader_1", target=odd)
        code, printed = house.analyse()
        found = house.rows("SELECT outcome FROM region_results WHERE plugin = 'test.reader'")
        suite.check(code == 0 and found == [("ok",)], "a library whose name is no text runs", f"{found}\n{printed}")
        library = house.rows("SELECT library FROM plugins WHERE plugin = 'test.reader'")
        suite.check(library == [(os.path.join(house.folder, "caf\ufffd\ufffd.so"),)], "and is text in the catalogue", library)
        os.mkdir(path[:-3] + ".resources")
        with open(os.path.join(path[:-3] + ".resources", "huge"), "wb") as huge:
            huge.truncate(65 << 20)  # is used where it is
        house.add("other_key")
        code, printed = house.analyse("--force")
        suite.check("plugin: " + os.path.join(house.folder, "caf\ufffd\ufffd.so") + ": its path" in printed and "rename it" in printed,
                    "where it can't be copied it is refused, and told of as text", printed)
        outcomes = dict(house.rows("SELECT DISTINCT plugin, outcome FROM region_results"))
        suite.check(code == 0 and outcomes.get("test.other_key") == outcomes.get("key") == "ok", "others run", f"{outcomes}\n{printed}")


def count_workers(house, *words):
    log = os.path.join(house.work, "trace")
    traced = subprocess.run(["strace", "-f", "-qq", "-o", log, "-e", "trace=execve", house.sonde, "--catalogue", house.catalogue, *words],
                            env=traceable(house.environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    with open(log, encoding="utf-8", errors="replace") as file:
        return traced.stdout, len(re.findall(r'execve\("[^"]*sonde-worker', file.read()))


def test_cache(suite):
    if not shutil.which("strace"):
        suite.skip("cache", "strace is not installed")
        return
    with House(suite, sounds=0) as house:
        house.add("reader_1")
        house.add("second")
        first, workers = count_workers(house, "plugin", "list", "--json")
        if workers == 0:
            suite.skip("cache", "strace is not allowed here")
            return
        entries = glob.glob(house.work + "/.cache/sonde/probes/*")
        suite.check(workers == 3 and len(entries) >= 8, "the first look loads every library", f"{workers} workers, {len(entries)} entries")
        second, workers = count_workers(house, "plugin", "list", "--json")
        suite.check(workers == 1 and second == first, "the next one none, and says the same", f"{workers}\n{second}")
        for k, path in enumerate(sorted(entries)):
            with open(path, "r+b") as file:
                data = file.read()
                file.seek(0)
                file.truncate()
                file.write([b"", b"{}", data[: len(data) // 2], os.urandom(5000), data.replace(b"1.0", b"9.9")][k % 5])
        damaged, workers = count_workers(house, "plugin", "list", "--json")
        suite.check(workers == 3 and damaged == first, "a damaged cache is as good as none", f"{workers}\n{damaged}")
        house.add("reader_2", target="reader_1")
        changed, workers = count_workers(house, "plugin", "list", "--json")
        suite.check(workers == 2 and '"2.0"' in changed, "a changed library is looked at, and no other", f"{workers}\n{changed}")
        for name in ("ranked_2_steps_in", "ranked_3_idle"):
            house.add(name)
        ranked = house.run("plugin", "rank", "ranked/1")[1]
        house.add("ranked_2_steps_in")  # the same, written anew: only this one is looked at
        suite.check(ranked.startswith("1  hostile.ranked_2_steps_in") and house.run("plugin", "rank", "ranked/1")[1] == ranked,
                    "what is remembered doesn't come before what is looked at", ranked)
        os.remove(house.folder + "/ranked_2_steps_in.so")
        os.remove(house.folder + "/ranked_3_idle.so")
        shutil.rmtree(house.work + "/.cache")
        with open(house.work + "/.cache", "w", encoding="ascii") as file:
            file.write("in the way\n")
        suite.check(count_workers(house, "plugin", "list", "--json")[0] == changed, "without a cache it goes, too")


def test_remembered(suite):
    """A library that was well when it was looked at, and can't be loaded any more although its file is the same: what it needs
    of the system has changed. Here that is memory, which is no part of what is remembered."""
    little = ["worker.memory_limit=256"]
    with House(suite, sounds=2) as house:
        house.add("reader_1")
        path = house.add("large", target="second")
        code, printed = house.run("plugin", "list", "--broken", settings=little)
        if "second.so" not in printed:
            suite.skip("remembered", "the sandbox of this build doesn't limit memory")
            return
        code, rows = house.listed()
        second = [row for row in rows if row.get("plugin") == "test.second"]
        suite.check(code == 0 and second and second[0]["state"] == "ready", "with room enough it is looked at, and remembered", rows)
        code, printed = house.analyse(settings=little)
        suite.check("can't be loaded any more" in printed and path in printed, "remembered, it can't be loaded: that is said", printed)
        outcomes = dict(house.rows("SELECT plugin, outcome FROM region_results"))
        suite.check(outcomes.get("key") == outcomes.get("test.reader") == "ok" and outcomes.get("test.second", "") != "ok",
                    "everybody else's results are there", f"{code} {outcomes}\n{printed}")
        strikes = house.rows("SELECT count(*) FROM strikes")
        suite.check(strikes == [(0,)], "it is nobody's fault", house.rows("SELECT * FROM incidents"))
        code, broken = house.run("plugin", "list", "--broken", settings=little)
        suite.check(code == 1 and path in broken, "and it is remembered no longer", broken)
        code, printed = house.analyse()
        outcomes = house.rows("SELECT DISTINCT outcome FROM region_results WHERE plugin = 'test.second'")
        suite.check(code == 0 and outcomes == [("ok",)], "with room again, what is missing is done", f"{code} {outcomes}\n{printed}")


def test_choices(suite):
    with House(suite, sounds=1) as house:
        for name in ("reader_1", "second", "ranked_2_steps_in", "ranked_3_idle"):
            house.add(name)
        code, printed = house.run("plugin", "disable", "test.reader")
        suite.check(code == 0, "plugin disable", printed)
        house.analyse()
        outcomes = dict(house.rows("SELECT plugin, outcome FROM region_results"))
        suite.check("test.reader" not in outcomes and outcomes.get("test.second") == "skipped" and outcomes.get("key") == "ok",
                    "a disabled plugin doesn't run, and who needs it says so", outcomes)
        os.remove(house.catalogue)
        house.run("plugin", "enable", "test.reader")
        house.analyse()
        outcomes = dict(house.rows("SELECT plugin, outcome FROM region_results"))
        suite.check(outcomes.get("test.reader") == outcomes.get("test.second") == "ok", "enabled, it does; the choice isn't the catalogue's", outcomes)
        suite.check(outcomes.get("hostile.ranked_2_steps_in") == "ok" and "hostile.ranked_3_idle" not in outcomes, "the first of two providers runs", outcomes)
        code, printed = house.run("plugin", "rank", "ranked/1", "hostile.ranked_3_idle")
        suite.check(code == 0 and printed.startswith("1  hostile.ranked_3_idle"), "plugin rank", printed)
        os.remove(house.catalogue)
        house.analyse()
        outcomes = dict(house.rows("SELECT plugin, outcome FROM region_results"))
        suite.check(outcomes.get("hostile.ranked_3_idle") == "ok" and "hostile.ranked_2_steps_in" not in outcomes, "ranked first, the other one does", outcomes)
        code, printed = house.run("plugin", "rank", "ranked/1", "--reset")
        suite.check(code == 0 and printed.startswith("1  hostile.ranked_2_steps_in"), "and back", printed)
        wrong = [house.run("plugin", *words)[0] for words in (("disable", "no.such"), ("rank", "ranked/1", "key"), ("rank", "ranked"), ("rank", "no.such/1"))]
        suite.check(wrong == [1, 1, 2, 1], "what makes no sense is refused", wrong)
        code, printed = house.run("plugin", "enable", "key", settings=["plugins.disabled=key"])
        suite.check(code == 1 and "plugins.disabled" in printed, "what the configuration disables is said to be so", printed)


def test_across_processes(suite):
    with House(suite) as house:
        house.add("reader_1")
        house.add("second")
        code, printed = house.analyse()
        plain = house.rows(RESULTS)
        regions = house.rows("SELECT count(*) FROM regions WHERE current")[0][0]
        suite.check(code == 0 and len(plain) == 2 * regions and all(row[3] == "ok" for row in plain),
                    "from a bundled plugin to one of others, to another of others", f"{printed}\n{plain}")
        pairs = {}
        for path, region, plugin, _, result in plain:
            pairs.setdefault((path, region), {})[plugin] = json.loads(result)
        suite.check(all(abs(pair["test.reader"]["sum"] - pair["test.second"]["doubled"]) < 1e-4 * (1 + abs(pair["test.reader"]["sum"]))
                        for pair in pairs.values()), "arrays arrive as they were written", pairs)
        suite.check(all(pair["test.second"]["aligned"] for pair in pairs.values()), "aligned as the header says", pairs)
        stored = house.rows("SELECT r.position, r.audio_id, a.data, json_extract(x.result, '$.sum') FROM arrays a JOIN region_analysis x USING (analysis_id)"
                            " JOIN regions r USING (region_id) WHERE x.plugin = 'test.reader' AND a.name = 'halves'")
        sums = [(2 * sum(array.array("f", data)), told) for _, _, data, told in stored]
        suite.check(len(stored) == regions and all(abs(a - b) < 1e-4 * (1 + abs(b)) for a, b in sums), "they are stored beside the JSON", sums)
        inputs = house.rows("SELECT DISTINCT plugin, json_extract(inputs, '$.key.plugin'), json_extract(inputs, '$.\"test.halves\".plugin')"
                            " FROM region_analysis WHERE plugin LIKE 'test.%' ORDER BY plugin")
        suite.check(inputs == [("test.reader", "key", None), ("test.second", None, "test.reader")], "with whose results were read", inputs)
        for isolation in ("library", "vendor", "shared"):
            os.remove(house.catalogue)
            code, printed = house.analyse(settings=["plugins.isolation=" + isolation])
            suite.check(code == 0 and house.rows(RESULTS) == plain, f"the same, to the last byte, with isolation = {isolation}", printed)
        os.remove(house.catalogue)
        suite.check(house.analyse(settings=["plugins.isolation=together"])[0] != 0, "another word is refused")


def test_unreadable_input(suite):
    """An input whose stored result can't be read back is made anew, and whoever reads it runs as if nothing had been."""
    with House(suite) as house:
        house.add("reader_1")
        house.add("second")
        house.analyse()
        plain = house.rows(RESULTS)
        with sqlite3.connect(house.catalogue) as db:
            db.execute("PRAGMA foreign_keys = ON")
            deep = '{"a":' + "[" * 1200 + "]" * 1200 + "}"  # JSON to SQLite, too deep for what reads it back
            db.execute("UPDATE region_analysis SET result = ? WHERE plugin = 'test.reader'", (deep,))
            db.execute("DELETE FROM region_analysis WHERE plugin = 'test.second'")
            db.execute("UPDATE files SET profile = ''")
        db.close()
        code, printed = house.analyse()
        suite.check(code == 0 and plain and house.rows(RESULTS) == plain, "an input that can't be read back is made anew",
                    f"{printed}\n{house.rows(RESULTS)}")


def processes_of(house, isolation):
    found = {}
    for plugin in ("test.reader", "test.second", "hostile.segv_in_process"):
        printed = house.run("plugin", "show", plugin, settings=["plugins.isolation=" + isolation])[1]
        found[plugin] = re.search(r"^process +(.*)$", printed, re.M).group(1)
    return found


def test_isolation(suite):
    """Whoever shares a process with a plugin that crashes still gets its result, run by itself."""
    with House(suite) as house:
        for name in ("reader_1", "second", "segv_in_process"):
            house.add(name)
        shares = {isolation: len(set(processes_of(house, isolation).values())) for isolation in ("plugin", "library", "vendor", "shared")}
        suite.check(shares == {"plugin": 3, "library": 3, "vendor": 1, "shared": 1}, "who shares a process is as configured", shares)
        for isolation in ("plugin", "vendor"):
            code, printed = house.analyse(settings=["plugins.isolation=" + isolation])
            outcomes = set(house.rows("SELECT plugin, outcome FROM region_results WHERE plugin LIKE 'test.%' OR plugin LIKE 'hostile.%'"))
            outcomes.discard(("hostile.segv_in_process", "quarantined"))
            suite.check(code in (0, 1) and outcomes == {("test.reader", "ok"), ("test.second", "ok"), ("hostile.segv_in_process", "crashed")},
                        f"a crash costs nobody else's result (isolation = {isolation})", f"{outcomes}\n{printed}")
            os.remove(house.catalogue)


def test_guests(suite):
    """A plugin of somebody else that hangs on every sound holds up no bundled result, of however many files behind."""
    files = 20
    with House(suite, files) as house:
        house.add("loop_in_process")
        command = [house.sonde, "--catalogue", house.catalogue, "--set", "engine.analyse_deadline=20", "analyze", "--jobs", "1",
                   "--allow-weak-sandbox", "--progress", "none", house.sounds]
        count = "SELECT count(DISTINCT path) FROM region_results WHERE plugin IN ('features', 'key', 'classifier') AND outcome = 'ok'"
        hung = "SELECT count(*) FROM region_results WHERE plugin = 'hostile.loop_in_process' AND outcome = 'timeout'"
        run, heard, end = subprocess.Popen(command, env=house.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), 0, time.monotonic() + 90
        while heard < files and time.monotonic() < end and run.poll() is None:
            time.sleep(.2)
            try:
                heard = house.rows(count)[0][0]
            except sqlite3.OperationalError:
                continue  # the catalogue is being made
        timeouts = house.rows(hung)[0][0]
        suite.check(heard == files and timeouts <= 2, "a plugin that hangs holds up no bundled result", f"{heard} of {files}, {timeouts} timeouts")
        run.terminate()
        run.wait(60)
        open_files = house.rows("SELECT count(*) FROM files WHERE status = 'done'")[0][0]
        code, printed = house.analyse("--only", "features")
        suite.check(code == 0 and open_files < files and house.rows("SELECT count(*) FROM files WHERE status = 'done'")[0][0] == files,
                    "what it left open is taken up by the next run", f"{open_files}\n{printed}")


def test_no_copy(suite):
    """What a plugin sees of another's array is the memory that the engine sealed, mapped for reading: not a copy of its own."""
    with House(suite) as house:
        house.add("writes")
        code, printed = house.analyse()
        outcomes = house.rows("SELECT DISTINCT plugin, outcome, reason FROM region_results WHERE plugin IN ('test.reader', 'key') ORDER BY plugin")
        crashed = [row for row in outcomes if row[0] == "test.reader" and row[1] in ("crashed", "quarantined")]
        suite.check(code in (0, 1) and ("key", "ok", None) in outcomes and crashed and "SIGSEGV" in str(crashed),
                    "arrays of others can't be written to, for they are the sealed memory itself", f"{outcomes}\n{printed}")


READ = "SELECT DISTINCT json_extract(inputs, '$.key.plugin') FROM region_analysis WHERE plugin = 'test.reader' AND current"
KEYS = "SELECT DISTINCT plugin, outcome FROM region_results WHERE plugin IN ('key', 'key_fallback', 'test.other_key') ORDER BY plugin"


def test_rank(suite):
    """Several providers of one interface: the first that succeeds is read; a bundled one only gives way when the user says so."""
    with House(suite) as house:
        house.add("reader_1")
        house.add("other_key")
        house.analyse()
        suite.check(house.rows(READ) == [("key",)] and house.rows(KEYS) == [("key", "ok"), ("test.other_key", "ok")],
                    "of two providers of key, who needs one reads the bundled one; the other runs besides", house.rows(KEYS))
        code, printed = house.run("plugin", "rank")
        suite.check(code == 0 and re.search(r"^key/1 +key, key_fallback, test\.other_key$", printed, re.M)
                    and printed.count("key/1") == 1 and re.search(r"^features/1 +features$", printed, re.M),
                    "plugin rank alone shows all interfaces", printed)
        code, printed = house.run("plugin", "rank", "key/1", "test.other_key")
        suite.check(code == 0 and re.search(r"2 +key +standby: stands by for test.other_key", printed), "ranked first", printed)
        house.analyse()
        said = house.rows("SELECT DISTINCT json_extract(result, '$.key') FROM region_results WHERE plugin = 'test.other_key'")
        suite.check(house.rows(READ) == [("test.other_key",)] and said == [("C major",)], "it is read instead, and what had read the other is done again",
                    f"{house.rows(READ)} {said}")
        problems = house.run("status", "--problems")[1]
        suite.check(house.rows(KEYS) == [("test.other_key", "ok")] and "key" not in problems
                    and house.rows("SELECT DISTINCT outcome FROM history WHERE plugin = 'key' AND result IS NOT NULL") == [("ok",)],
                    "what the other said is history, and no problem", f"{house.rows(KEYS)} {problems}")
        house.add("no_key", target="other_key")
        code, printed = house.analyse()
        suite.check(house.rows(READ) == [("key",)] and dict(house.rows(KEYS)) == {"key": "ok", "test.other_key": "failed"},
                    "where it fails the bundled one steps in, and the provenance says so", f"{house.rows(READ)} {house.rows(KEYS)}\n{printed}")


class Watching:
    """A house whose sounds are watched."""

    def __init__(self, house):
        self.house = house
        self.log = os.path.join(house.work, "log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([house.sonde, "--catalogue", house.catalogue, "watch", "--allow-weak-sandbox", house.sounds],
                                            env=house.environment, stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def value(self, query, *values):
        try:
            return self.house.rows(query, *values)[0][0]
        except (sqlite3.Error, IndexError):
            return None

    def wait(self, condition, seconds=180):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            if condition():
                return True
            time.sleep(0.1)
        return bool(condition())


CURRENT = "SELECT count(*) FROM region_analysis x JOIN regions r USING (region_id) WHERE r.current AND x.current AND x.plugin = ? AND x.outcome = 'ok' AND x.plugin_version = ?"


def test_hot_reload(suite):
    """A plugin that is replaced while 50 regions wait for it or run: what is under way ends on the old copy, what it said is
    done again by the new one, and nobody else's result is touched."""
    with House(suite, sounds=50) as house:
        house.add("slow_1", target="reader")
        with Watching(house) as watching:
            value = watching.value
            some = watching.wait(lambda: (value(CURRENT, "test.reader", "1.0") or 0) >= 5)
            done = value(CURRENT, "test.reader", "1.0")
            house.add("reader_2", target="reader")
            suite.check(some and done < 50, "it is replaced in the middle", f"{done}\n{watching.said()[-1500:]}")
            suite.check(watching.wait(lambda: value(CURRENT, "test.reader", "2.0") == 50), "everything is done by the new one in the end",
                        f"{value(CURRENT, 'test.reader', '2.0')}\n{watching.said()[-2500:]}")
            mixed = value("SELECT count(*) FROM region_analysis WHERE plugin = 'test.reader' AND json_extract(result, '$.version') || '.0' <> plugin_version")
            suite.check(mixed == 0, "no result of one stands under the other's name", mixed)
            suite.check(value("SELECT count(*) FROM region_analysis WHERE plugin = 'test.reader' AND plugin_version = '1.0' AND NOT current") >= done,
                        "what the old one said is history", house.rows("SELECT plugin_version, current, count(*) FROM region_analysis GROUP BY plugin, 1, 2"))
            suite.check(value("SELECT count(*) FROM region_analysis WHERE plugin = 'key'") == 50 and value("SELECT count(*) FROM incidents") == 0,
                        "nobody else's was done twice, and nobody died", watching.said()[-1500:])
            house.add("segv_in_init", target="reader")
            suite.check(watching.wait(lambda: "SIGSEGV" in watching.said()), "replaced by a broken one: it is said", watching.said()[-1500:])
            make_sounds(os.path.join(house.sounds, "more"), 2)
            key = value("SELECT version FROM plugins WHERE plugin = 'key'")
            suite.check(watching.wait(lambda: value(CURRENT, "key", key) == 50 and value("SELECT count(*) FROM files WHERE status = 'done'") == 52),
                        "and the others go on", watching.said()[-1500:])
            suite.check(value(CURRENT, "test.reader", "2.0") == 50, "what it said when it was well stays", watching.said()[-1500:])
            house.add("second")
            house.add("reader_1", target="reader")
            suite.check(watching.wait(lambda: value(CURRENT, "test.reader", "1.0") == 50 and value(CURRENT, "test.second", "1.0") == 50),
                        "a mended one and a new one are taken up", watching.said()[-2500:])
            house.run("plugin", "disable", "test.second")
            shutil.copy(os.path.join(house.sounds, "tone 03.wav"), os.path.join(house.work, "aside.wav"))
            told = watching.wait(lambda: watching.said().count("event=reloading") >= 4)
            suite.check(told, "so is a choice", watching.said()[-1500:])
            watching.process.terminate()
            code = watching.process.wait(timeout=120)
            suite.check(code == 0 and "event=stopped" in watching.said(), "and it ends when it is told to", f"{code}\n{watching.said()[-1500:]}")


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
    sys.exit(main())
