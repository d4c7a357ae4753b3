"""Makes up produced music with known beats: produce.py OUT.pkl COUNT [--seed N] [--fonts A.sf2 ...]

The notes come from compose.py; drums, basses, keys and voices are synthesised here, each with its own random character, or
rendered with a soundfont, and go through what productions do to them: filters, echo, rooms, distortion, and a bass drum that
ducks everything else. Stems are kept apart, as band amplitudes, so that train.py can mix each song anew every time.

OUT.pkl: a list as dataset.py writes it, with `stems` (a list of (frames, 48), half precision) in place of x; the first holds
kick and snare, the second other percussion, the rest bass, chords and lead.
"""
import argparse
import glob
import os
import pickle
import random
import re
import subprocess
import tempfile

import numpy as np
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

import compose
from dataset import FPS, RATE, bands, decode

# Styles beside those of compose.py, as there: tempo range, beats a bar, steps a beat, swing, share with drums.
compose.STYLES.update({
    'game': (96, 200, 4, 4, (0, 0), .95), 'edm': (100, 150, 4, 4, (0, 0), 1), 'halftime': (130, 182, 4, 4, (0, 0), 1),
    'country': (76, 180, 4, 4, (0, .2), .95), 'soul': (60, 120, 4, 4, (0, .6), .95), 'metal': (90, 220, 4, 4, (0, 0), 1),
    'rock3': (84, 180, 3, 2, (0, 0), .95), 'rock12': (50, 100, 4, 3, (0, 0), .95), 'rock6': (40, 90, 2, 3, (0, 0), .95)})
WEIGHT = {'game': 5, 'edm': 4, 'rock': 4, 'pop': 4, 'house': 2, 'techno': 2, 'halftime': 2, 'trap': 2, 'hiphop': 3, 'country': 3,
          'soul': 3, 'metal': 2, 'rock3': 3, 'rock6': 3, 'rock12': 2, 'waltz': 2, 'ballad3': 2, 'breaks': 2, 'dnb': 2, 'funk': 2}
LOW_DRUMS = {36, 38, 39, 37, 45, 47, 48}
KITS = '/usr/share/hydrogen/data/drumkits'  # Debian's hydrogen-drumkits: recorded strokes, by the names of their files
STROKES = {36: 'kick|bass.?drum|^bd', 38: 'snare|^sd', 37: 'rim|stick', 39: 'clap', 42: '(hat|^hh).*(cl|1|light)|hat|^hh', 44: 'hat|^hh',
           46: '(hat|^hh).*op', 49: 'crash', 51: 'ride', 45: 'tom', 47: 'tom', 48: 'tom'}


class Voice:
    """An instrument of one song: renders single notes."""

    def __init__(self, rng, kind):
        self.kind = kind
        self.shape = rng.choice(('saw', 'square', 'sine', 'pair', 'fm')) if kind != 'sing' else 'sing'
        self.attack = rng.choice((.002, .005, .01, .03)) if kind != 'pad' else rng.uniform(.02, .3)
        self.decay = rng.choice((.08, .2, .5, 2.0))
        self.sustain = rng.choice((0, .3, .6, .9)) if self.decay < 1 else .5
        self.detune = rng.uniform(.001, .012)
        self.index = rng.uniform(.5, 5)
        self.late = rng.uniform(-.01, .05) if kind == 'sing' else 0
        self.known = {}

    def note(self, pitch, seconds):
        key = pitch, round(seconds, 2)
        if key not in self.known:
            self.known[key] = self.make(440 * 2 ** ((pitch - 69) / 12), key[1] + .06)
        return self.known[key]

    def make(self, hz, seconds):
        t = np.arange(int(seconds * RATE), dtype=np.float32) / RATE
        phase = hz * t
        if self.shape == 'sing':
            phase = phase + hz * .004 * np.sin(2 * np.pi * 5.5 * t) / 5 - .02 * hz * .03 * np.exp(-t / .03)
            x = sum(np.sin(2 * np.pi * k * phase) / k * (1 + 4 * np.exp(-((k * hz - 700) / 400) ** 2)) for k in range(1, 9)
                    if k * hz < RATE / 2)
        elif self.shape == 'sine':
            x = np.sin(2 * np.pi * phase)
        elif self.shape == 'square':
            x = np.sign(np.sin(2 * np.pi * phase)) * .6
        elif self.shape == 'fm':
            x = np.sin(2 * np.pi * phase + self.index * np.exp(-t / self.decay) * np.sin(4 * np.pi * phase))
        else:
            x = 2 * (phase % 1) - 1
            if self.shape == 'pair':
                x = .5 * x + (phase * (1 + self.detune)) % 1 - .5
        shape = np.minimum(1, t / self.attack) * (self.sustain + (1 - self.sustain) * np.exp(-t / self.decay))
        return (x * shape * np.minimum(1, (t[-1] - t) / .05)).astype(np.float32)


