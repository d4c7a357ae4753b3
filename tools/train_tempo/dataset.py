"""Builds training data for tempo_meter: dataset.py OUT [--audio FOLDER] [--composed FOLDER...] [--mixes N]

OUT.pkl: a list of {x: band amplitudes (frames, 48), beats, down (None: unknown), bpm, kind, fold, name}. FOLDER is a
labelled folder as tools/evaluate takes it; composed folders come from compose.py. From the folder's loops N mixes a fold are
made: several loops at one tempo, repeated for 50 s, layers coming and going. Noises are made here too. Clips of one song or
pack share a fold (0 to 3); what is composed belongs to none (-1) and is never tested on. Needs ffmpeg for what libsndfile
can't read.

--bands DIR also writes what tools/train_tempo/measure reads: the bands of every labelled clip and of the mixes, and a list of
each fold, DIR/0.list to DIR/3.list.
"""
import argparse
import csv
import glob
import json
import math
import os
import pickle
import re
import subprocess
import zlib

import numpy as np
import soundfile
from scipy.signal import resample_poly

RATE, WINDOW, HOP, BANDS = 22050, 2048, 512, 48
FPS = RATE / HOP
SONGS = ('fnf', 'mir_misc', 'blinky_edm')
FOLDS = 4
DRUMS = re.compile('drum|perc|shaker|top|kick|hat|beat|clap|snare|808|breaks', re.I)


