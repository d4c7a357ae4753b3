"""Reads the labelled audio folder (labels.csv: path, dataset, task, label), adds made material, and caches log-mel spectra.

A clip knows its source recording (clips of one source never straddle folds), its fold 0..3, its class, and its kind
(speech, music, environment, noise, or none)."""
import csv
import io
import os
import re
import zlib
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import soundfile
from scipy.signal import butter, sosfiltfilt

from . import material, mel

FOLDS = 4
KINDS = ["speech", "music", "environment", "noise"]
CLASSES = [
    "speech", "children playing", "baby cry", "sneeze",
    "music", "street music", "drum loop",
    "keyboard", "mallets", "organ", "guitar", "bass", "strings", "brass", "woodwind", "synth",
    "kick", "snare", "hi-hat", "tom", "cymbal", "percussion",
    "dog bark", "rooster", "rain", "sea waves", "fire crackling",
    "air conditioner", "engine idling", "helicopter", "clock tick",
    "drilling", "jackhammer", "chainsaw", "car horn", "siren", "gun shot", "noise", "other",
]
GROUPS = {
    "people": ["speech", "children playing", "baby cry", "sneeze"],
    "music": ["music", "street music", "drum loop"],
    "instruments": ["keyboard", "mallets", "organ", "guitar", "bass", "strings", "brass", "woodwind", "synth"],
    "drums": ["kick", "snare", "hi-hat", "tom", "cymbal", "percussion"],
    "animals": ["dog bark", "rooster"],
    "weather, water and fire": ["rain", "sea waves", "fire crackling"],
    "machines": ["air conditioner", "engine idling", "helicopter", "clock tick"],
    "tools": ["drilling", "jackhammer", "chainsaw"],
    "traffic": ["car horn"],
    "alarms": ["siren"],
    "impacts": ["gun shot"],
    "noise": ["noise"],
    "unknown": ["other"],
}
# Classes that are given out under another name, several under one: hard to tell apart, and one word to a listener
JOINED = {"jackhammer": "drilling", "air conditioner": "motor", "engine idling": "motor", "helicopter": "motor"}

URBAN = {"air_conditioner": "air conditioner", "car_horn": "car horn", "children_playing": "children playing",
         "dog_bark": "dog bark", "drilling": "drilling", "engine_idling": "engine idling", "gun_shot": "gun shot",
         "jackhammer": "jackhammer", "siren": "siren", "street_music": "street music"}
ESC = {"Baby cry": "baby cry", "Chainsaw": "chainsaw", "Clock tick": "clock tick", "Dog bark": "dog bark",
       "Fire crackling": "fire crackling", "Helicopter": "helicopter", "Person sneeze": "sneeze", "Rain": "rain",
       "Rooster": "rooster", "Sea waves": "sea waves"}
# sample_classes by the words in the file names, first match wins
SAMPLES = [(r"_hat|hihat", "hi-hat"), (r"loop_tabla|loop_|_beats_|roll", "drum loop"), (r"bassdrum|drum_bass|_kick|_bd_", "kick"),
           (r"bassloops|_basses_|_bass_|bassslap", "bass"), (r"snare|_sn_|clap|perc_snap", "snare"), (r"tom", "tom"),
           (r"cymbal|splash|crash|ride", "cymbal"), (r"tabla|perc_|cowbell|wood01|clav01|triangle", "percussion"),
           (r"stringsnpads|ambi_|instruments_violin", "strings"), (r"organ", "organ"), (r"piano|harpsichord", "keyboard"),
           (r"guitar|guit_", "guitar"), (r".", "other")]
MUSIC = {"keyboard", "mallets", "organ", "guitar", "bass", "strings", "brass", "woodwind", "synth", "kick", "snare",
         "hi-hat", "tom", "cymbal", "percussion", "drum loop", "music"}


def group_of(label):
    return next(group for group, labels in GROUPS.items() if label in labels)


def label_of(name):
    """What a class is called where it is given out."""
    return JOINED.get(name, name)


def kinds_of_class(name):
    """Which of KINDS the timeline may call a sound of this class: children play loudly in speech and in noise, and music in the
    street has the street around it."""
    several = {"street music": ["music", "environment"], "children playing": ["speech", "environment"], "other": KINDS}
    kind = name if name in KINDS else "music" if name in MUSIC else "environment"
    return [float(k in several.get(name, [kind])) for k in KINDS]


