"""Made-up pieces over common chord progressions, whose key is certain: recordings leave the fit short of music that begins
on a minor tonic and shares every chord with the relative major, or circles round I and IV.

Bass, chords and a tune of additive tones; key, tempo, timbre, tuning, arrangement and whether the first chord comes back at
the end follow from the seed. A chord is (semitones above the tonic, is it minor)."""
import os

import numpy as np
import soundfile

RATE = 22050
MAJOR = {
    "I-V-vi-IV": [(0, 0), (7, 0), (9, 1), (5, 0)], "I-vi-IV-V": [(0, 0), (9, 1), (5, 0), (7, 0)],
    "I-IV-vi-V": [(0, 0), (5, 0), (9, 1), (7, 0)], "I-iii-vi-IV": [(0, 0), (4, 1), (9, 1), (5, 0)],
    "I-IV-V-IV": [(0, 0), (5, 0), (7, 0), (5, 0)], "I-vi-ii-V": [(0, 0), (9, 1), (2, 1), (7, 0)],
    "I-ii-vi-IV": [(0, 0), (2, 1), (9, 1), (5, 0)],
}
MINOR = {
    "i-VI-III-VII": [(0, 1), (8, 0), (3, 0), (10, 0)], "i-VII-VI-VII": [(0, 1), (10, 0), (8, 0), (10, 0)],
    "i-VI-VII-i": [(0, 1), (8, 0), (10, 0), (0, 1)], "i-iv-VII-III": [(0, 1), (5, 1), (10, 0), (3, 0)],
    "i-III-VII-VI": [(0, 1), (3, 0), (10, 0), (8, 0)], "i-VII-VI-V": [(0, 1), (10, 0), (8, 0), (7, 0)],
    "i-v-VI-iv": [(0, 1), (7, 1), (8, 0), (5, 1)],
}
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))
RENDERINGS = 6  # of each progression; the first chord comes back at the end of four


class Piece:
    """The sound of one piece."""

    def __init__(self, rng, seconds):
        self.out = np.zeros(int((seconds + .3) * RATE))
        self.bright, self.decay = rng.uniform(.25, .65), rng.choice([.3, 1.5, 3])
        self.tuning = rng.normal(0, 8)  # cents

    def tone(self, start, length, note, level, decay):
        i = int(start * RATE)
        t = np.arange(min(len(self.out) - i, int(length * RATE))) / RATE
        shape = level * np.minimum(1, t / .01) * np.exp(-t * decay) * np.minimum(1, (length - t) / .03).clip(0)
        hz = 440 * 2 ** ((note - 69 + self.tuning / 100) / 12)
        for h in range(1, 9):
            if hz * h < 9000:
                self.out[i:i + len(t)] += self.bright ** (h - 1) * shape * np.sin(2 * np.pi * hz * h * t)


def up_from(lowest, note):
    """The note of this pitch class at or above `lowest`."""
    return lowest + (note - lowest) % 12


def compose(rng, key, chords, closes, broken):
    bar, rounds = float(rng.choice([1, 1.5, 2])), int(rng.integers(2, 5))
    chords = chords * rounds + chords[:closes]
    piece, lowest = Piece(rng, len(chords) * bar), 34 + int(rng.integers(8))
    for n, (degree, is_minor) in enumerate(chords):
        at, root, triad = n * bar, key % 12 + degree, (0, 3 if is_minor else 4, 7)
        piece.tone(at, bar, up_from(lowest, root), .12, .5 * piece.decay)
        for tone in triad:
            for k in range(int(bar / .25) if broken else 1):
                if not broken:
                    piece.tone(at, bar, up_from(55, root + tone), .07, piece.decay)
                elif rng.random() < .6:
                    piece.tone(at + .25 * k, min(.5, bar - .25 * k), up_from(55, root + tone), .07, piece.decay + 1)
        for k in range(int(bar / .5)):
            if rng.random() < .7:
                note = root + rng.choice(triad) if rng.random() < .75 else key % 12 + rng.choice(SCALES[key // 12])
                piece.tone(at + .5 * k, min(.5, bar - .5 * k), up_from(67, note), .09, piece.decay)
    return .5 * piece.out / np.abs(piece.out).max()


def make(folder):
    """Writes the pieces into `folder`; returns path -> (key, rendering)."""
    rng, out = np.random.default_rng(5), {}
    for mode, progressions in enumerate((MAJOR, MINOR)):
        for name, chords in progressions.items():
            for i in range(RENDERINGS):
                key, path = int(rng.integers(12)) + 12 * mode, os.path.join(folder, f"{name}_{i}.wav")
                soundfile.write(path, compose(rng, key, chords, int(i < 4), i % 2), RATE, subtype="FLOAT")
                out[path] = key, i
    return out