def drum(rng, number):
    """One stroke of a made-up drum."""
    if number in (36, 45, 47, 48):
        t = np.arange(int(rng.uniform(.12, .5) * RATE)) / RATE
        low = {36: rng.uniform(40, 65)}.get(number, rng.uniform(80, 180))
        sweep = low * t + rng.uniform(20, 250) * rng.uniform(.01, .05) * (1 - np.exp(-t / rng.uniform(.01, .05)))
        x = np.sin(2 * np.pi * sweep) * np.exp(-t / rng.uniform(.06, .25))
        return x + rng.uniform(0, .5) * np.exp(-t / .003) * np.array([rng.uniform(-1, 1) for _ in range(len(t))])
    generator = np.random.default_rng(rng.randrange(1 << 30))
    long = {49: 1.2, 51: .5, 46: .35, 38: .25, 39: .25}.get(number, .08)
    t = np.arange(int(2.2 * long * RATE)) / RATE
    noise = generator.normal(0, 1, len(t))
    if number == 38:
        noise = sosfilt(butter(2, (rng.uniform(200, 900), rng.uniform(4000, 9500)), 'band', fs=RATE, output='sos'), noise)
        body = np.sin(2 * np.pi * rng.uniform(150, 240) * t) * np.exp(-t / rng.uniform(.03, .12))
        return noise * np.exp(-t / rng.uniform(.04, .2)) + rng.uniform(.2, 1.5) * body
    if number == 39:
        noise = sosfilt(butter(2, (900, 3500), 'band', fs=RATE, output='sos'), noise)
        return noise * sum(np.exp(-np.maximum(0, t - d) / (.01 if d < .02 else .1)) * (t >= d) for d in (0, .01, .02))
    if number in (37, 62, 64, 75):
        return np.sin(2 * np.pi * {37: 900, 62: 330, 64: 220, 75: 2400}[number] * rng.uniform(.8, 1.25) * t) * np.exp(-t / .03)
    high = sosfilt(butter(2, rng.uniform(4000, 8000), 'high', fs=RATE, output='sos'), noise)
    return high * np.exp(-t / (long * rng.uniform(.25, .8)))


def recorded(rng, kit, number):
    """A stroke of a recorded kit, or None where it has no such drum."""
    files = [f for f in sorted(glob.glob(os.path.join(glob.escape(kit), '*.*')))
             if number in STROKES and re.search(STROKES[number], os.path.basename(f), re.I) and not f.endswith('xml')]
    return decode(rng.choice(files))[:2 * RATE] if files else None


def strike(rng, kit, number):
    x = recorded(rng, kit, number) if kit else None
    return leveled(drum(rng, number) if x is None or len(x) < 100 else x, .1)


def place(out, at, x, gain):
    start = int(at * RATE)
    if 0 <= start < len(out):
        part = x[:len(out) - start]
        out[start:start + len(part)] += gain * part


def room(x, rng):
    n = int(rng.uniform(.15, 1.4) * RATE)
    tail = np.random.default_rng(rng.randrange(1 << 30)).normal(0, 1, n) * np.exp(-5 * np.arange(n) / n)
    tail = lfilter([.4], [1, -.6], tail)
    return x + rng.uniform(.05, .5) * fftconvolve(x, tail / np.sqrt((tail ** 2).sum()))[:len(x)]


def echo(x, rng, beat):
    lag, out = int(beat * rng.choice((.5, .75, 1, .25)) * RATE), x.copy()
    for k in range(1, 4):
        if k * lag < len(x):
            out[k * lag:] += rng.uniform(.2, .6) ** k * x[:-k * lag]
    return out


def colour(x, rng, beat):
    """What a channel strip does."""
    if rng.random() < .5:
        x = sosfilt(butter(2, np.exp(rng.uniform(np.log(500), np.log(9000))), 'low', fs=RATE, output='sos'), x)
    if rng.random() < .25:
        top = np.abs(x).max() + 1e-9
        x = np.tanh(x / top * rng.uniform(2, 15))
    if rng.random() < .2:
        x = echo(x, rng, beat)
    return room(x, rng) if rng.random() < .5 else x


def ducked(x, kicks, rng, beat):
    gain = np.ones(len(x), np.float32)
    t = np.arange(int(beat * .9 * RATE)) / RATE
    dip = (1 - rng.uniform(.4, .95) * np.exp(-t / rng.uniform(.05, .2))).astype(np.float32)
    for at in kicks:
        start = int(at * RATE)
        if 0 <= start < len(x):
            part = dip[:len(x) - start]
            gain[start:start + len(part)] = np.minimum(gain[start:start + len(part)], part)
    return x * gain


