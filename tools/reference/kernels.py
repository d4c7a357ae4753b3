#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Reference vectors for the kernels hpss, yin and cqt: kernels.py > tests/unit/kernels_reference.h

Each function follows librosa's definition (decompose.hpss with softmask, yin, cqt and feature.chroma_cqt, 0.10) step by
step, in double precision and without its shortcuts: no sparse kernels, no resampling. The signals are made by the same
arithmetic in tests/unit/test_music_kernels.c. Needs NumPy and SciPy (python3-numpy, python3-scipy)."""
import numpy as np
from scipy.ndimage import median_filter

RATE = 22050


def noise(n, seed=1):
    out = np.empty(n)
    x = seed
    for i in range(n):
        x = (x * 1664525 + 1013904223) % 2**32
        out[i] = (x >> 8) / 8388608.0 - 1.0
    return out


def signal(n):
    """A vibrato tone with harmonics that glides up, a little noise, and a silent end."""
    t = np.arange(n) / RATE
    phase = 2 * np.pi * (220 * t + 40 * t * t) + 0.3 * np.sin(2 * np.pi * 5 * t)
    x = sum(0.5**h * np.sin(h * phase) for h in range(1, 6)) + 0.01 * noise(n)
    x[n - n // 8 :] = 0
    return x.astype(np.float32).astype(float)


def hpss(S, time_window, frequency_window, margin_h, margin_p, power=2.0):
    harm = median_filter(S, size=(1, time_window), mode="reflect")
    perc = median_filter(S, size=(frequency_window, 1), mode="reflect")

    def softmask(X, ref, split):
        Z = np.maximum(X, ref)
        bad = Z < np.finfo(np.float32).tiny
        Z[bad] = 1
        mask, other = (X / Z) ** power, (ref / Z) ** power
        good = ~bad
        mask[good] /= mask[good] + other[good]
        mask[bad] = 0.5 if split else 0.0
        return mask

    split = margin_h == 1 and margin_p == 1
    return S * softmask(harm, perc * margin_h, split), S * softmask(perc, harm * margin_p, split)


def yin(y, fmin, fmax, length=2048, window=1024, hop=512, threshold=0.1):
    y = np.pad(y, length // 2)
    frames = 1 + (len(y) - length) // hop
    lo, hi = int(np.floor(RATE / fmax)), min(int(np.ceil(RATE / fmin)), length - window - 1)
    out = []
    for k in range(frames):
        x = y[k * hop : k * hop + length]
        d = np.array([np.sum((x[1 : window + 1] - x[1 + t : window + 1 + t]) ** 2) for t in range(hi + 1)])
        mean = np.cumsum(d[1:]) / np.arange(1, hi + 1)
        v = d[lo : hi + 1] / (mean[lo - 1 : hi] + np.finfo(float).tiny)
        shift = np.zeros_like(v)
        a, b = v[2:] + v[:-2] - 2 * v[1:-1], (v[2:] - v[:-2]) / 2
        use = np.abs(b) < np.abs(a)
        shift[1:-1][use] = -b[use] / a[use]
        trough = np.zeros(len(v), bool)
        trough[1:-1] = (v[1:-1] < v[:-2]) & (v[1:-1] <= v[2:])
        trough[0], trough[-1] = v[0] < v[1], v[-1] < v[-2]
        below = trough & (v < threshold)
        i = int(np.argmax(below)) if below.any() else int(np.argmin(v))
        out.append((RATE / (lo + i + shift[i]), v[i]))
    return out


def cqt(y, frames, hop=512, fmin=32.70319566257483, octaves=7, bins=36):
    r = 2 ** (2 / bins)
    alpha = (r - 1) / (r + 1)
    C = np.zeros((len(frames), octaves * bins))
    for k in range(octaves * bins):
        f = fmin * 2 ** (k / bins)
        N = RATE / (alpha * f)
        n = np.arange(-np.ceil(N / 2) + 1, np.ceil(N / 2)).astype(int)
        w = 0.5 + 0.5 * np.cos(2 * np.pi * n / N)
        kernel = w / w.sum() * np.exp(-2j * np.pi * f * n / RATE) * np.sqrt(N)
        for i, frame in enumerate(frames):
            at = frame * hop + n
            inside = (at >= 0) & (at < len(y))
            C[i, k] = np.abs(np.sum(y[at[inside]] * kernel[inside]))
    return C


def chroma(C, bins=36):
    merge = bins // 12
    to = np.roll(np.repeat(np.eye(12), merge, axis=1), -int(merge // 2), axis=1)
    to = np.tile(to, C.shape[1] // bins)  # fmin is a C
    c = C @ to.T
    return c / np.maximum(c.max(axis=1, keepdims=True), 1e-30)


def table(name, values):
    values = np.asarray(values, float).ravel()
    print(f"static const float {name}[{len(values)}] = {{")
    for i in range(0, len(values), 8):
        print("    " + ", ".join(f"{v:.7g}f" if "." in f"{v:.7g}" or "e" in f"{v:.7g}" else f"{v:.7g}.0f" for v in values[i : i + 8]) + ",")
    print("};")


def main():
    print("/* Made by tools/reference/kernels.py, which says how. */")
    print("#ifndef SONDE_TESTS_KERNELS_REFERENCE_H\n#define SONDE_TESTS_KERNELS_REFERENCE_H\n")
    S = np.abs(noise(37 * 41, 7)).astype(np.float32).astype(float).reshape(37, 41)  # frames x bins
    S[5] += 2.0
    S[:, 9] += 1.5
    S[20:24, 20:30] = 0.0
    S = S.astype(np.float32).astype(float)
    for name, args in (("plain", (7, 9, 1.0, 1.0)), ("margin", (31, 31, 2.0, 3.0))):
        h, p = hpss(S.T, *args)
        rows = slice(0, 37, 4)
        table(f"hpss_{name}_harmonic", h.T[rows])
        table(f"hpss_{name}_percussive", p.T[rows])
    y = signal(RATE)
    found = yin(y, 65.40639132514966, 2093.004522404789)
    table("yin_pitch", [f for f, _ in found])
    table("yin_depth", [d for _, d in found])
    frames = list(range(0, 44, 6))
    C = cqt(y, frames)
    table("cqt_magnitude", C)
    table("cqt_chroma", chroma(C))
    print("\n#endif")


if __name__ == "__main__":
    main()