def decode(path, rate=RATE):
    """Mono. What libsndfile reads takes a tenth of the time that a start of ffmpeg takes."""
    try:
        samples, recorded = soundfile.read(path, dtype='float32', always_2d=True)
        common = math.gcd(recorded, rate)
        return resample_poly(samples.mean(1), rate // common, recorded // common).astype(np.float32)
    except soundfile.LibsndfileError:
        pass
    raw = subprocess.run(['ffmpeg', '-v', 'error', '-i', path, '-ac', '1', '-ar', str(rate), '-af', 'aresample=resampler=soxr',
                          '-f', 'f32le', '-'], check=True, stdout=subprocess.PIPE).stdout
    return np.frombuffer(raw, '<f4')


def triangles():
    """The weights of plugins/tempo_meter/bands.c."""
    edges = []
    for i in range(BANDS + 2):
        edge = round(32 * 2 ** (i / 6) / (RATE / WINDOW))
        edges.append(min(WINDOW // 2, max(edge, edges[-1] + 1 if edges else 0)))
    weights = np.zeros((WINDOW // 2 + 1, BANDS))
    for b in range(BANDS):
        low, peak, high = edges[b:b + 3]
        bins = np.arange(low + 1, high)
        weights[bins, b] = np.where(bins <= peak, (bins - low) / (peak - low), (high - bins) / (high - peak))
    return weights / weights.sum(0)


WEIGHTS = triangles()
HANN = .5 - .5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)


def bands(samples):
    count = (len(samples) - 1) // HOP + 1
    padded = np.pad(samples, (WINDOW // 2, WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:count]
    out = np.empty((count, BANDS), np.float32)
    for start in range(0, count, 512):
        power = np.abs(np.fft.rfft(frames[start:start + 512] * HANN) / (WINDOW / 4)) ** 2
        out[start:start + 512] = np.sqrt(power @ WEIGHTS)
    return out


def family(path):
    """What clips of one song or pack have in common in their name."""
    name = os.path.basename(path)
    for pattern in (r'Manifxtsounds_-_([A-Za-z_]+?)_(?:Drum|Perc|Shaker|Top|Kick)', r'BPM_([A-Za-z0-9]+)', r'(pop\d+)'):
        match = re.search(pattern, name)
        if match:
            return match.group(1)
    if path.startswith('fnf'):
        return name.split('_')[1]
    return re.sub(r'_[^_]+_(fluidr3|musescore|timgm)\.ogg', '', name) if path.startswith('asap') else name[:24]


def fold_of(path):
    return zlib.crc32(family(path).encode()) % FOLDS


def read_labels(folder):
    clips = {}
    with open(os.path.join(folder, 'labels.csv'), encoding='utf-8', newline='') as f:
        for row in csv.DictReader(f):
            clips.setdefault(row['path'], {'dataset': row['dataset']})[row['task']] = row['label']
    return clips


def read_times(folder, name):
    with open(os.path.join(folder, name), encoding='utf-8') as f:
        return np.array([float(line.split()[0]) for line in f if line.strip()])


def downbeats_from_chords(folder, clip, beats):
    """Chords change on downbeats: the phase where most do, if it is clear."""
    per_bar = {'4/4': 4, '3/4': 3, '6/8': 2}[clip['meter']]
    with open(os.path.join(folder, clip['chords']), encoding='utf-8') as f:
        chords = [line.split() for line in f if line.strip()]
    changes = [float(c[0]) for i, c in enumerate(chords) if i == 0 or c[2] != chords[i - 1][2]]
    near = [int(np.argmin(abs(beats - t))) for t in changes if abs(beats - t).min() < .12]
    votes = np.bincount(np.array(near, int) % per_bar, minlength=per_bar)
    first, second = np.sort(votes)[::-1][:2]
    return beats[votes.argmax()::per_bar] if first > 1.7 * second + 1 else None


def labelled(folder, skip):
    for path, clip in sorted(read_labels(folder).items()):
        dataset = clip['dataset']
        if 'tempo_bpm' not in clip or path in skip:
            continue
        item = {'x': bands(decode(os.path.join(folder, path))), 'beats': np.zeros(0), 'down': None, 'kind': 'song_tempo',
                'bpm': float(clip['tempo_bpm']), 'fold': fold_of(path), 'name': path}
        if 'beats' in clip:
            item['beats'] = read_times(folder, clip['beats'])
            item['kind'] = 'song' if dataset in SONGS else dataset
            if 'downbeats' in clip:
                item['down'] = read_times(folder, clip['downbeats'])
            elif 'chords' in clip:
                item['down'] = downbeats_from_chords(folder, clip, item['beats'])
        yield item


def mixes(folder, per_fold, rng):
    loops = []
    for path, clip in sorted(read_labels(folder).items()):
        if 'loops_bpm' in clip:
            x, bpm = decode(os.path.join(folder, path)), float(clip['loops_bpm'])
            beats = len(x) / RATE * bpm / 60
            if abs(beats - round(beats)) < .1:
                loops.append({'x': x, 'bpm': bpm, 'beats': round(beats), 'fold': fold_of(path), 'drums': bool(DRUMS.search(path))})
    for fold in range(FOLDS):
        mine = [loop for loop in loops if loop['fold'] == fold]
        for i in range(per_fold if mine else 0):
            yield {**mix(mine, mine[i % len(mine)], rng), 'kind': 'mix', 'fold': fold, 'name': f'mix {fold} {i}'}


def mix(loops, base, rng, seconds=50):
    bpm = base['bpm'] * np.exp(rng.uniform(-.08, .08))
    layers = [base]
    for drums in (True, False):
        wanted = rng.integers(0, 3)
        for loop in rng.permutation([loop for loop in loops if loop['drums'] == drums and loop is not base]):
            ratio = bpm / loop['bpm']
            if wanted > 0 and (.84 < ratio < 1.2 or .92 < ratio / 2 < 1.1):
                layers.append(loop)
                wanted -= 1
    period = 60 / bpm
    bars = int(seconds / (4 * period)) + 2
    out = np.zeros(int((bars * 4 * period + 1) * RATE))
    for k, loop in enumerate(layers):
        length = round(loop['beats'] * period * RATE)
        x = np.interp(np.linspace(0, len(loop['x']) - 1, length), np.arange(len(loop['x'])), loop['x'])
        x *= .08 * 10 ** (rng.uniform(-6, 4) / 20) / (np.sqrt((x ** 2).mean()) + 1e-6)
        layer = np.resize(x, len(out))
        for bar in range(0, bars, 4):
            if len(layers) > 1 and rng.random() < .25:
                layer[int(bar * 4 * period * RATE):int((bar + 4) * 4 * period * RATE)] = 0
        out += layer
    offset = rng.uniform(0, 4 * period)
    out = out[int(offset * RATE):int(offset * RATE) + seconds * RATE]
    if rng.random() < .3:
        out = np.tanh(out * rng.uniform(.5, 3))
    times = np.arange(bars * 4) * period - offset
    inside = (times >= 0) & (times < seconds)
    return {'x': bands(out.astype(np.float32)), 'beats': times[inside], 'down': times[::4][inside[::4]], 'bpm': bpm}


def noises(count, rng, seconds=30):
    """What has no beat: coloured noise, wind, showers of clicks, swelling tones, sounds in free time."""
    n = seconds * RATE
    frequency, time = np.fft.rfftfreq(n, 1 / RATE), np.arange(n) / RATE
    for i in range(count):
        x = rng.normal(0, 1, n)
        swell = np.interp(time, np.linspace(0, seconds, 24), np.exp(rng.normal(0, .8, 24)))
        if i % 5 == 0:
            low = rng.uniform(0, 2000)
            x = np.fft.irfft(np.fft.rfft(x) * ((frequency > low) & (frequency < low + rng.uniform(300, 9000))), n)
        elif i % 5 == 1:
            x = np.fft.irfft(np.fft.rfft(x) / (1 + frequency / rng.uniform(50, 2000)), n) * swell
        elif i % 5 == 2:
            clicks = (rng.random(n) < rng.uniform(5, 400) / RATE) * rng.exponential(1, n)
            x = np.convolve(clicks, np.exp(-np.arange(200) / rng.uniform(2, 40)), 'same') * 20 + x * rng.uniform(0, .5)
        elif i % 5 == 3:
            x = .02 * x + swell * sum(np.sin(2 * np.pi * f * time) for f in rng.uniform(50, 2000, 5))
        else:
            x, at = .003 * x, .3
            while at < seconds - 1:
                tone, decay = rng.uniform(100, 1500), rng.uniform(.02, .6)
                part = time[time >= at] - at
                x[-len(part):] += np.exp(-part / decay) * np.sin(2 * np.pi * tone * part)
                at += rng.gamma(1.2, .6) + .1
        yield {'x': bands((.7 * x / np.abs(x).max()).astype(np.float32)), 'beats': np.zeros(0), 'down': np.zeros(0), 'bpm': 0,
               'kind': 'none', 'fold': -1, 'name': f'noise {i}'}


def unrhythmic(folder, rng, per_fold=6):
    """Speech and nature, a few clips in a row."""
    pools = {}
    for path, clip in sorted(read_labels(folder).items()):
        if clip['dataset'] in ('debian_speech', 'emodb', 'fsdd', 'scikit_maad') or clip.get('class') in (
                'Rain', 'Sea waves', 'Fire crackling', 'Dog bark', 'Rooster', 'Baby cry', 'Person sneeze'):
            pools.setdefault((clip['dataset'], zlib.crc32(path.encode()) % FOLDS), []).append(path)
    for (dataset, fold), paths in sorted(pools.items()):
        for _ in range(per_fold):
            parts, length = [], 0
            while length < 1500:
                x = bands(decode(os.path.join(folder, paths[rng.integers(len(paths))])))
                parts.append(.05 * x / (np.sqrt((x ** 2).mean()) + 1e-9))
                length += len(x)
            yield {'x': np.concatenate(parts).astype(np.float32), 'beats': np.zeros(0), 'down': np.zeros(0), 'bpm': 0,
                   'kind': 'none', 'fold': fold, 'name': dataset}


def composed(folder):
    for name in sorted(glob.glob(os.path.join(folder, '*.json'))):
        with open(name, encoding='utf-8') as f:
            song = json.load(f)
        yield {'x': bands(decode(name[:-5] + '.wav')), 'beats': np.array(song['beats']), 'down': np.array(song['downbeats']),
               'bpm': song['bpm'], 'kind': 'composed', 'fold': -1, 'name': name}


def write_bands(out, folder, mixed):
    os.makedirs(out, exist_ok=True)
    lists = [open(os.path.join(out, f'{fold}.list'), 'w', encoding='utf-8') for fold in range(FOLDS)]

    def add(name, x, fold, *rest):
        path = os.path.join(out, name.replace('/', '__').replace(' ', '_') + '.f32')
        x.astype('<f4').tofile(path)
        print(path, name, *rest, sep='\t', file=lists[fold])

    for path in sorted(read_labels(folder)):
        samples = decode(os.path.join(folder, path))
        if len(samples) > 1:
            add(path, bands(samples), fold_of(path), len(samples) / RATE)
    for item in mixed:
        add(item['name'], item['x'], item['fold'], len(item['x']) / FPS, item['bpm'])
    for f in lists:
        f.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out')
    parser.add_argument('--audio', help='labelled folder')
    parser.add_argument('--skip', default='', help='paths whose labels are wrong, by commas')
    parser.add_argument('--composed', nargs='*', default=[])
    parser.add_argument('--mixes', type=int, default=50)
    parser.add_argument('--bands', metavar='DIR')
    args = parser.parse_args()
    rng = np.random.default_rng(1)
    data = [item for folder in args.composed for item in composed(folder)] + list(noises(60, rng))
    if args.audio:
        mixed = list(mixes(args.audio, args.mixes, rng))
        data += list(labelled(args.audio, set(args.skip.split(',')))) + mixed + list(unrhythmic(args.audio, rng))
        if args.bands:
            write_bands(args.bands, args.audio, mixed)
    with open(args.out, 'wb') as f:
        pickle.dump(data, f, protocol=4)
    print({kind: sum(d['kind'] == kind for d in data) for kind in sorted({d['kind'] for d in data})})


if __name__ == '__main__':
    main()
