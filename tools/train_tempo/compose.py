"""Makes up music with known beats and downbeats, and renders it with a General MIDI soundfont.

Nothing here is taken from existing songs: chords walk through common degrees, melodies wander through the scale, and
drum patterns are drawn part by part from what is usual in a style. Everything follows from the seed.

    compose.py OUT COUNT [--seed N] [--fonts A.sf2 B.sf2 ...]

writes OUT/000000.wav (22,050 Hz) and OUT/000000.json: {"beats": [s], "downbeats": [s], "beats_per_bar": n, "style": ...}.
"""
import argparse
import glob
import json
import os
import random
import struct
import subprocess
import tempfile

KICK, SNARE, CLAP, RIM, CLOSED, PEDAL, OPEN, RIDE, CRASH, SHAKER, TAMB, CONGA_H, CONGA_L, CLAVE, TOM = (
    36, 38, 39, 37, 42, 44, 46, 51, 49, 70, 54, 62, 64, 75, 45)

# style: tempo range (log-uniform), beats per bar, grid steps a beat, swing range, drums wanted
STYLES = {
    'rock': (76, 190, 4, 4, (0, 0), .95), 'pop': (70, 132, 4, 4, (0, .15), .8), 'ballad': (52, 88, 4, 4, (0, 0), .45),
    'house': (112, 138, 4, 4, (0, .15), 1), 'techno': (122, 160, 4, 4, (0, 0), 1), 'dnb': (158, 182, 4, 4, (0, 0), 1),
    'breaks': (100, 172, 4, 4, (0, .2), 1), 'trap': (120, 164, 4, 4, (0, 0), 1), 'hiphop': (76, 106, 4, 4, (0, .6), 1),
    'funk': (88, 126, 4, 4, (0, .3), 1), 'disco': (104, 136, 4, 4, (0, 0), 1), 'reggae': (66, 96, 4, 4, (0, .5), .95),
    'latin': (84, 128, 4, 4, (0, 0), .9), 'samba': (90, 130, 4, 4, (0, .1), .9), 'swing': (96, 240, 4, 2, (.8, 1), .85),
    'shuffle': (84, 140, 4, 2, (.7, 1), .95), 'march': (96, 128, 4, 4, (0, 0), .6), 'polka': (96, 130, 2, 4, (0, 0), .6),
    'punk': (160, 210, 4, 2, (0, 0), 1), 'chip': (110, 190, 4, 4, (0, 0), .8), 'waltz': (84, 200, 3, 2, (0, .3), .4),
    'ballad3': (70, 120, 3, 4, (0, 0), .4), 'six': (46, 84, 2, 3, (0, 0), .5), 'slow12': (46, 76, 4, 3, (0, 0), .6),
    'five': (96, 180, 5, 2, (0, .3), .7), 'seven': (110, 210, 7, 2, (0, 0), .7), 'piano': (54, 150, 4, 4, (0, 0), 0),
    'piano3': (70, 180, 3, 2, (0, 0), 0), 'baroque': (60, 120, 4, 4, (0, 0), 0), 'strings': (60, 140, 4, 2, (0, 0), .1),
    'guitar': (66, 140, 4, 4, (0, .2), .2),
}
MINOR, MAJOR = (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 5, 7, 9, 11)
PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 4, 4), (0, 0, 3, 4), (0, 6, 5, 4), (1, 4, 0, 0),
                (0, 2, 3, 4), (3, 4, 2, 5), (0, 3, 0, 4), (0, 5, 1, 4), (0, 0, 0, 0))


