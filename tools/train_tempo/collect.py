"""A labelled folder of music that people wrote, whose beats are known to the millisecond: collect.py OUT [--packages DIR]

Out of Debian's packages of free games come tracker modules, MIDI files (rendered with Debian's soundfonts) and the songs of
Frets on Fire, which are recordings; the times of their rows and ticks are the beats. Nothing is trained or fitted on them:

    tools/train_tempo/collect.py /tmp/collected && tools/evaluate /tmp/collected

The packages are downloaded into DIR (default OUT/packages) and unpacked there, not installed. OUT gets a WAV file a piece, its
beats and downbeats, and labels.csv as tools/evaluate reads it. How many rows of a module make a beat isn't written in it: taken
are four, eight, sixteen or thirty-two, the fewest that are slower than 200 a minute, so a module's Accuracy1 says less than its
Accuracy2. A MIDI file is left out where its notes don't keep to its beats. Needs Debian's libopenmpt0, python3-mido and fluidsynth.
"""
import argparse
import csv
import ctypes
import glob
import gzip
import os
import subprocess
import tempfile
import zlib

import mido
import numpy as np
import soundfile

from dataset import RATE, decode

SECONDS = 75
CHUNK = 32  # samples between two looks at a module's row
PACKAGES = """ballz-data biniax2-data black-box bomberclone-data bugsquish circuslinux-data criticalmass-data cuyo-data
dodgindiamond2 fb-music-high flobopuyo freedink-data freedroid-data fretsonfire-songs-muldjord fretsonfire-songs-sectoid gemdropx
gl-117-data gltron heroes-sound-tracks kobodeluxe-data madbomber-data monsterz-data njam-data open-invaders-data openttd-openmsx
pekka-kana-2-data penguin-command pingus-data pinball-table-hurd-data planetblupi-music-midi rafkill-data redeclipse-data ri-li-data
rockdodger simutrans-data solarwolf tecnoballz-data tomatoes-data tuxmath-data tuxtype-data vectoroids vodovod""".split()
MODULES, NOTES = ('.xm', '.mod', '.it', '.s3m', '.mod.gz', '.xm.gz'), ('.mid', '.midi')
FONTS = sorted(glob.glob('/usr/share/sounds/sf2/[FT]*.sf2'))


def fetch(folder):
    for package in PACKAGES:
        place = os.path.join(folder, package)
        if not os.path.exists(place):
            with tempfile.TemporaryDirectory() as download:
                subprocess.run(['apt-get', 'download', '-qq', package], cwd=download, check=True)
                archive = os.path.join(download, os.listdir(download)[0])
                subprocess.run(['dpkg-deb', '-x', archive, place + '.part'], check=True)
            os.rename(place + '.part', place)


def openmpt():
    library = ctypes.CDLL('libopenmpt.so.0')
    pointer, whole = ctypes.c_void_p, ctypes.c_int32
    for name, result, *arguments in (('create_from_memory2', pointer, ctypes.c_char_p, ctypes.c_size_t, *[pointer] * 7),
                                     ('read_float_mono', ctypes.c_size_t, pointer, whole, ctypes.c_size_t, pointer),
                                     ('get_current_order', whole, pointer), ('get_current_row', whole, pointer),
                                     ('get_current_pattern', whole, pointer), ('get_pattern_num_rows', whole, pointer, whole),
                                     ('destroy', None, pointer)):
        function = getattr(library, 'openmpt_module_' + name)
        function.restype, function.argtypes = result, arguments
    return library


