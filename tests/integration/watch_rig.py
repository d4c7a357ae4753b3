"""A folder, a catalogue and a `sonde watch` over it, for tests. They speak TAP."""
import argparse
import json
import os
import shutil
import signal
import socket
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
        open(self.log, "wb").close()
        self.environment = dict(os.environ, HOME=self.work)
        self.environment.pop("XDG_CONFIG_HOME", None)
        self.process = None
        self.results = []

    def check(self, good, name, why=""):
        self.results.append(good)
        print(f"{'ok' if good else 'not ok'} {len(self.results)} - {name}", flush=True)
        if not good:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                print("# " + f"{str(why)[-1500:]}\n{log.read()[-3000:]}".replace("\n", "\n# "), flush=True)

    def start(self, *options, settings=(), environment=None, folders=None):
        """Starts `sonde watch`; waits until it is there."""
        said = self.count("event=watching")
        words = [word for setting in settings for word in ("--set", setting)]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.sonde, "--catalogue", self.catalogue, *words, "watch", *options,
                                             *([self.folder] if folders is None else folders)], stdout=log, stderr=log,
                                            env=dict(self.environment, **(environment or {})))
        return self.wait(lambda: self.count("event=watching") > said or self.process.poll() is not None)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(timeout=120)

    def command(self, *arguments, timeout=120):
        """Runs a command of sonde; its exit code and all it printed."""
        done = subprocess.run([self.sonde, "--catalogue", self.catalogue, *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=self.environment, timeout=timeout, check=False, cwd=self.work)
        return done.returncode, done.stdout.decode("utf-8", "replace")

    def engine(self):
        """What the running engine says of itself, or {}."""
        code, text = self.command("status", "--json")
        return json.loads(text).get("engine", {}) if code == 0 else {}

    def ask(self, line, seconds=30):
        """Sends bytes to the control socket; what comes back until it hangs up, as a list of objects."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(seconds)
            link.connect(self.catalogue + ".control")
            link.sendall(line)
            text = b""
            while piece := link.recv(65536):
                text += piece
        return [json.loads(part) for part in text.splitlines()]

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
        found = self.rows("SELECT status FROM files WHERE path = ?", os.fsencode(self.at(name)))
        return found[0][0] if found else None

    def wait(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return True
            time.sleep(0.1)
        return condition()

    def done(self, *names):
        return self.wait(lambda: all(self.status(name) == "done" for name in names))

    def analyses(self):
        return self.rows("SELECT count(*) FROM region_analysis")[0][0]

    def count(self, text):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read().count(text)

    def heard(self, text):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return text in log.read()

    def hears(self, text):
        """Now or soon: an event is told of after the catalogue knows."""
        return self.wait(lambda: self.heard(text))


def main(description, tests):
    """Runs each test with a rig of its own; `tests` maps names to functions of a rig."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("names", nargs="*", help="only these")
    args = parser.parse_args()
    results = []
    for name, test in tests.items():
        if args.names and name not in args.names:
            continue
        rig = Watching(os.path.abspath(args.build))
        rig.results = results
        try:
            test(rig)
        except Exception as problem:  # a test that breaks off has failed; the others still run
            rig.check(False, name, f"{type(problem).__name__}: {problem}")
        finally:
            if rig.process and rig.process.poll() is None:
                rig.process.kill()
                rig.process.wait()
            shutil.rmtree(rig.work, ignore_errors=True)
    print(f"1..{len(results)}")
    sys.exit(0 if all(results) else 1)
