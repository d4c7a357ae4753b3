"""Log-mel spectra and the floors of their bands, exactly as plugins/features/network.c makes them from the host's power
spectrum.

The host's spectrum (plugins/sdk/sonde/plugin.h): mid channel at 22,050 Hz, periodic Hann window of 2,048 samples, hop 512,
frame k centred on sample 512 k, zeros outside, scaled so that a full-scale sine peaks at 1.
"""
import numpy as np
from scipy.signal import resample_poly

RATE = 22050
WINDOW = 2048
HOP = 512
BANDS = 64
LOWEST, HIGHEST = 40.0, 10000.0
FLOOR = 1e-9  # power, -90 dB re a full-scale sine

# Above the telephone's band bands count for less, 36 dB an octave: what is up there tells recordings apart more than
# sounds (measured: leaving it in costs 5 to 10 points on sources never heard before).
CEILING, CEILING_SLOPE = 3400.0, 36.0


def hz_to_mel(hz):
    """O'Shaughnessy 1987: 2595 log10(1 + f/700)."""
    return 2595.0 * np.log10(1.0 + np.asarray(hz, dtype=np.float64) / 700.0)


def mel_to_hz(mel):
    return 700.0 * (10.0 ** (np.asarray(mel, dtype=np.float64) / 2595.0) - 1.0)


def edges():
    """Band b is a triangle from edge b over edge b+1 (peak 1) to edge b+2, in Hz."""
    return mel_to_hz(np.linspace(hz_to_mel(LOWEST), hz_to_mel(HIGHEST), BANDS + 2))


def filters():
    """[BANDS, WINDOW/2 + 1] weights."""
    hz = np.arange(WINDOW // 2 + 1) * (RATE / WINDOW)
    e = edges()
    up = (hz[None, :] - e[:-2, None]) / (e[1:-1] - e[:-2])[:, None]
    down = (e[2:, None] - hz[None, :]) / (e[2:] - e[1:-1])[:, None]
    return np.maximum(0.0, np.minimum(up, down)).astype(np.float32)


def apart(filters):
    """Where the floor of each band is looked for: [2 BANDS], its first run of three bins, the one behind its last, and so on."""
    inside = [np.nonzero(weights)[0] for weights in filters]
    return np.concatenate([(bins[0], bins[-1] - 1) for bins in inside])


FILTERS = filters()
APART = apart(FILTERS)
HEARD = (-np.log(10) / 10 * CEILING_SLOPE * np.maximum(0, np.log2(edges()[1:-1] / CEILING))).astype(np.float32)


def to_rate(samples, rate):
    """Mono float32 at RATE."""
    if samples.ndim == 2:
        samples = samples.mean(axis=1)
    if rate != RATE:
        common = np.gcd(int(rate), RATE)
        samples = resample_poly(samples, RATE // common, int(rate) // common)
    return samples.astype(np.float32)


def power(samples):
    """Power spectrum [frames, WINDOW/2 + 1] by the host's definition."""
    if len(samples) == 0:
        return np.zeros((0, WINDOW // 2 + 1), np.float32)
    frames = (len(samples) - 1) // HOP + 1
    padded = np.concatenate([np.zeros(WINDOW // 2, np.float32), samples, np.zeros(WINDOW, np.float32)])
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
    view = np.lib.stride_tricks.as_strided(padded, (frames, WINDOW), (HOP * padded.strides[0], padded.strides[0]))
    out = np.empty((frames, WINDOW // 2 + 1), np.float32)
    scale = 2.0 / window.sum()
    for i in range(0, frames, 512):
        spectrum = np.fft.rfft(view[i:i + 512] * window, axis=1) * scale
        out[i:i + 512] = spectrum.real ** 2 + spectrum.imag ** 2
    return out


def log_mel(samples):
    """[frames, 2, BANDS]: the natural logarithm of each band's power, and of its floor: the power that the band would have if all
    of it were like its faintest three bins in a row. Between the partials of music its floor is what else sounds."""
    p = power(samples)
    runs = (p[:, :-2] + p[:, 1:-1] + p[:, 2:]) / 3
    floors = np.minimum.reduceat(runs, APART, axis=1)[:, ::2] * FILTERS.sum(1)
    return np.log(np.stack([p @ FILTERS.T, floors], 1) + FLOOR).astype(np.float32)


def heard(x):
    """What the network is given of log_mel's [..., BANDS]: bands above the ceiling count for less, the floor is what it was."""
    return np.log(np.maximum(np.exp(x.astype(np.float32)) - FLOOR, 0) * np.exp(HEARD) + FLOOR)


def of_noise(seconds=60):
    """[2, BANDS]: how the floors of noise lie below its bands, on average, in nepers; of the bands themselves 0."""
    noise = log_mel(np.random.default_rng(5).normal(0, .1, seconds * RATE).astype(np.float32))[4:-4]
    return (noise - noise[:, :1]).mean(0)
