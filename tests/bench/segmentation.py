#!/usr/bin/env python3
"""Boundary F-measure of sonde's segmenter against `ffmpeg silencedetect` and `sox silence`.

    segmentation.py --regions BUILD/tests/bench/regions [--audio DIR] [--items 48] [--seed 1] [--keep DIR] [--set KEY=VALUE]

The material is made from real clips (DIR, default $SONDE_AUDIO or ../shared/audio beside the checkout): each is scaled,
trimmed to its sound, refused when it has an inner gap of the minimum silence, and joined with others by silences of
1.2 to 5 s over a floor of noise (white, pink or brown; -inf, -70, -50 or -40 dBFS, drifting by up to 4 dB). Every fifth
clip fades slowly in or out. The truth is where the clean sound is louder than the floor (-60 dBFS at least).

Boundaries are the unpadded ones. A boundary is found if one is reported within 50 ms (200 ms where it fades), each once.
The peers' settings are the best of a grid on one half of the items; all figures are from the other half.
"""
import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import wave

import numpy as np
import soundfile

RATE = 44100
HOP = RATE // 100
GAP = 1.0
FLOORS = (None, -70.0, -50.0, -40.0)
DATASETS = ("esc10", "urbansound8k_part", "emodb", "debian_speech", "fsdd", "sample_classes", "guitar_chords",
            "fnf", "pop909_synth", "asap_synth", "classical_quiz", "debian_music", "loops_bandlab", "loops_roots")


def levels(x):
    """Level of each 10 ms in dBFS, its mean removed."""
    n = len(x) // HOP * HOP
    return 10 * np.log10(x[:n].reshape(-1, HOP).var(axis=1) + 1e-13)