LABELS = list(dict.fromkeys(label_of(c) for c in CLASSES))
LABEL_OF = np.array([LABELS.index(label_of(c)) for c in CLASSES])  # a class's place among the labels


class Clip:
    """One recording: what is known about it, and where its log-mel frames lie in the cache."""

    def __init__(self, name, dataset, source, label, kind, fold, path=None):
        self.name, self.dataset, self.source, self.label, self.kind = name, dataset, source, label, kind
        self.fold, self.path = fold, path
        self.spectra = {}  # variant -> [frames, BANDS] float16


def spread(source):
    """A fold for a source that has none of its own: a stable hash, so that it never depends on the others."""
    return zlib.crc32(source.encode()) % FOLDS


def describe(path, dataset, tasks):
    """The clip of one path of labels.csv, or None if it says nothing about kind or class."""
    name = os.path.basename(path)
    if dataset == "urbansound8k_part":
        fold, source = re.match(r"fold(\d+)_(\d+)-", name).groups()
        label = URBAN[tasks["class"]]
        kind = {"street music": "music", "children playing": None}.get(label, "environment")
        return Clip(path, dataset, "us" + source, label, kind, {1: 0, 2: 1, 3: 2, 10: 3}[int(fold)], path)
    if dataset == "esc10":
        fold, source = re.match(r".*_(\d)-(\d+)-", name).groups()
        fold = int(fold) - 1 if int(fold) < 5 else spread("esc" + source)
        return Clip(path, dataset, "esc" + source, ESC[tasks["class"]], "environment", fold, path)
    if dataset == "sample_classes":
        label = next(label for pattern, label in SAMPLES if re.search(pattern, path))
        source = re.sub(r"\d*(_-.*)?\.ogg$", "", name)
        return Clip(path, dataset, source, label, "music" if label in MUSIC else None, spread(source), path)
    if dataset in ("emodb", "fsdd", "debian_speech"):
        if tasks.get("speech_music") == "silence":
            return None
        source = {"emodb": lambda: "emodb" + name[:2], "fsdd": lambda: "fsdd" + name.split("_")[1],
                  "debian_speech": lambda: re.match(r"(.*_[A-Za-z]+(?:RU)?|ru_festvox_ru)_", name).group(1)[:14]}[dataset]()
        return Clip(path, dataset, source, "speech", "speech", spread(source), path)
    if dataset == "scikit_maad":
        return Clip(path, dataset, "maad" + name[:17], "other", "environment", spread(name[:18]), path)
    if dataset in ("debian_music", "classical_quiz", "pyaudioanalysis", "inaspeech"):
        kind = tasks.get("speech_music")
        if kind not in ("speech", "music"):
            return None
        return Clip(path, dataset, name, kind, kind, spread(name), path)
    if dataset in ("pop909_synth", "asap_synth", "fnf", "blinky_edm"):
        source = re.sub(r"_[a-z0-9]+\.ogg$", "", name) if dataset != "fnf" else re.sub(r".*_", "", name)
        return Clip(path, dataset, source, "music", "music", spread(source), path)
    if dataset == "guitar_chords":
        return Clip(path, dataset, name[:3], "guitar", "music", spread(name), path)
    if dataset.startswith("loops_"):
        drums = re.search(r"drum|beat|perc|hat|kick|clap|shaker|toploop|fill", path, re.I)
        return Clip(path, dataset, name[:40], "drum loop" if drums else "music", "music", spread(name[:40]), path)
    return None


def listed(folder):
    tasks = {}
    with open(os.path.join(folder, "labels.csv"), newline="", encoding="utf-8") as f:
        for row in csv.DictReader(f):
            tasks.setdefault((row["path"], row["dataset"]), {})[row["task"]] = row["label"]
    clips = [describe(path, dataset, t) for (path, dataset), t in tasks.items()
             if os.path.exists(os.path.join(folder, path))]
    return [c for c in clips if c is not None]


def low_pass(samples, cutoff):
    return sosfiltfilt(butter(6, cutoff, fs=mel.RATE, output="sos"), samples).astype(np.float32)


