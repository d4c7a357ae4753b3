"""Recordings of a minute for the network and the timeline's head to learn from, made of clips in the log-mel domain: sounds one after
the other, over each other at known ratios, or two tracks that come and go on their own; always with the truth of every step."""
import numpy as np
import torch

from . import mel
from .batches import CENTRES, SILENCE, activity, add, curve, fluttering, shifted
from .batches import FRAMES as CROP
from .dataset import KINDS
from .model import BANDS, STRIDE

FRAMES = 2560  # 59 s
NEPERS = np.log(10) / 10  # of power, in a decibel
LEVEL = -23  # dBFS of a clip before gain
NOTHING = -30.0  # natural logarithm of power
VARIANTS = ["plain", "plain", "plain", "plain", "coded", "low8000", "low3400"]
SONGS = ("debian_music", "classical_quiz", "fnf", "pop909_synth", "asap_synth", "inaspeech", "pyaudioanalysis", "blinky_edm", "games")
LAYERS = {"music": (.5, 2), "environment": (.3, 1)}  # how often a sound is several clips at once, and how many more at most
FAINT = .5  # how often an environment below another sound is 8 to 14 dB below
SCENES = [("speech",), ("music",), ("environment",)] * 2 + [("noise",), ()] + [
    ("speech", "music"), ("speech", "environment"), ("music", "environment")] * 2


class Scenes:
    """Draws clips of a kind (songs before loops and single notes; environment by class, or by game, and by clip) and puts them together."""

    def __init__(self, clips, seed):
        self.rng = np.random.default_rng(seed)
        self.clips = {k: [c for c in clips if c.kind == k and len(c.spectra["plain"]) > STRIDE] for k in KINDS}
        self.places = {k: np.cumsum(self.odds(k)) for k in KINDS if self.clips[k]}
        self.known = {}

    def odds(self, kind):
        clips = self.clips[kind]
        if kind == "music":
            weight = np.array([6.0 if c.dataset in SONGS else 1.0 if c.dataset != "made" else .35 for c in clips])
        elif kind == "environment":
            labels = [c.source if c.dataset == "games" else c.label for c in clips]
            weight = np.array([1 / len(clips) + 1 / len(set(labels)) / labels.count(x) for x in labels])
        else:
            weight = np.array([1.0 if c.dataset != "made" or kind == "noise" else .7 for c in clips])
        return weight / weight.sum()

    def clip(self, kind):
        """Where one clip sounds, at 0 dB: [frames, 2, BANDS]."""
        clip = self.clips[kind][min(int(np.searchsorted(self.places[kind], self.rng.random())), len(self.clips[kind]) - 1)]
        variant = VARIANTS[self.rng.integers(len(VARIANTS))]
        if (id(clip), variant) not in self.known:
            spectrum = clip.spectra[variant]
            active = np.nonzero(np.repeat(activity(spectrum, 35), STRIDE)[:len(spectrum)])[0]
            first, end = (active[0], active[-1] + 1) if len(active) else (0, len(spectrum))
            power = np.exp(spectrum[first:end, 0].astype(np.float32)).sum(1).mean()
            self.known[id(clip), variant] = first, end, np.log(power + 1e-12)
        first, end, level = self.known[id(clip), variant]
        return clip.spectra[variant][first:end].astype(np.float32) - level

    def strand(self, kind, frames):
        """Clips of a kind one after the other; some of the environment's are heard several times."""
        parts, have = [], 0
        while have < frames:
            x = self.clip(kind)
            if kind in ("music", "noise") and len(x) > frames - have:
                start = self.rng.integers(0, len(x) - (frames - have) + 1)
                x = x[start:start + frames - have]
            times = 1 + (self.rng.integers(0, 4) if kind == "environment" and self.rng.random() < .5 else 0)
            parts += [x] * times
            have += len(x) * times
        return np.concatenate(parts)[:frames]

    def sound(self, kind, frames):
        """A strand, or several at once, at 0 dB."""
        x = self.strand(kind, frames)
        often, most = LAYERS.get(kind, (0, 0))
        if self.rng.random() < often:
            for _ in range(int(self.rng.integers(1, most + 1))):
                x = np.logaddexp(x, self.strand(kind, frames) + self.rng.uniform(-9, 3) * NEPERS)
        return x - np.log(np.exp(x[:, 0]).sum(1).mean() + 1e-9)

    def frames(self, low, high):
        return int(self.rng.uniform(low, high) * mel.RATE / mel.HOP)

    def scene(self):
        """(log-mel [FRAMES, 2, BANDS], kinds [FRAMES, 4]). Floors add up as powers do: nearly."""
        x, kinds = np.full((FRAMES, 2, BANDS), NOTHING, np.float32), np.zeros((FRAMES, len(KINDS)), np.uint8)

        def put(first, end, kind, gain):
            x[first:end] = np.logaddexp(x[first:end], self.sound(kind, end - first) + gain * NEPERS)
            kinds[first:end, KINDS.index(kind)] = 1

        (self.in_a_row if self.rng.random() < .6 else self.on_their_own)(put)
        return x + LEVEL * NEPERS, kinds

    def in_a_row(self, put):
        now, last = 0, None
        while now < FRAMES:
            what = SCENES[self.rng.integers(len(SCENES))]
            if what == last:
                continue
            end = min(now + (self.frames(2, 15) if what else self.frames(.5, 4)), FRAMES)
            gain = self.rng.uniform(-8, 3)
            for kind in what:
                if kind != what[0]:  # the second lies below the first; a faint environment is the hardest, and heard most
                    faint = kind == "environment" and self.rng.random() < FAINT
                    gain -= self.rng.uniform(8 if faint else 1, 14)
                put(now, end, kind, gain)
            now, last = end, what

    def on_their_own(self, put):
        now, below = 0, []
        while now < FRAMES:
            kind, end = ("music", "environment", None)[self.rng.integers(3)], min(now + self.frames(4, 25), FRAMES)
            if kind:
                put(now, end, kind, self.rng.uniform(-14, -2))
            below += [kind] * (end - now)
            now = end
        now = 0
        while now < FRAMES:
            kind, end = ("speech", "speech", "music", None, None)[self.rng.integers(5)], min(now + self.frames(2, 12), FRAMES)
            if kind == "speech" or (kind and "music" not in below[now:end]):
                put(now, end, kind, self.rng.uniform(-2, 3))
            now = end

    def batch(self, size=8):
        """(what the network hears [size, FRAMES, 2, BANDS], kinds [size, FRAMES / STRIDE, 4])."""
        scenes = [self.scene() for _ in range(size)]
        x = torch.from_numpy(np.stack([s[0] for s in scenes]))
        return recorded(x, self.rng), np.stack([s[1][::STRIDE] for s in scenes])


