#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Fits plugins/key/tonality_weights.h: train.py [--audio DIR] [--build DIR] [--check]

--check prints cross-validated figures only. Needs a built tree (tools/train_key/key_inputs) and python3-numpy,
python3-scipy and python3-soundfile. What is fitted to what, and the figures, are in README.md."""
import argparse
import collections
import csv
import json
import os
import re
import subprocess
import tempfile

import numpy as np
from scipy.optimize import minimize
from scipy.signal import resample_poly

import progressions

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BLOCKS = 6
LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SONGS = ("asap_synth", "blinky_edm", "classical_quiz", "debian_music", "fnf", "guitar_chords", "pop909_synth")
NO_KEY = ("debian_speech", "emodb", "fsdd", "scikit_maad", "esc10", "loops_roots", "loops_dirt")
DRUMS = ("beats", "bass drum", "drum hit", "drum loop", "drums", "glitch", "hi-hat", "percussion", "ride cymbal", "snare",
         "vinyl noise")
DRUM_WORDS = re.compile(r"drum|beat|perc|clap|shaker|toploop|hatloop|kickloop|snareloop|mux_kick|hihat", re.I)
KEY_IN_NAME = re.compile(r"(?<![A-Za-z])([A-Ga-g])([bs#]?)_?(m|min|Min|maj|Maj)(?=[_.])")
PEERS = ("essentia", "qm-key", "keyfinder", "librosa-key", "madmom-key")
# Krumhansl and Kessler 1982; Temperley 2007, table 6.1 (The Kostka-Payne profiles).
PROFILES = (
    ([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
     [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17]),
    ([0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400],
     [0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330]),
)
RIDGE, PRIOR_SCALE = 6.0, 0.286
MADE = 0.3  # what a made-up piece counts
SHARPNESS, CEILING = np.arange(1.0, 6.1, 0.2), np.arange(0.86, 1.001, 0.02)


def key_number(text):
    tonic, mode = text.split()
    number = LETTERS[tonic[0].upper()] + sum(1 if c in "#s" else -1 for c in tonic[1:])
    return number % 12 + (12 if mode.lower().startswith("min") or mode == "m" else 0)


def mirex(estimate, truth):
    """1 same, 0.5 a fifth away, 0.3 relative, 0.2 parallel."""
    (e, em), (r, rm) = (estimate % 12, estimate // 12), (truth % 12, truth // 12)
    if estimate == truth:
        return 1.0
    if em == rm:
        return 0.5 if (e - r) % 12 in (5, 7) else 0.0
    if e == r:
        return 0.2
    return 0.3 if e == (r + (9 if rm == 0 else 3)) % 12 else 0.0


class Data:
    """Labels of the audio folder."""

    def __init__(self, audio):
        self.audio, self.tasks, self.dataset = audio, collections.defaultdict(dict), {}
        with open(os.path.join(audio, "labels.csv"), newline="", encoding="utf-8") as f:
            for row in csv.DictReader(f):
                self.tasks[row["task"]][row["path"]] = row["label"]
                self.dataset[row["path"]] = row["dataset"]

    def has_key(self, path):
        return self.dataset[path] in SONGS or path in self.tasks["key"]

    def has_none(self, path):
        dataset = self.dataset[path]
        if path in self.tasks["key"]:
            return False
        if dataset in NO_KEY or (dataset == "sample_classes" and self.tasks["class"].get(path) in DRUMS):
            return True
        return dataset.startswith("loops_") and bool(DRUM_WORDS.search(path))

    def keys(self):
        """path -> (allowed keys, weight, group)."""
        out = {}
        for path, label in self.tasks["key_signature"].items():
            out[path] = ([key_number(k) for k in label.split(": ")[1].split(" or ")], 1.0, "signature")
        for path, label in self.tasks["key"].items():
            dataset = self.dataset[path]
            group = "wtc" if dataset == "asap_synth" else dataset.split("_")[0]
            out[path] = ([key_number(label)], 1.0, group)
        for path, dataset in self.dataset.items():
            name = KEY_IN_NAME.search(os.path.basename(path))
            if dataset.startswith("loops_") and path not in out and name and not self.has_none(path):
                out[path] = ([key_number(name[1].upper() + name[2] + " " + name[3].lower())], 0.5, "names")
        return out | self.agreed(out)

    def agreed(self, known):
        """Real songs without a label, on whose key at least three of five other programs agree."""
        votes = collections.defaultdict(list)
        for peer in PEERS:
            path = os.path.join(self.audio, "peers", peer + ".jsonl")
            for line in open(path, encoding="utf-8") if os.path.exists(path) else ():
                row = json.loads(line)
                if row.get("key"):
                    votes[row["file"]].append(key_number(row["key"]))
        out = {}
        for path, keys in votes.items():
            best, count = collections.Counter(keys).most_common(1)[0]
            if path not in known and self.dataset.get(path) in ("fnf", "debian_music", "blinky_edm") and count >= 3:
                out[path] = ([best], 0.5 if count == 3 else 0.8, "agreed")
        return out


def inputs_of(build, paths):
    """key_inputs for each path."""
    out = {}
    paths = list(paths)
    for i in range(0, len(paths), 100):
        done = subprocess.run([os.path.join(build, "tools/train_key/key_inputs"), *paths[i : i + 100]], check=True,
                              stdout=subprocess.PIPE)
        for line in done.stdout.decode("utf-8").splitlines():
            row = json.loads(line)
            out[row["file"]] = row
    return out


# ------------------------------------------------------------------------------------------------------------- the key


def turned(blocks):
    """(n, BLOCKS * 12) -> (n, 12, BLOCKS * 12): each tonic first in turn."""
    n = len(blocks)
    return np.stack([np.roll(blocks.reshape(n, BLOCKS, 12), -k, axis=2).reshape(n, -1) for k in range(12)], axis=1)


def prior():
    """Both authors' profiles for the treble, nothing for the rest."""
    weights = np.zeros(2 * BLOCKS * 12 + 1)
    for mode in (0, 1):
        both = sum((np.array(p[mode]) - np.mean(p[mode])) / np.std(p[mode]) for p in PROFILES)
        weights[mode * BLOCKS * 12 : mode * BLOCKS * 12 + 12] = PRIOR_SCALE * both
    return weights


