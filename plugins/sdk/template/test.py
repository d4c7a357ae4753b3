#!/usr/bin/env python3
"""Gives the plugin a sound whose level and loudest moment are known, through sonde, and looks into the catalogue."""
import json
import math
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import wave

RATE = 16000


def main():
    library = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as work:
        sound, plugins, catalogue = (os.path.join(work, name) for name in ("sound.wav", "plugins", "catalogue.db"))
        os.mkdir(plugins)
        shutil.copy(library, plugins)
        resources = os.path.splitext(library)[0] + ".resources"
        if os.path.isdir(resources):
            shutil.copytree(resources, os.path.join(plugins, os.path.basename(resources)))
        with wave.open(sound, "wb") as out:  # four seconds of a tone, ten times as loud from 2 s to 3 s
            out.setparams((1, 2, RATE, 0, "NONE", ""))
            out.writeframes(b"".join(
                struct.pack("<h", int((0.5 if 2 <= i / RATE < 3 else 0.05) * 32767 * math.sin(2 * math.pi * 440 * i / RATE)))
                for i in range(4 * RATE)))
        subprocess.run([os.environ.get("SONDE", "sonde"), "--catalogue", catalogue, "analyze", sound], check=True,
                       env=dict(os.environ, SONDE_PLUGIN_PATH=plugins, HOME=work))
        row = sqlite3.connect(catalogue).execute(
            "SELECT outcome, reason, result FROM region_results WHERE plugin = '@ID@'").fetchone()
    assert row and row[0] == "ok", row
    result = json.loads(row[2])
    expected = 10 * math.log10((0.05 ** 2 * 3 + 0.5 ** 2) / 2 / 4)
    assert abs(result["level"] - expected) < 0.1, (result, expected)
    assert 1.9 <= result["loudest_at"] <= 2.95, result
    print("ok:", json.dumps(result))


if __name__ == "__main__":
    main()