def play(library, path):
    """A module's samples and its rows as (time, row in its pattern, rows of its pattern); None where it can't be played."""
    with (gzip.open if path.endswith('.gz') else open)(path, 'rb') as f:
        data = f.read()
    module = library.openmpt_module_create_from_memory2(data, len(data), *[None] * 7)
    if not module:
        return None
    out, rows, last, buffer = [], [], None, np.zeros(CHUNK, np.float32)
    while len(out) < SECONDS * RATE // CHUNK:
        if library.openmpt_module_read_float_mono(module, RATE, CHUNK, buffer.ctypes.data) < CHUNK:
            break
        here = library.openmpt_module_get_current_order(module), library.openmpt_module_get_current_row(module)
        if here != last:
            pattern = library.openmpt_module_get_current_pattern(module)
            rows.append((len(out) * CHUNK / RATE, here[1], library.openmpt_module_get_pattern_num_rows(module, pattern)))
            last = here
        out.append(buffer.copy())
    library.openmpt_module_destroy(module)
    return (np.concatenate(out), rows) if len(rows) > 64 else None


def of_module(library, path):
    """(samples, beats, downbeats or None), or None."""
    played = play(library, path)
    if not played:
        return None
    samples, rows = played
    row = (rows[-1][0] - rows[0][0]) / (len(rows) - 1)
    count = next((count for count in (4, 8, 16, 32) if 60 / row / count < 200), None)
    if not count or np.mean([length % count == 0 for _, _, length in rows]) < .9:
        return None
    whole = all(length % (4 * count) == 0 for _, _, length in rows)
    every = lambda n: np.array([time for time, row, _ in rows if row % n == 0])  # noqa: E731
    return samples, every(count), every(4 * count) if whole else None


def beat_ticks(file):
    """(ticks of the beats, ticks of the downbeats or None): a dotted note is the beat of 6/8, 9/8 and 12/8."""
    changes, length = [], 0
    for track in file.tracks:
        at = 0
        for message in track:
            at += message.time
            if message.type == 'time_signature':
                changes.append((at, message.numerator, message.denominator))
        length = max(length, at)
    known = bool(changes)
    changes = sorted(set(changes) if known and min(changes)[0] == 0 else {(0, 4, 4), *changes})
    beats, downs = [], []
    for (start, numerator, denominator), stop in zip(changes, [c[0] for c in changes[1:]] + [length]):
        step = file.ticks_per_beat * 4 // denominator
        if denominator == 8 and numerator % 3 == 0 and numerator > 3:
            step, numerator = 3 * step, numerator // 3
        beats += range(start, stop, step)
        downs += range(start, stop, step * numerator)
    return np.array(beats), np.array(downs) if known else None


def seconds_of(file, ticks):
    """Times of ticks, by the file's tempo map."""
    changes = []
    for track in file.tracks:
        at = 0
        for message in track:
            at += message.time
            if message.type == 'set_tempo':
                changes.append((at, message.tempo))
    at, time, tempo, points = 0, 0., 500000, [(0, 0.)]
    for tick, new in sorted(changes) + [(int(max(ticks, default=0)) + 1, 500000)]:
        time += (tick - at) * tempo / 1e6 / file.ticks_per_beat
        points.append((tick, time))
        at, tempo = tick, new
    return np.interp(ticks, *zip(*points))


def kept_to(onsets, beats):
    """Whether notes begin on the grid of the beats, so that this is what their writer counted in."""
    inside = onsets[(onsets >= beats[0]) & (onsets < beats[-1])]
    phase = np.interp(inside, beats, np.arange(len(beats)))
    return len(phase) > 40 and max(abs(np.exp(2j * np.pi * k * phase).mean()) for k in (2, 3, 4)) > .5