def resample(x, rate):
    """Band-limited, by the spectrum; padded to a length whose spectrum is quick and that both rates divide."""
    step = rate // np.gcd(rate, RATE)
    padded = step * 2 ** int(np.ceil(np.log2(len(x) / step)))
    spectrum = np.fft.rfft(x, padded)
    n = padded * RATE // rate
    out = np.zeros(n // 2 + 1, complex)
    m = min(len(out), len(spectrum))
    out[:m] = spectrum[:m]
    return (np.fft.irfft(out, n) * (n / padded))[:len(x) * RATE // rate]


def longest_gap(quiet):
    return max((len(list(g)) for k, g in itertools.groupby(quiet) if k), default=0) / 100


def load_clip(path, rng):
    info = soundfile.info(path)
    wanted = int(rng.uniform(0.5, 8) * info.samplerate)
    start = int(rng.uniform(0, max(info.frames - wanted, 1))) if info.frames > wanted else 0
    x, rate = soundfile.read(path, frames=wanted, start=start, always_2d=True)
    x = x.mean(axis=1)
    return resample(x, rate) if rate != RATE and len(x) > 100 else x


def prepare(x, floor, rng):
    """Scales and trims a clip so that it begins and ends with sound; None when it can't be used."""
    if len(x) < RATE // 5:
        return None
    loud = np.percentile(levels(x), 95)
    if loud < -60:
        return None
    x = x * 10 ** ((rng.uniform(-26 if (floor or -99) < -45 else -22, -12) - loud) / 20)
    x = np.clip(x, -1, 1)
    level = levels(x)
    limit = max((floor if floor is not None else -99) + 4 + 6, -54)  # the floor drifts up by 4; 6 above that is heard
    heard = np.flatnonzero(level > limit)
    if len(heard) < 20:
        return None
    level = level[heard[0]:heard[-1] + 1]
    if longest_gap(level <= limit) >= 0.8 * GAP:
        return None
    x = x[heard[0] * HOP:(heard[-1] + 1) * HOP].copy()
    ramp = np.linspace(0, 1, HOP // 4)
    x[:len(ramp)] *= ramp
    x[-len(ramp):] *= ramp[::-1]
    return x


def noise(n, colour, rng):
    size = 2 ** int(np.ceil(np.log2(n)))
    spectrum = np.fft.rfft(rng.standard_normal(size))
    f = np.maximum(np.fft.rfftfreq(size, 1 / RATE), 20.0)
    spectrum *= {"white": 1, "pink": f ** -0.5, "brown": 1 / f}[colour]
    x = np.fft.irfft(spectrum, size)[:n]
    return x / np.sqrt(np.mean(x ** 2))


def fade(x, rng):
    """A slow fade, in or out, of at least 1.5 s; returns the clip and whether (start, end) fades."""
    n = int(min(len(x) * 0.6, rng.uniform(1.5, 3) * RATE))
    t = np.linspace(0, 1, n)
    curve = rng.choice(3)
    gain = (t, np.sin(t * np.pi / 2) ** 2, 10 ** (-3 * (1 - t)) * np.minimum(t * 20, 1))[curve]
    x = x.copy()
    if rng.random() < 0.5:
        x[:n] *= gain
        return x, (True, False)
    x[-n:] *= gain[::-1]
    return x, (False, True)


def build(clips, floor, rng):
    """One item: samples and boundaries [(seconds, tolerance)]."""
    parts, bounds, at = [], [], 0
    sounds = []
    length = int(rng.uniform(0.3, 4) * RATE)
    parts.append(np.zeros(length))
    at += length
    while at < 75 * RATE:
        x = prepare(load_clip(clips[rng.integers(len(clips))], rng), floor, rng)
        if x is None:
            continue
        fades = (False, False)
        if rng.random() < 0.2 and len(x) > 2.6 * RATE:
            x, fades = fade(x, rng)
        sounds.append((at, x, fades))
        length = int(rng.uniform(1.2, 5) * RATE)
        parts += [x, np.zeros(length)]
        at += len(x) + length
    clean = np.concatenate(parts)
    n = len(clean)
    background = np.zeros(n)
    floor_level = np.full(n // HOP + 1, -60.0)
    if floor is not None:
        colour = ("white", "pink", "brown")[rng.integers(3)]
        seconds = np.arange(n) / RATE
        drift = 4 * np.sin(2 * np.pi * (seconds / rng.uniform(60, 200) + rng.random()))
        background = noise(n, colour, rng)
        heard = levels(background)
        background *= 10 ** ((floor - 10 * np.log10(np.mean(10 ** (heard / 10))) + drift) / 20)
        floor_level = np.maximum(floor + drift[::HOP], -60)
    for start, x, fades in sounds:
        level = levels(x)
        first = start // HOP
        above = np.flatnonzero(level > floor_level[first:first + len(level)])
        begin = start + above[0] * HOP if fades[0] else start
        end = start + (above[-1] + 1) * HOP if fades[1] else start + len(x)
        if longest_gap(level[above[0]:above[-1] + 1] <= floor_level[first + above[0]:first + above[-1] + 1]) >= GAP:
            return build(clips, floor, rng)  # a fade has opened a gap
        bounds += [(begin / RATE, 0.2 if fades[0] else 0.05), (end / RATE, 0.2 if fades[1] else 0.05)]
    return np.clip(clean + background, -1, 1), bounds


def write_wav(path, x):
    with wave.open(path, "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(RATE)
        f.writeframes(np.round(x * 32767).astype("<i2").tobytes())


def match(truth, found):
    """Pairs within tolerance, each used once, in order of time."""
    found = sorted(found)
    used = [False] * len(found)
    hits = 0
    for t, tolerance in sorted(truth):
        near = [(abs(f - t), i) for i, f in enumerate(found) if not used[i] and abs(f - t) <= tolerance + 1e-9]
        if near:
            used[min(near)[1]] = True
            hits += 1
    return hits


class Score:
    def __init__(self):
        self.hits = self.truth = self.found = 0

    def add(self, truth, found):
        self.hits += match(truth, found)
        self.truth += len(truth)
        self.found += len(found)

    def f(self):
        return 2 * self.hits / max(self.truth + self.found, 1)

    def text(self):
        return f"{self.f():.3f} (P {self.hits / max(self.found, 1):.3f} R {self.hits / max(self.truth, 1):.3f})"


def run_sonde(tool, settings):
    def run(paths):
        out = subprocess.run([tool, *settings, *paths], capture_output=True, text=True, check=True).stdout
        return [[t for r in json.loads(line)["regions"] for t in r[2:4]] for line in out.splitlines()]
    return run


def complement(silences, duration):
    """Boundaries of the sounds, from the silences between them."""
    bounds, at = [], 0.0
    for start, end in silences:
        if start > at + 1e-6:
            bounds += [at, start]
        at = end
    if at < duration - 1e-6:
        bounds += [at, duration]
    return bounds


def run_ffmpeg(noise_db, shortest):
    def one(path):
        err = subprocess.run(["ffmpeg", "-hide_banner", "-nostats", "-i", path, "-af",
                              f"silencedetect=noise={noise_db}dB:d={shortest}", "-f", "null", "-"],
                             capture_output=True, text=True, check=True).stderr
        duration = soundfile.info(path).duration
        starts = [max(float(v), 0.0) for v in re.findall(r"silence_start: (-?[\d.e-]+)", err)]
        ends = [float(v) for v in re.findall(r"silence_end: (-?[\d.e-]+)", err)]
        ends += [duration] * (len(starts) - len(ends))
        return complement(zip(starts, ends), duration)
    return lambda paths: [one(p) for p in paths]


def run_sox(threshold, above, below):
    """sox writes the sounds as files of their own; where they came from is found by their samples."""
    def one(path):
        data = soundfile.read(path, dtype="int16")[0]
        raw, at, bounds = data.tobytes(), 0, []
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["sox", "-D", path, os.path.join(folder, "s.wav"), "silence", "1", str(above),
                            f"{threshold}d", "1", str(below), f"{threshold}d", ":", "newfile", ":", "restart"],
                           capture_output=True, check=True)
            for name in sorted(os.listdir(folder)):
                part = soundfile.read(os.path.join(folder, name), dtype="int16")[0]
                if len(part) == 0:
                    continue
                place = raw.find(part[:2000].tobytes(), at)
                while place >= 0 and place % 2:
                    place = raw.find(part[:2000].tobytes(), place + 1)
                if place < 0:
                    continue
                bounds += [place / 2 / RATE, (place / 2 + len(part)) / RATE]
                at = place + 2 * len(part)
        return bounds
    return lambda paths: [one(p) for p in paths]


def score(run, items):
    """Score of all items, and by floor."""
    total, floors = Score(), {floor: Score() for floor in FLOORS}
    for item, found in zip(items, run([i["path"] for i in items])):
        total.add(item["bounds"], found)
        floors[item["floor"]].add(item["bounds"], found)
    return total, floors


def best(make, grid, items):
    return max(((score(make(*settings), items)[0].f(), settings) for settings in grid), key=lambda r: r[0])[1]


def find_clips(audio):
    clips = []
    for dataset in DATASETS:
        folder = os.path.join(audio, dataset)
        names = sorted(n for n in os.listdir(folder) if n.endswith(".ogg")) if os.path.isdir(folder) else []
        clips += [os.path.join(folder, n) for n in names[::max(len(names) // 40, 1)]]
    return clips


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--regions", required=True, help="the regions tool of the build")
    parser.add_argument("--audio", default=os.environ.get("SONDE_AUDIO", os.path.join(here, "../../../shared/audio")))
    parser.add_argument("--items", type=int, default=48)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="a folder to keep the material in")
    parser.add_argument("--set", action="append", default=[], help="a parameter of the segmenter")
    parser.add_argument("--half", choices=("tuning", "test"), default="test")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    args = parser.parse_args()
    clips = find_clips(args.audio)
    if not clips:
        print(f"no clips in {args.audio}: skipped")
        return 77
    folder = args.keep or tempfile.mkdtemp(prefix="segmentation-")
    os.makedirs(folder, exist_ok=True)
    items = []
    for i in range(args.items):
        rng = np.random.default_rng([args.seed, i])
        floor = FLOORS[i // 2 % len(FLOORS)]
        mine = clips[i % 2::2]  # the halves share no clip
        x, bounds = build(mine, floor, rng)
        path = os.path.join(folder, f"{i:03d}.wav")
        write_wav(path, x)
        items.append({"path": path, "bounds": bounds, "floor": floor, "half": i % 2})
    tuning = [i for i in items if i["half"] == 0]
    test = [i for i in items if i["half"] == 1] if args.half == "test" else tuning
    contestants = [("sonde, defaults" if not args.set else " ".join(args.set), run_sonde(args.regions, args.set))]
    if not args.alone:
        grid = list(itertools.product(range(-70, -19, 5), (0.3, 0.6, 0.9)))
        settings = best(run_ffmpeg, grid, tuning)
        contestants.append(("ffmpeg silencedetect=noise=%gdB:d=%g" % settings, run_ffmpeg(*settings)))
        grid = list(itertools.product(range(-70, -19, 5), (0.01, 0.05), (0.3, 0.9)))
        settings = best(run_sox, grid, tuning)
        contestants.append(("sox silence 1 %g %gd 1 %g %gd" % (settings[1], settings[0], settings[2], settings[0]),
                            run_sox(*settings)))
    print(f"{len(test)} items, {sum(len(i['bounds']) for i in test)} boundaries, "
          f"{sum(b[1] > 0.1 for i in test for b in i['bounds'])} of them fades; seed {args.seed}")
    print(f"{'F at 50 ms':44s}{'all':>28s}" + "".join(f"{f'{floor:g} dBFS' if floor else '-inf':>11s}" for floor in FLOORS))
    for name, run in contestants:
        total, floors = score(run, test)
        print(f"{name:44s}{total.text():>28s}" + "".join(f"{floors[f].f():11.3f}" for f in FLOORS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
