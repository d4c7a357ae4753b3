"""Training material that is made, not recorded: instruments, drum hits and drum loops from soundfonts, speech from
espeak-ng. Everything follows from a seed and from the installed Debian packages (fluid-soundfont-gm, timgm6mb-soundfont,
a MuseScore soundfont if there is one, espeak-ng)."""
import io
import os
import struct
import subprocess
import tempfile

import numpy as np
import soundfile

SOUNDFONTS = ["/usr/share/sounds/sf2/FluidR3_GM.sf2", "/usr/share/sounds/sf2/TimGM6mb.sf2",
              "/usr/share/sounds/sf3/MuseScore_General_Lite.sf3"]

# General MIDI programs by family. Sound effects, timpani, choirs and percussive programs are left out.
FAMILIES = {
    "keyboard": range(0, 8), "mallets": range(8, 15), "organ": range(16, 23), "guitar": range(24, 32),
    "bass": range(32, 40), "strings": [40, 41, 42, 43, 44, 45, 46, 48, 49, 50, 51], "brass": range(56, 64),
    "woodwind": range(64, 80), "synth": range(80, 104),
}
LOW = {"bass": (28, 50), "guitar": (40, 76), "organ": (36, 84), "keyboard": (36, 92)}
HITS = {"kick": [35, 36], "snare": [38, 40], "hi-hat": [42, 44, 46], "tom": [41, 43, 45, 47, 48, 50],
        "cymbal": [49, 51, 52, 55, 57, 59], "clap": [39], "percussion": [54, 56, 60, 62, 64, 67, 69, 70, 75, 76]}
KITS = [0, 8, 16, 24, 25, 32, 40]
VOICES = ["en-us", "en-gb", "en-gb-scotland", "de", "fr-fr", "es", "it", "pt-br", "ru", "pl", "nl", "sv", "tr", "cs", "fi",
          "hu", "ro", "el", "cmn", "hi", "ar", "id"]
VARIANTS = ["+m1", "+m3", "+m7", "+f2", "+f4", "+f5", "+klatt2", "+croak"]
TEXT = ("The window was open all night and the sound of trains came over the field. Seventeen people waited, "
        "nobody spoke; then somebody laughed, and the doors went on. Do you know what happened after that?")


def midi(parts, channel=0, tempo=120):
    """A one-track MIDI file. parts: (start s, program, [(start s, duration s, note, velocity)]), times within a part from
    its start."""
    ticks = 480 * tempo / 60.0
    messages = []
    for begin, program, events in parts:
        messages.append((int(begin * ticks), 0, bytes([0xC0 | channel, program])))
        for start, duration, note, velocity in events:
            messages.append((int((begin + start) * ticks), 2, bytes([0x90 | channel, note, velocity])))
            messages.append((int((begin + start + duration) * ticks), 1, bytes([0x80 | channel, note, 0])))
    messages.sort()

    def variable(n):
        out = [n & 0x7f]
        while n > 127:
            n >>= 7
            out.insert(0, (n & 0x7f) | 0x80)
        return bytes(out)

    track = b"\x00\xff\x51\x03" + int(60e6 / tempo).to_bytes(3, "big")
    now = 0
    for tick, _, message in messages:
        track += variable(tick - now) + message
        now = tick
    track += b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480) + b"MTrk" + struct.pack(">I", len(track)) + track