class Crops:
    """Draws crops, as long as those of batches.py, from a store of scenes."""

    def __init__(self, clips, seed, count=1000):
        scenes, self.rng = Scenes(clips, seed), np.random.default_rng(seed)
        self.x = np.empty((count, FRAMES, 2, BANDS), np.float16)
        self.kinds = np.empty((count, FRAMES // STRIDE, len(KINDS)), np.uint8)
        for i in range(count):
            self.x[i], kinds = scenes.scene()
            self.kinds[i] = kinds[::STRIDE]

    def batch(self, size):
        """(what the network hears [size, CROP, 2, BANDS], kinds [size, CROP / STRIDE, 4])."""
        steps = CROP // STRIDE
        places = [(self.rng.integers(len(self.x)), self.rng.integers(FRAMES // STRIDE - steps + 1)) for _ in range(size)]
        x = np.stack([self.x[i, t * STRIDE:t * STRIDE + CROP] for i, t in places]).astype(np.float32)
        kinds = np.stack([self.kinds[i, t:t + steps] for i, t in places]).astype(np.float32)
        return recorded(torch.from_numpy(x), self.rng), torch.from_numpy(kinds)


def recorded(x, rng):
    """Pitch, microphone, a little hiss, level and bandwidth: as in batches.augment, but milder, for what is faint matters."""
    n = len(x)
    uniform = lambda low, high: torch.from_numpy(rng.uniform(low, high, n).astype(np.float32))
    chance = lambda p: torch.from_numpy(rng.random(n) < p)
    moved = torch.nonzero(chance(.4))[:, 0]
    if len(moved):
        x[moved] = shifted(x[moved], uniform(-2, 2)[:len(moved)])
    x = x + (curve(rng, n, 5, 3.5) * chance(.7)[:, None])[:, None, None]
    hiss = torch.logsumexp(x[:, :, 0], 2).quantile(.95, 1) - uniform(25, 60) * NEPERS - float(np.log(BANDS))
    hiss = torch.where(chance(.5), hiss, torch.full((n,), NOTHING))
    slope = torch.from_numpy(np.log(CENTRES / 1000).astype(np.float32))[None] * uniform(-1.5, .9)[:, None]
    x = add(x, fluttering(hiss[:, None] + slope, x.shape, rng))
    x = x + (torch.from_numpy(rng.normal(0, 6, n).astype(np.float32)) * NEPERS)[:, None, None, None]
    octaves = torch.from_numpy(np.log2(CENTRES).astype(np.float32))
    edge = torch.log2(torch.exp(uniform(np.log(3400), np.log(16000))))
    loss = torch.clamp((octaves[None] - edge[:, None]) * uniform(20, 90)[:, None], min=0) * chance(.4)[:, None]
    return add(x - (loss * NEPERS)[:, None, None] + torch.from_numpy(mel.HEARD), torch.tensor(SILENCE))