def song_of(rng, seconds):
    styles = sorted(compose.STYLES)
    song = compose.Song(rng, rng.choices(styles, [WEIGHT.get(s, 1) for s in styles])[0], seconds)
    compose.add_harmony(song)
    if rng.random() < song.drums:
        compose.add_drums(song)
    return song


def with_font(song, beats, font, seconds):
    with tempfile.TemporaryDirectory() as folder:
        midi, wave = os.path.join(folder, 'a.mid'), os.path.join(folder, 'a.wav')
        with open(midi, 'wb') as f:
            f.write(compose.midi_bytes(song, beats))
        subprocess.run(['fluidsynth', '-ni', '-q', '-g', '0.5', '-r', str(RATE), '-R', '0', '-F', wave, font, midi], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return np.resize(np.pad(decode(wave), (0, seconds * RATE)), seconds * RATE)


def leveled(x, level):
    return (level / (np.sqrt((x ** 2).mean()) + 1e-6) * x).astype(np.float32) if np.any(x) else x


def produce(seed, fonts, seconds=40):
    rng = random.Random(seed)
    song = song_of(rng, seconds)
    beats = song.clock()
    n, beat, events = seconds * RATE, 60 / song.bpm, song.events
    tracks = [np.zeros(n, np.float32) for _ in range(5)]
    kit, kicks, folder = {}, [], rng.choice(sorted(glob.glob(KITS + '/*')) or ['']) if rng.random() < .5 else ''
    for step, _, channel, number, velocity in events:
        if channel == 9:
            if number not in kit:
                kit[number] = strike(rng, folder, number) * 10 ** (rng.gauss(0, 3) / 20)
            at = song.seconds(beats, step) + (rng.gauss(0, song.lazy / 3) if song.lazy else 0)
            kicks += [at] if number == 36 else []
            place(tracks[0 if number in LOW_DRUMS else 1], at, kit[number], (velocity / 100) ** 2)
    voices = {0: Voice(rng, rng.choice(('keys', 'pad', 'keys'))), 1: Voice(rng, 'bass'),
              2: Voice(rng, rng.choice(('sing', 'lead', 'sing')))}
    sampled = {c for c in voices if rng.random() < .45}
    for step, length, channel, pitch, velocity in events:
        if channel in voices and channel not in sampled:
            start, stop = song.seconds(beats, step), song.seconds(beats, step + length)
            voice = voices[channel]
            late = voice.late + abs(rng.gauss(0, .02)) if voice.kind == 'sing' else 0
            place(tracks[2 + (1, 0, 2)[channel]], start + late, voice.note(pitch, max(.05, min(4, stop - start))), velocity / 100)
    if sampled:
        song.events = [e for e in events if e[2] in sampled]
        tracks[3] = leveled(tracks[3], .05) + leveled(with_font(song, beats, rng.choice(fonts), seconds), .06)
    duck = song.style in ('edm', 'house', 'techno', 'game', 'pop') and rng.random() < .5
    for i in range(2, 5):
        if np.any(tracks[i]):
            tracks[i] = leveled(colour(tracks[i], rng, beat), (.06, .05, .04)[i - 2])
            tracks[i] = ducked(tracks[i], kicks, rng, beat) if duck else tracks[i]
    shared = rng.random() < .4  # drums in a room
    level = 10 ** (rng.gauss(0, 3) / 20)
    for i in range(2):
        tracks[i] = room(tracks[i] * level, rng) if shared and np.any(tracks[i]) else tracks[i] * level
    beats = np.array([b for b in beats if b < seconds])
    return {'stems': [bands(t).astype(np.float16) for t in tracks if np.any(t)], 'drums': bool(np.any(tracks[0])),
            'beats': beats, 'down': beats[::song.meter], 'bpm': song.bpm, 'kind': 'produced', 'fold': -1,
            'name': f'{song.style} {seed}', 'meter': song.meter, 'steps': song.steps}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out')
    parser.add_argument('count', type=int)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--fonts', nargs='+', default=sorted(glob.glob('/usr/share/sounds/sf2/[FT]*.sf2')))
    args = parser.parse_args()
    songs = [produce(args.seed * 1000003 + i, args.fonts) for i in range(args.count)]
    with open(args.out, 'wb') as f:
        pickle.dump(songs, f, protocol=4)
    print(f'{len(songs)} songs, {sum(len(s["stems"][0]) for s in songs if s["stems"]) / FPS / 60:.0f} minutes')


if __name__ == '__main__':
    main()