def render(soundfont, data, rate=44100):
    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "a.mid"), os.path.join(folder, "a.wav")
        with open(source, "wb") as f:
            f.write(data)
        subprocess.run(["fluidsynth", "-ni", "-q", "-g", "0.6", "-r", str(rate), "-T", "wav", "-O", "s16", "-F", target,
                        soundfont, source], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return soundfile.read(target, dtype="float32")


def phrase(rng, family, seconds=5.0):
    """A single note, a melody or chords, in the family's range."""
    low, high = LOW.get(family, (48, 86))
    kind = rng.choice(["note", "melody", "melody", "chords"] if family not in ("bass", "woodwind", "brass")
                      else ["note", "melody", "melody"])
    scale = np.array([0, 2, 4, 5, 7, 9, 11]) if rng.random() < .5 else np.array([0, 2, 3, 5, 7, 8, 10])
    tonic = int(rng.integers(low, max(low + 1, high - 24)))
    if kind == "note":
        return [(0.05, float(rng.uniform(.3, 3)), int(rng.integers(low, high)), int(rng.integers(50, 120)))]
    events, now, step = [], 0.05, float(rng.choice([.125, .2, .25, .35, .5, .8]))
    degree = int(rng.integers(0, 8))
    while now < seconds - .5:
        degree = int(np.clip(degree + rng.integers(-3, 4), 0, 13))
        duration = step * float(rng.choice([1, 1, 2, .5]))
        degrees = [degree] if kind == "melody" else [degree, degree + 2, degree + 4]
        for d in degrees:
            note = int(np.clip(tonic + 12 * (d // 7) + scale[d % 7], 0, 120))
            events.append((now, duration * float(rng.uniform(.4, 1)), note, int(rng.integers(55, 120))))
        now += duration * (1 if kind == "melody" else 2)
    return events


def beat(rng, seconds=6.0):
    """A drum loop at a random tempo: kick, snare, hats, and now and then something else."""
    bpm = float(rng.uniform(70, 180))
    step = 60 / bpm / 4
    kick, snare, hat = int(rng.choice([35, 36])), int(rng.choice([38, 40, 39])), int(rng.choice([42, 44, 42, 51]))
    pattern_kick = rng.random(16) < np.where(np.arange(16) % 8 == 0, .95, .18)
    pattern_snare = rng.random(16) < np.where(np.arange(16) % 8 == 4, .9, .06)
    pattern_hat = rng.random(16) < np.where(np.arange(16) % 2 == 0, .9, .25)
    extra, pattern_extra = int(rng.choice([46, 54, 56, 45, 50, 70, 62])), rng.random(16) < .12
    events = []
    for i in range(int(seconds / step)):
        for on, note, level in ((pattern_kick, kick, 110), (pattern_snare, snare, 105), (pattern_hat, hat, 75),
                                (pattern_extra, extra, 80)):
            if on[i % 16]:
                events.append((.02 + i * step, step * .9, note, int(np.clip(level + rng.integers(-15, 12), 20, 127))))
    return events


def hits(rng, note):
    return [(0.02, 0.5, note, int(rng.integers(60, 127)))]


def planned(seed, font_index):
    """What one soundfont plays: (channel, length s, program, events, name, source, class)."""
    for family, programs in FAMILIES.items():
        for program in programs:
            rng = np.random.default_rng([seed, 1, font_index, program])
            for take in range(2):
                yield 0, 7.0, program, phrase(rng, family), f"{program}-{take}", f"program{program}", family
    for kit in KITS:
        rng = np.random.default_rng([seed, 2, font_index, kit])
        for take in range(2):
            yield 9, 7.0, kit, beat(rng), f"kit{kit}-loop{take}", f"kit{kit}-loop", "drum loop"
        for name, notes in HITS.items():
            for note in notes:
                yield 9, 2.5, kit, hits(rng, note), f"kit{kit}-{note}", f"kit{kit}-{note}", name


def fonts():
    return [f for f in SOUNDFONTS if os.path.exists(f)]


def synthesised(job, seed=1):
    """Yields (name, source, class, samples, rate) for a job (soundfont index, channel). One rendering, cut afterwards; a
    quarter of a second before each cut is faded, so that nothing rings over."""
    font_index, channel = job
    font = fonts()[font_index]
    short = os.path.basename(font).split(".")[0]
    plan = [p for p in planned(seed, font_index) if p[0] == channel]
    starts = np.concatenate([[0], np.cumsum([p[1] for p in plan])])
    samples, rate = render(font, midi([(float(t), p[2], p[3]) for t, p in zip(starts, plan)], channel))
    fade = np.linspace(1, 0, rate // 4, dtype=np.float32)[:, None]
    for start, end, (_, _, _, _, name, source, label) in zip(starts, starts[1:], plan):
        part = samples[int(start * rate):int(end * rate)].copy()
        if len(part) > len(fade) and np.abs(part).max() > 1e-3:
            part[-len(fade):] *= fade
            yield f"{short}-{name}", f"{short}-{source}", label, part, rate


def spoken(seed=1):
    """Yields (name, source, "speech", samples, rate): espeak-ng voices, sentences cut at random places."""
    rng = np.random.default_rng([seed, 3])
    words = TEXT.split()
    for voice in VOICES:
        for variant in rng.choice(VARIANTS, 3, replace=False):
            first = int(rng.integers(0, len(words) - 12))
            text = " ".join(words[first:first + 12])
            wav = subprocess.run(["espeak-ng", "-v", voice + variant, "-s", str(int(rng.integers(120, 210))), "-p",
                                  str(int(rng.integers(25, 75))), "--stdout", text], check=True, capture_output=True).stdout
            samples, rate = soundfile.read(io.BytesIO(wav), dtype="float32")
            yield f"espeak-{voice}{variant}", f"espeak-{voice}", "speech", samples, rate


def noises(count=60, seconds=4, rate=22050, seed=1):
    """Yields (name, source, "noise", samples, rate): stationary noise with a power slope of 0 to -2 (white to brown),
    some of it band-limited."""
    for i in range(count):
        rng = np.random.default_rng([seed, 4, i])
        n = seconds * rate
        spectrum = np.fft.rfft(rng.standard_normal(n))
        hz = np.maximum(np.fft.rfftfreq(n, 1 / rate), 20)
        shape = hz ** (-.5 * rng.uniform(-.3, 2.2))
        if rng.random() < .4:
            low, high = sorted(np.exp(rng.uniform(np.log(60), np.log(10000), 2)))
            shape = shape / (1 + (hz / (high + 300)) ** 8) / (1 + (low / hz) ** 8)
        samples = np.fft.irfft(spectrum * shape)
        samples *= 10 ** (rng.uniform(-40, -12) / 20) / samples.std()
        yield f"noise-{i}", f"noise-{i}", "noise", samples.astype(np.float32), rate