class Song:
    """Notes in grid steps, then in seconds."""

    def __init__(self, rng, style, seconds):
        self.rng = rng
        self.style = style
        low, high, self.meter, self.steps, swing, self.drums = STYLES[style]
        self.bpm = low * (high / low) ** rng.random()
        self.swing = rng.uniform(*swing)
        self.bars = max(2, int(seconds * self.bpm / 60 / self.meter)) + 1
        self.scale = rng.choice((MINOR, MAJOR))
        self.tonic = rng.randrange(12)
        self.events = []  # (step as float, length in steps, channel, note, velocity)
        self.programs = {}
        self.rubato = rng.uniform(.02, .09) if style in ('piano', 'piano3', 'baroque', 'strings') and rng.random() < .7 \
            else rng.choice((0, 0, 0, .004, .012))
        self.lazy = rng.uniform(0, .012)

    def add(self, step, length, channel, note, velocity):
        velocity = int(max(8, min(127, velocity * self.rng.uniform(.85, 1.1))))
        self.events.append((step, length, channel, max(12, min(115, note)), velocity))

    def degree(self, d, octave):
        return 12 * octave + self.tonic + self.scale[d % 7] + 12 * (d // 7)

    def clock(self):
        """The time of every beat: steady, or wandering slowly with a slowing at phrase ends."""
        time, beats, drift = self.rng.uniform(.1, 1.5), [], 0.0
        for beat in range(self.bars * self.meter + 1):
            beats.append(time)
            drift = .85 * drift + self.rng.gauss(0, self.rubato)
            phrase = beat % (4 * self.meter) >= 4 * self.meter - 2 and self.rubato > .015
            time += 60 / self.bpm * (1 + drift + (self.rubato * self.rng.uniform(.5, 3) if phrase else 0))
        return beats

    def seconds(self, beats, step):
        beat = min(int(step // self.steps), len(beats) - 2)
        part = step / self.steps - beat
        if self.swing:  # the middle of the beat moves towards two thirds
            knee = .5 + self.swing / 6
            part = part / .5 * knee if part < .5 else knee + (part - .5) / .5 * (1 - knee)
        return beats[beat] + part * (beats[beat + 1] - beats[beat])


def drum_bar(song):
    """One bar as {drum: {step: velocity}}."""
    rng, s, m, style = song.rng, song.steps, song.meter, song.style
    bar, n = {}, song.steps * song.meter
    half = s // 2 if s % 2 == 0 else 0

    def hit(drum, steps, velocity=100, chance=1.0):
        for step in steps:
            if 0 <= step < n and rng.random() < chance:
                bar.setdefault(drum, {})[step] = velocity

    beats = range(0, n, s)
    hat = rng.choice((CLOSED, CLOSED, CLOSED, RIDE, SHAKER, TAMB, PEDAL))
    if style in ('house', 'techno', 'disco', 'chip') and rng.random() < .9 or style == 'march' and rng.random() < .3:
        hit(KICK, beats, 115)
        if rng.random() < .75:
            hit(rng.choice((SNARE, CLAP)), range(s, n, 2 * s), 100)
        if rng.random() < .8:
            hit(rng.choice((OPEN, hat)), range(half, n, s), 85)
    elif style in ('dnb', 'breaks'):
        hit(KICK, (0, 2 * s + half), 115)
        hit(SNARE, range(s, n, 2 * s), 112)
        hit(KICK, range(0, n, half or 1), 90, .12)
        hit(SNARE, range(1, n, 2), 45, .2)
    elif style == 'trap':
        hit(KICK, (0,), 118)
        hit(KICK, range(0, n, half or 1), 105, .2)
        hit(rng.choice((SNARE, CLAP)), (2 * s,), 112)
        if rng.random() < .4:
            hit(CLOSED, range(n), 70, .6)
    elif style in ('reggae',):
        hit(KICK, (2 * s,) if rng.random() < .6 else beats, 110)
        hit(RIM, (2 * s,), 90)
    elif style in ('latin', 'samba'):
        hit(KICK, (0, 3 * half, 2 * s, 2 * s + 3 * half) if rng.random() < .6 else beats, 95)
        hit(CLAVE, (0, 3 * half, 3 * s, 5 * half, 6 * half), 80, .8)
        hit(CONGA_H, range(n), 75, .4)
        hit(CONGA_L, (3 * s, 3 * s + half), 90, .8)
    elif m == 3:
        hit(KICK, (0,), 105)
        hit(rng.choice((SNARE, PEDAL, RIM)), (s, 2 * s), 75, .9)
    elif s == 3:
        hit(KICK, range(0, n, 2 * s), 110)
        hit(SNARE, range(s, n, 2 * s), 105)
        hit(KICK, range(2, n, 3), 85, .2)
    elif style in ('swing', 'shuffle'):
        hit(RIDE, beats, 90)
        hit(RIDE, range(s + 1, n, 2 * s) if style == 'swing' else range(1, n, 2), 75)
        hit(PEDAL if style == 'swing' else SNARE, range(s, n, 2 * s), 95)
        hit(KICK, beats if rng.random() < .4 else (0, 2 * s), 70 if style == 'swing' else 105, .8)
        hit(SNARE, range(n), 50, .1)
        return bar
    elif style == 'punk':
        hit(KICK, range(0, n, 2 * s), 112)
        hit(SNARE, range(s, n, 2 * s), 112)
        hit(KICK, range(1, n, 2), 95, .3)
    else:
        hit(KICK, (0,), 115)
        hit(KICK, (2 * s,) if m == 4 else (), 110, .75)
        hit(KICK, range(0, n, half or 1), 100, .16)
        hit(rng.choice((SNARE, SNARE, SNARE, CLAP, RIM)), range(s, n, 2 * s), 105)
        if style in ('funk', 'hiphop'):
            hit(SNARE, range(1, n, 2), 45, .2)
            hit(KICK, range(n), 90, .12)
    every = rng.choice((1, half or 1, half or 1, half or 1, s)) if style != 'dnb' else (half or 1)
    if song.bpm > 150:
        every = max(every, half or 1)
    if rng.random() < .88:
        for step in range(0, n, every):
            bar.setdefault(hat, {}).setdefault(step, 88 if step % s == 0 else rng.choice((55, 66, 76)))
    return bar


def add_drums(song):
    rng, n = song.rng, song.steps * song.meter
    kit = rng.choice((0, 0, 0, 8, 16, 24, 25, 26, 32, 40))
    song.programs[9] = kit
    patterns = [drum_bar(song) for _ in range(2)]
    silent_until = rng.choice((0, 0, 0, 2, 4, 8))
    for bar in range(song.bars):
        if bar < silent_until:
            continue
        if bar % 8 == 0 and rng.random() < .5:
            song.add(bar * n, 1, 9, CRASH, 100)
        pattern = patterns[1 if bar % 2 and rng.random() < .5 or bar // 8 % 2 else 0]
        fill = bar % 4 == 3 and rng.random() < .35
        for drum, hits in pattern.items():
            for step, velocity in hits.items():
                if fill and step >= n - song.steps:
                    continue
                song.add(bar * n + step, .5, 9, drum, velocity)
        if fill:
            for step in range(n - song.steps, n):
                if rng.random() < .8:
                    song.add(bar * n + step, .5, 9, rng.choice((SNARE, TOM, TOM + 2, TOM + 3)), 95)


def add_harmony(song):
    """Chords, bass and melody over a looped progression, with layers that come and go every four bars."""
    rng, s, m = song.rng, song.steps, song.meter
    n = s * m
    progression = rng.choice(PROGRESSIONS)
    per_chord = rng.choice((1, 1, 1, 2)) if m != 2 else rng.choice((1, 2))
    split = rng.random() < .25 and m == 4
    solo = song.style in ('piano', 'piano3', 'baroque', 'guitar', 'ballad', 'ballad3')
    chord_program = rng.choice((0, 0, 1, 4, 24, 25, 27, 30, 48, 50, 81, 89, 16, 11, 6, 62))
    if solo:
        chord_program = rng.choice((24, 25, 26) if song.style == 'guitar' else (0, 0, 1, 6, 46, 19, 11))
    song.programs.update({0: chord_program, 1: rng.choice((32, 33, 34, 35, 38, 39, 87)),
                          2: rng.choice((0, 11, 40, 56, 65, 73, 80, 81, 82, 22, 105, 52)) if not solo else chord_program})
    motion = rng.choice(('hold', 'beats', 'arp', 'arp', 'offbeat', 'eighths', 'syncopated', 'um-pah', 'alberti'))
    bass_motion = rng.choice(('root', 'beats', 'eighths', 'octave', 'syncopated', 'walk'))
    if song.style in ('waltz', 'polka', 'march', 'piano3'):
        motion = rng.choice(('um-pah', 'um-pah', motion))
    if song.style in ('reggae', 'disco'):
        motion = rng.choice(('offbeat', motion))
    half = max(1, s // 2)
    rhythm_sync = sorted(rng.sample(range(0, n), max(2, n // 4)) + [0])
    melody_cells = [sorted(rng.sample(range(0, n, half if rng.random() < .7 else 1),
                                      k=min(len(range(0, n, half)) , rng.randrange(2, m + 3)))) for _ in range(3)]
    layers = {}
    note = 7
    for bar in range(song.bars):
        if bar % 4 == 0:
            layers = {'chords': rng.random() < .92 or solo, 'bass': rng.random() < .8, 'melody': rng.random() < .65}
        at = bar * n
        halves = [(0, n // 2), (n // 2, n)] if split else [(0, n)]
        for index, (a, b) in enumerate(halves):
            root = progression[(bar // per_chord + index) % len(progression)]
            tones = [song.degree(root + k, 5) for k in (0, 2, 4)]
            tones = [t - 12 if t > 72 else t for t in tones]
            bass = song.degree(root, 3)
            if layers['chords']:
                if motion == 'hold':
                    for t in tones:
                        song.add(at + a, b - a, 0, t, 70)
                elif motion in ('beats', 'eighths', 'offbeat', 'syncopated'):
                    steps = {'beats': range(a, b, s), 'eighths': range(a, b, half),
                             'offbeat': range(a + half, b, s),
                             'syncopated': [x for x in rhythm_sync if a <= x < b]}[motion]
                    for step in steps:
                        for t in tones:
                            song.add(at + step, half * .9, 0, t, 84 if step % s == 0 else 72)
                elif motion == 'um-pah':
                    for step in range(a, b, s):
                        first = step == a or (m == 4 and step % (2 * s) == 0)
                        for t in ([tones[0] - 24] if first else tones):
                            song.add(at + step, s * .8, 0, t, 92 if first else 68)
                else:
                    order = [0, 1, 2, 1] if motion == 'arp' else [0, 2, 1, 2]
                    every = 1 if song.bpm < 120 and rng.random() < .97 else half
                    for i, step in enumerate(range(a, b, every)):
                        song.add(at + step, every, 0, tones[order[i % 4]], 86 if step % s == 0 else 70)
            if layers['bass']:
                if bass_motion == 'walk':
                    for i, step in enumerate(range(a, b, s)):
                        song.add(at + step, s * .9, 1, song.degree(root + (0, 2, 4, 5, 6)[i % 5], 3), 92)
                else:
                    steps = {'root': [a], 'beats': range(a, b, s), 'eighths': range(a, b, half),
                             'octave': range(a, b, half), 'syncopated': [x for x in rhythm_sync if a <= x < b]}[bass_motion]
                    for step in steps:
                        up = 12 if bass_motion == 'octave' and step % s else 0
                        song.add(at + step, (b - a) if bass_motion == 'root' else half * .9, 1, bass + up,
                                 96 if step == a else 84)
        if layers['melody']:
            cell = melody_cells[(0, 0, 1, 2)[bar % 4]]
            for i, step in enumerate(cell):
                note = max(0, min(14, note + rng.choice((-2, -1, -1, 0, 1, 1, 2, 4, -4))))
                tone = note if step % s else root + (0, 2, 4, 7, 9)[min(4, note // 3)]
                end = cell[i + 1] if i + 1 < len(cell) else n
                song.add(at + step, (end - step) * .9, 2, song.degree(tone % 15, 5), 88)


def midi_bytes(song, beats):
    """A format 0 file with a tick of one millisecond."""
    timed = []
    for step, length, channel, note, velocity in song.events:
        start = song.seconds(beats, step) + (0 if song.lazy == 0 else song.rng.gauss(0, song.lazy / 3))
        stop = max(song.seconds(beats, step + length), start + .03)
        timed.append((max(0, int(start * 1000)), bytes((0x90 | channel, note, velocity))))
        timed.append((int(stop * 1000), bytes((0x80 | channel, note, 0))))
    timed.sort(key=lambda e: (e[0], e[1][0]))
    out = bytearray(b'\x00\xff\x51\x03' + (500000).to_bytes(3, 'big'))
    for channel, program in song.programs.items():
        out += bytes((0, 0xc0 | channel, program, 0, 0xb0 | channel, 7, song.rng.randrange(60, 120)))
    last = 0
    for tick, message in timed:
        delta, last = tick - last, tick
        parts = [delta & 0x7f]
        while delta > 0x7f:
            delta >>= 7
            parts.append(0x80 | delta & 0x7f)
        out += bytes(reversed(parts)) + message
    out += b'\x00\xff\x2f\x00'
    return b'MThd' + struct.pack('>IHHH', 6, 0, 1, 500) + b'MTrk' + struct.pack('>I', len(out)) + bytes(out)


def compose(seed, seconds=45):
    rng = random.Random(seed)
    song = Song(rng, rng.choice(sorted(STYLES)), seconds)
    add_harmony(song)
    if rng.random() < song.drums:
        add_drums(song)
    return song


def render(seed, stem, fonts):
    song = compose(seed)
    beats = song.clock()
    with tempfile.NamedTemporaryFile(suffix='.mid') as midi:
        midi.write(midi_bytes(song, beats))
        midi.flush()
        font = fonts[seed % len(fonts)]
        subprocess.run(['fluidsynth', '-ni', '-q', '-g', '0.5', '-r', '22050', '-R', str(seed // 3 % 2), '-F', stem + '.wav',
                        font, midi.name], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(stem + '.json', 'w', encoding='utf-8') as out:
        json.dump({'beats': [round(b, 4) for b in beats], 'downbeats': [round(b, 4) for b in beats[::song.meter]],
                   'beats_per_bar': song.meter, 'style': song.style, 'bpm': round(song.bpm, 3)}, out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out')
    parser.add_argument('count', type=int)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--fonts', nargs='+', default=sorted(glob.glob('/usr/share/sounds/sf2/[FT]*.sf2')))
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    for i in range(args.count):
        render(args.seed * 1000003 + i, os.path.join(args.out, f'{i:06d}'), args.fonts)


if __name__ == '__main__':
    main()