def recode(samples, name):
    """Through a lossy codec and back, chosen by name: Opus at 16 or 24 kHz, MP3, telephone (8 kHz, A-law)."""
    kind = zlib.crc32(name.encode()) % 4
    buffer = io.BytesIO()
    samples = np.clip(samples, -1, 1)
    try:
        if kind == 3:
            narrow = mel.resample_poly(samples, 160, 441)
            soundfile.write(buffer, narrow, 8000, format="WAV", subtype="ALAW")
        elif kind == 2:
            soundfile.write(buffer, samples, mel.RATE, format="MP3", subtype="MPEG_LAYER_III")
        else:
            rate = (16000, 24000)[kind]
            soundfile.write(buffer, mel.resample_poly(samples, rate // 50, mel.RATE // 50), rate, format="OGG", subtype="OPUS")
        buffer.seek(0)
        return mel.to_rate(*soundfile.read(buffer, dtype="float32"))
    except (RuntimeError, soundfile.SoundFileError):
        return low_pass(samples, 5500)


def spectra(name, samples, rate, seconds=24):
    samples = mel.to_rate(samples, rate)[:seconds * mel.RATE]
    if len(samples) < 1024:
        samples = np.concatenate([samples, np.zeros(1024 - len(samples), np.float32)])
    variants = {"plain": samples, "low3400": low_pass(samples, 3400), "low8000": low_pass(samples, 8000)}
    variants["coded"] = recode(samples, name)
    return {k: mel.log_mel(v).astype(np.float16) for k, v in variants.items()}


def read_spectra(job):
    folder, path = job
    samples, rate = soundfile.read(os.path.join(folder, path), dtype="float32")
    return spectra(path, samples, rate)


def made_spectra(job):
    """Clips of one job: a soundfont's channel, or None for everything that speaks."""
    clips = []
    for name, source, label, samples, rate in material.spoken() if job is None else material.synthesised(job):
        label = "snare" if label == "clap" else label
        loud = np.nonzero((np.abs(samples) if samples.ndim == 1 else np.abs(samples).max(axis=1)) > 1e-3)[0]
        clip = Clip(name, "made", source, label, "speech" if label == "speech" else "music", spread(source))
        clip.spectra = spectra(name, samples[:loud[-1] + 1], rate, 8)  # without the reverberation's silence
        clips.append(clip)
    return clips


def load(folder, cache, workers=2):
    """All clips with their spectra; computed once and kept in `cache`."""
    if os.path.exists(cache):
        return restore(cache) + noise_clips()
    clips = listed(folder)
    with ProcessPoolExecutor(workers) as pool:
        jobs = [None] + [(font, channel) for font in range(len(material.fonts())) for channel in (0, 9)]
        made = pool.map(made_spectra, jobs)
        for clip, s in zip(clips, pool.map(read_spectra, [(folder, c.path) for c in clips], chunksize=16)):
            clip.spectra = s
        clips += [clip for group in made for clip in group]
    store(cache, clips)
    return clips + noise_clips()


def noise_clips():
    clips = []
    for name, source, label, samples, rate in material.noises():
        clip = Clip(name, "made", source, label, "noise", spread(source))
        clip.spectra = spectra(name, samples, rate)
        clips.append(clip)
    return clips


def store(cache, clips):
    arrays = {v: np.concatenate([c.spectra[v] for c in clips]) for v in clips[0].spectra}
    lengths = {"n_" + v: np.array([len(c.spectra[v]) for c in clips]) for v in clips[0].spectra}
    text = {k: np.array([str(getattr(c, k) or "") for c in clips]) for k in ("name", "dataset", "source", "label", "kind")}
    np.savez(cache, fold=np.array([c.fold for c in clips]), **text, **arrays, **lengths)


def restore(cache):
    d = np.load(cache)
    clips = [Clip(n, ds, s, l, k or None, int(f), n) for n, ds, s, l, k, f in
             zip(*(d[k].tolist() for k in ("name", "dataset", "source", "label", "kind", "fold")))]
    for variant in ("plain", "low3400", "low8000", "coded"):
        data, ends = d[variant], np.cumsum(d["n_" + variant])
        for clip, end, n in zip(clips, ends, d["n_" + variant]):
            clip.spectra[variant] = data[end - n:end]
    return clips
