#!/usr/bin/python3
"""tools/evaluate on sounds made here, through engine and catalogue, with bars that a worse tempo_meter or key would miss.
Speaks TAP.

    evaluate.py --build DIR
"""
import argparse
import os
import subprocess
import sys
import tempfile
import wave

try:
    import numpy as np
except ImportError:
    print("1..0 # SKIP needs NumPy: apt-get install python3-numpy")
    sys.exit(0)

RATE = 22050
HERE = os.path.dirname(os.path.abspath(__file__))
TEMPI = (88, 96, 104, 112.5, 120, 128, 133, 140)
KEYS = (("C major", 60, (0, 4, 7)), ("A minor", 57, (0, 3, 7)), ("Eb major", 63, (0, 4, 7)), ("F# minor", 66, (0, 3, 7)))


def save(path, samples):
    with wave.open(path, "wb") as f:
        f.setparams((1, 2, RATE, 0, "NONE", ""))
        f.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def struck(length, hz, decay, rng):
    """A drum (hz > 0) or a burst of noise."""
    time = np.arange(int(length * RATE)) / RATE
    tone = np.sin(2 * np.pi * hz * time * (1 + .5 * np.exp(-40 * time))) if hz else rng.uniform(-1, 1, len(time))
    return np.exp(-time / decay) * tone


def put(samples, at, sound, level):
    start = round(at * RATE)
    part = sound[:max(0, len(samples) - start)]
    samples[start:start + len(part)] += level * part


def drums(bpm, seconds, start, rng):
    samples, beat = np.zeros(round(seconds * RATE)), 60 / bpm
    for i in range(int((seconds - start) / beat) + 1):
        at = start + i * beat
        put(samples, at, struck(.4, 60, .08, rng) if i % 2 == 0 else struck(.3, 0, .05, rng), .5 if i % 2 == 0 else .3)
        if i % 4 == 0:
            put(samples, at, struck(1, 55 + 10 * (i // 4 % 4), .3, rng), .4)
        for half in (0, .5):
            put(samples, at + half * beat, struck(.1, 0, .015, rng), .12)
    return samples


def chords(tonic, triad, rng):
    """Tonic, subdominant, dominant, tonic, each for two seconds, in the triad's own mode."""
    samples = np.zeros(16 * RATE)
    for i in range(8):
        for step in triad:
            hz = 440 * 2 ** ((tonic + (0, 5, 7, 0)[i % 4] + step + (i % 4 == 2 and step == 3) - 69) / 12)
            time = np.arange(2 * RATE) / RATE
            tone = sum(np.sin(2 * np.pi * hz * k * time) / k ** 1.5 for k in (1, 2, 3, 4))
            put(samples, 2 * i + .01 * rng.random(), tone * np.exp(-time), .12)
    return samples


def make(folder):
    rng, rows = np.random.default_rng(1), ["path,dataset,task,label"]

    def add(name, samples, *labels):
        save(os.path.join(folder, name), samples)
        rows.extend(f"{name},{dataset},{task},{label}" for dataset, task, label in labels)

    for bpm in TEMPI:
        seconds = 8 * 4 * 60 / bpm
        add(f"loop {bpm}.wav", drums(bpm, seconds, 0, rng), ("loops_made", "loops_bpm", bpm))
        with open(os.path.join(folder, f"{bpm}.beats.txt"), "w", encoding="utf-8") as f:
            f.writelines(f"{.4 + i * 60 / bpm:.4f}\n" for i in range(int((47 - .4) * bpm / 60) + 1))
        add(f"song {bpm}.wav", drums(bpm, 47, .4, rng), ("drums", "tempo_bpm", bpm), ("drums", "beats", f"{bpm}.beats.txt"))
    for key, tonic, triad in KEYS:
        add(f"{key}.wav", chords(tonic, triad, rng), ("chords", "key", key))
    for i in range(6):
        add(f"noise {i}.wav", rng.normal(0, .1 + .05 * i, 6 * RATE), ("esc10", "class", "Rain"))
    with open(os.path.join(folder, "labels.csv"), "w", encoding="utf-8") as f:
        f.write("\n".join(rows) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sonde-evaluate-", ignore_cleanup_errors=True) as work:
        make(work)
        bars = ["loops/Accuracy1=.85", "loops/Accuracy2=1", "drums/Accuracy1=1", "drums/beat F=.95", "chords/key exact=.75"]
        command = [os.path.join(HERE, "../../tools/evaluate"), work, "--sonde", os.path.join(args.build, "engine/cli/sonde")]
        done = subprocess.run(command + [f"--at-least={bar}" for bar in bars] + ["--at-most=esc10/false tempo=0"],
                              env=dict(os.environ, HOME=work), capture_output=True, text=True, timeout=300, check=False)
        print("1..2")
        good = "Accuracy1" in done.stdout
        print(f"{'ok' if good else 'not ok'} 1 - the folder is analysed and scored")
        print(f"{'ok' if done.returncode == 0 else 'not ok'} 2 - nothing is worse than it should be")
        if done.returncode != 0:
            print("# " + (done.stdout + done.stderr).replace("\n", "\n# "))
        return 0 if good and done.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