def rendered(file, font):
    """The beginning of a MIDI file as samples, and when its notes begin."""
    short, track, time, last, onsets = mido.MidiFile(ticks_per_beat=500), mido.MidiTrack(), 0., 0, []
    short.tracks.append(track)
    for message in file:
        time += message.time
        if time > SECONDS:
            break
        if not message.is_meta and message.type != 'sysex':
            tick = round(1000 * time)  # at 120 a minute a tick is a millisecond
            track.append(message.copy(time=tick - last))
            last = tick
            onsets += [time] if message.type == 'note_on' and message.velocity else []
    # what still sounds would sound for ever: pedals up, all sound off
    track += [mido.Message('control_change', channel=channel, control=control) for control in (64, 120) for channel in range(16)]
    with tempfile.TemporaryDirectory() as folder:
        midi, wave = os.path.join(folder, 'a.mid'), os.path.join(folder, 'a.wav')
        short.save(midi)
        subprocess.run(['fluidsynth', '-ni', '-q', '-g', '0.5', '-r', str(RATE), '-F', wave, font, midi], check=True, timeout=60,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return decode(wave), np.array(onsets)


def of_notes(path):
    file = mido.MidiFile(path, clip=True)
    beats, downs = beat_ticks(file)
    if len(beats) < 24:
        return None
    times = seconds_of(file, beats)
    samples, onsets = rendered(file, FONTS[zlib.crc32(os.path.basename(path).encode()) % len(FONTS)])
    return (samples, times, seconds_of(file, downs) if downs is not None else None) if kept_to(onsets, times) else None


def of_frets(folder):
    """A song of Frets on Fire: its recorded tracks, and the tempo map of the notes to play."""
    file = mido.MidiFile(os.path.join(folder, 'notes.mid'), clip=True)
    tracks = [decode(path) for path in sorted(glob.glob(os.path.join(folder, '*.ogg')))]
    samples = np.zeros(max(len(track) for track in tracks))
    for track in tracks:
        samples[:len(track)] += track
    beats, downs = beat_ticks(file)
    return samples[:2 * SECONDS * RATE], seconds_of(file, beats), seconds_of(file, downs) if downs is not None else None


def piece(library, path):
    """(dataset, samples, beats, downbeats or None) of a file, or None where it is no music or its beats aren't known."""
    try:
        if path.lower().endswith(MODULES):
            kind, found = 'modules', of_module(library, path)
        elif os.path.exists(os.path.join(os.path.dirname(path), 'song.ogg')):
            kind, found = 'fretsonfire', of_frets(os.path.dirname(path))
        else:
            kind, found = 'midi', of_notes(path)
    except (OSError, EOFError, ValueError, KeyError, IndexError, mido.KeySignatureError, subprocess.SubprocessError) as why:
        print(f'{path}: {why}')
        return None
    if not found or len(found[0]) < 8 * RATE:
        return None
    samples, *times = found
    beats, downs = (t[t < len(samples) / RATE] if t is not None else None for t in times)
    return (kind, samples, beats, downs) if len(beats) > 16 else None


def found(folder):
    for package in PACKAGES:
        for place, _, names in sorted(os.walk(os.path.join(folder, package))):
            for name in sorted(names):
                if name.lower().endswith(MODULES + NOTES):
                    yield os.path.join(place, name)


def write_times(name, times):
    with open(name, 'w', encoding='ascii') as f:
        f.writelines(f'{time:.4f}\n' for time in times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out')
    parser.add_argument('--packages', metavar='DIR', help='where packages are kept, unpacked')
    args = parser.parse_args()
    packages = args.packages or os.path.join(args.out, 'packages')
    os.makedirs(args.out, exist_ok=True)
    os.makedirs(packages, exist_ok=True)
    fetch(packages)
    library, counts = openmpt(), {}
    with open(os.path.join(args.out, 'labels.csv'), 'w', encoding='utf-8', newline='') as f:
        labels = csv.writer(f, lineterminator='\n')
        labels.writerow(('path', 'dataset', 'task', 'label'))
        for path in found(packages):
            made = piece(library, path)
            if not made:
                continue
            kind, samples, beats, downs = made
            counts[kind] = counts.get(kind, 0) + 1
            stem = f'{kind}_{counts[kind]:03d}'
            soundfile.write(os.path.join(args.out, stem + '.wav'), samples / max(1, np.abs(samples).max()), RATE)
            labels.writerow((stem + '.wav', kind, 'tempo_bpm', f'{60 / np.median(np.diff(beats)):.3f}'))
            for task, times in (('beats', beats), ('downbeats', downs)):
                if times is not None:
                    write_times(os.path.join(args.out, f'{stem}.{task}'), times)
                    labels.writerow((stem + '.wav', kind, task, f'{stem}.{task}'))
    print(counts)


if __name__ == '__main__':
    main()