def key_logits(x, weights):
    d = BLOCKS * 12
    return np.concatenate([x @ weights[:d], x @ weights[d : 2 * d] + weights[-1]], axis=1)


def key_fit(x, allowed, weight):
    """Softmax regression with shared weights; `allowed` marks every key that would be right."""
    start, d = prior(), BLOCKS * 12

    def loss(w):
        a = key_logits(x, w)
        p = np.exp(a - a.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        right = (p * allowed).sum(axis=1) + 1e-12
        g = (p - p * allowed / right[:, None]) * weight[:, None]
        slope = np.concatenate([np.einsum("nk,nkd->d", g[:, :12], x), np.einsum("nk,nkd->d", g[:, 12:], x), [g[:, 12:].sum()]])
        return -(weight * np.log(right)).sum() + RIDGE * ((w - start) ** 2).sum(), slope + 2 * RIDGE * (w - start)

    return minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x


def softmax(a):
    p = np.exp(a - a.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def calibration_error(confidence, right, bins=10):
    error = 0.0
    for low in np.arange(bins) / bins:
        inside = (confidence >= low) & (confidence < low + 1 / bins + 1e-12 * (low > 0.85))
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return error


def made_up(build):
    """(keys as Data.keys has them, key_inputs) of pieces over common progressions."""
    with tempfile.TemporaryDirectory() as folder:
        pieces = progressions.make(folder)
        return {p: ([key], MADE, "made") for p, (key, _) in pieces.items()}, inputs_of(build, pieces)


def fit_keys(data, rows, build):
    """Returns weights and sharpness; prints cross-validated figures (three times ten folds)."""
    made, made_rows = made_up(build)
    rows = rows | made_rows
    keys = {p: k for p, k in (data.keys() | made).items() if p in rows}
    paths = list(keys)
    x = turned(np.array([rows[p]["blocks"] for p in paths]))
    allowed = np.zeros((len(paths), 24))
    for i, p in enumerate(paths):
        allowed[i, keys[p][0]] = 1
    weight, group = np.array([keys[p][1] for p in paths]), np.array([keys[p][2] for p in paths])
    scored = group != "signature"
    runs = []
    for seed in (1, 2, 3):
        fold, logits = np.random.default_rng(seed).permutation(len(paths)) % 10, np.zeros((len(paths), 24))
        for k in range(10):
            logits[fold == k] = key_logits(x[fold == k], key_fit(x[fold != k], allowed[fold != k], weight[fold != k]))
        runs.append(logits)
    scores = np.array([[mirex(int(a.argmax()), keys[p][0][0]) for a, p in zip(run, paths)] for run in runs])
    for g in sorted(set(group[scored])):
        part = scores[:, group == g]
        print(f"{g:12} n {(group == g).sum():3}  exact {(part == 1).mean():.3f}  weighted {part.mean():.3f}")
    real = scored & ~np.isin(group, ("agreed", "names", "made"))

    right = np.concatenate([s[real] == 1 for s in scores])

    def said(s):
        return np.concatenate([softmax(s * run[real]).max(axis=1) for run in runs])

    # However clear the music, some labels and some ears differ: confidence stays under a ceiling. Brier's score chooses.
    sharpness, ceiling = min(((s, c) for s in SHARPNESS for c in CEILING), key=lambda p: ((p[1] * said(p[0]) - right) ** 2).mean())
    confidence = ceiling * said(sharpness)
    print(f"sharpness {sharpness:.1f}, ceiling {ceiling:.2f}, calibration error {calibration_error(confidence, right):.3f}")
    for low in np.arange(0, 1, 0.2):
        inside = (confidence >= low) & (confidence < low + 0.2)
        if inside.any():
            print(f"  said {confidence[inside].mean():.2f}  was {right[inside].mean():.2f}  n {inside.sum() / 3:.0f}")
    return key_fit(x, allowed, weight), sharpness, ceiling


# ------------------------------------------------------------------------------------------------ whether there is a key


def sound(data, path):
    import soundfile

    x, rate = soundfile.read(os.path.join(data.audio, path), always_2d=True)
    x = x.mean(axis=1)
    return x if rate == 22050 else resample_poly(x, 22050, rate)


def varied(data, folder):
    """Sounds without key joined to minutes, and pieces of 2 to 20 s of songs: so that length decides nothing."""
    import soundfile

    rng, groups, made = np.random.default_rng(3), collections.defaultdict(list), {}
    for path in data.dataset:
        if data.has_none(path):
            groups[data.dataset[path].split("_")[0]].append(path)
    for name, paths in groups.items():
        for i in range(8):
            x = np.concatenate([sound(data, p) for p in rng.permutation(paths)[: rng.integers(3, 25)]])[: 22050 * 60]
            made[f"{folder}/none_{name}_{i}.wav"] = x
    for path in data.dataset:
        if data.dataset[path] in SONGS and data.dataset[path] != "guitar_chords":
            x, n = sound(data, path), int(22050 * rng.choice([2, 3, 5, 8, 12, 20]))
            at = rng.integers(0, len(x) - n) if len(x) > n else 0
            if np.abs(x[at : at + n]).max() > 0.01:
                made[f"{folder}/key_{data.dataset[path].split('_')[0]}_{len(made)}.wav"] = x[at : at + n]
    for path, x in made.items():
        soundfile.write(path, x, 22050, subtype="FLOAT")
    return list(made)


def tonal_fit(x, y, weight):
    mean, spread = x.mean(axis=0), x.std(axis=0)
    mean[0], spread[0] = 0, 1
    scaled = (x - mean) / spread

    def loss(w):
        a = scaled @ w
        p = 1 / (1 + np.exp(-a))
        slope = scaled.T @ (weight * (p - y))
        slope[1:] += 0.2 * w[1:]
        return -(weight * (y * np.log(p + 1e-9) + (1 - y) * np.log(1 - p + 1e-9))).sum() + 0.1 * (w[1:] ** 2).sum(), slope

    w = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x
    out = w / spread
    out[0] = w[0] - (w[1:] * mean[1:] / spread[1:]).sum()
    return out


def fit_tonal(data, rows, build):
    names, x, y = [], [], []
    for path, row in rows.items():
        if data.has_key(path) != data.has_none(path):
            names.append(data.dataset[path])
            x.append(row["evidence"])
            y.append(data.has_key(path))
    with tempfile.TemporaryDirectory() as folder:
        for path, row in inputs_of(build, varied(data, folder)).items():
            parts = os.path.basename(path).split("_")
            names.append("varied " + parts[1])
            x.append(row["evidence"])
            y.append(parts[0] == "key")
    x, y, names = np.array(x), np.array(y, float), np.array(names)
    size = collections.Counter(names)
    weight = np.array([size[n] ** -0.5 for n in names])
    weight *= len(weight) / weight.sum()
    fold, p = np.random.default_rng(0).permutation(len(y)) % 10, np.zeros(len(y))
    for k in range(10):
        p[fold == k] = 1 / (1 + np.exp(-x[fold == k] @ tonal_fit(x[fold != k], y[fold != k], weight[fold != k])))
    for n in sorted(size):
        for label, text in ((1, "none on music"), (0, "a key on none")):
            inside = (names == n) & (y == label)
            if inside.any():
                print(f"{n:24} {text} {((p[inside] >= 0.5) != label).sum():3} of {inside.sum()}")
    return tonal_fit(x, y, weight)


# --------------------------------------------------------------------------------------------------------------- output


def write(path, weights, sharpness, ceiling, tonal):
    def row(values):
        return ", ".join(f"{v:.4g}" for v in values)

    d = BLOCKS * 12
    with open(path, "w", encoding="utf-8") as f:
        f.write("/* SPDX-License-Identifier: MIT\n *\n * Made by tools/train_key/train.py; its README.md says of what. */\n")
        f.write("static const double weights[2][TONALITY_BLOCKS][12] = {\n")
        for mode in (0, 1):
            f.write("    {\n")
            for b in range(BLOCKS):
                f.write("        {" + row(weights[mode * d + b * 12 : mode * d + b * 12 + 12]) + "},\n")
            f.write("    },\n")
        f.write("};\n")
        f.write(f"static const double weights_bias[2] = {{0, {weights[-1]:.4g}}};\n")
        f.write(f"static const double weights_sharpness = {sharpness:.4g};\n")
        f.write(f"static const double weights_ceiling = {ceiling:.4g};\n\n")
        f.write("static const double tonal_weights[TONALITY_EVIDENCE] = {" + row(tonal) + "};\n")
    subprocess.run(["clang-format", "-i", path], check=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--audio", default=os.environ.get("SONDE_AUDIO", os.path.join(os.path.dirname(ROOT), "shared/audio")))
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    data = Data(options.audio)
    wanted = set(data.keys()) | {p for p in data.dataset if data.has_key(p) or data.has_none(p)}
    rows = inputs_of(options.build, [os.path.join(options.audio, p) for p in sorted(wanted)])
    rows = {os.path.relpath(p, options.audio): row for p, row in rows.items()}
    weights, sharpness, ceiling = fit_keys(data, rows, options.build)
    tonal = fit_tonal(data, rows, options.build)
    if not options.check:
        write(os.path.join(ROOT, "plugins/key/tonality_weights.h"), weights, sharpness, ceiling, tonal)


if __name__ == "__main__":
    main()
