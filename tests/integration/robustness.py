#!/usr/bin/python3
"""Broken and odd files, all of them: none may hang, end the engine, or be left without a row and a reason. Speaks TAP.

    robustness.py --build DIR [FOLDER]     FOLDER: default $SONDE_AUDIO/robustness; skipped where there is none
"""
import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("folder", nargs="?", default=os.path.join(os.environ.get("SONDE_AUDIO", ""), "robustness"))
    args = parser.parse_args()
    if not os.path.isdir(args.folder):
        print("1..0 # SKIP no folder of broken files ($SONDE_AUDIO is not set)")
        return 0
    work = tempfile.mkdtemp(prefix="sonde-robustness-")
    catalogue = os.path.join(work, "run.db")
    files = [os.path.join(root, name) for root, _, names in os.walk(args.folder) for name in names]
    results = []

    def check(good, name, why=""):
        results.append(good)
        print(f"{'ok' if good else 'not ok'} {len(results)} - {name}", flush=True)
        if not good:
            print("# " + str(why).replace("\n", "\n# "), flush=True)

    try:
        command = [os.path.join(args.build, "engine", "cli", "sonde"), "--catalogue", catalogue, "analyze", *sorted(files)]
        run = subprocess.run(command, env=dict(os.environ, HOME=work), capture_output=True, timeout=600, check=False)
        told = run.stderr.decode("utf-8", "replace")
        check(run.returncode == 1, "the run ends with exit code 1: some files failed", f"{run.returncode}\n{told[-2000:]}")
        db = sqlite3.connect(catalogue)
        counts = dict(db.execute("SELECT status, count(*) FROM files GROUP BY status"))
        print(f"# {len(files)} files: {counts}")
        check(sum(counts.values()) == len(files), "every file has a row", counts)
        check(set(counts) <= {"done", "empty", "failed"}, "every row says how it ended", counts)
        check(counts.get("done", 0) >= len(files) // 3, "what can be decoded is analysed", counts)
        silent = db.execute("SELECT path_text FROM files WHERE status = 'failed' AND coalesce(status_reason, '') = ''").fetchall()
        check(not silent, "every failure has its reason", silent)
        multi = db.execute("SELECT path_text, status_reason FROM files WHERE status_reason LIKE '%' || char(10) || '%'").fetchall()
        check(not multi, "on one line", multi)
        missing = db.execute("""SELECT f.path_text FROM files f JOIN contents USING (content_id) JOIN regions r USING (audio_id)
            WHERE r.current AND f.status = 'done' AND
            (SELECT count(*) FROM region_analysis x WHERE x.region_id = r.region_id AND x.current) <> 5""").fetchall()
        check(not missing, "every region of what is done has five outcomes", f"{len(missing)} regions: {missing[:5]}")
        check(db.execute("PRAGMA integrity_check").fetchone()[0] == "ok", "the catalogue is sound")
        db.close()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


sys.exit(main())
