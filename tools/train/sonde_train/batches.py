"""Training batches of sounds by themselves: crops of one clip, or of two joined, then augmentation of the whole batch in the
log-mel domain (gain, equaliser, bandwidth, reverberation, time and pitch, noise, masks). What sounds together comes from
scenes.py. A spectrum is [frames, 2, BANDS]: bands and their floors (mel.log_mel), and what happens to the one happens to the other."""
import numpy as np
import torch
import torch.nn.functional as F

from . import mel
from .dataset import CLASSES, KINDS
from .model import BANDS, STRIDE

FRAMES = 192  # 4.5 s
STEPS = FRAMES // STRIDE
SILENCE = float(np.log(mel.FLOOR))
SINGLE = .72  # share of the items with one clip; the others are two in a row
MADE = .4  # how often a rendered sound is drawn, against a recorded one of its class
VARIANTS = ["plain", "plain", "plain", "coded", "low3400", "low8000"]
CENTRES = mel.edges()[1:-1]
NOISE = torch.from_numpy(mel.of_noise())  # [2, BANDS], to be added to the logarithm of a noise's power
# the logarithm of a noise band's power flutters like this; a long strip, of which each batch takes a part
JITTER = torch.from_numpy(np.log(np.random.default_rng(2).gamma(6, 1 / 6, 3_000_000) + 1e-3).astype(np.float32))


def activity(spectrum, depth=40.0):
    """Per embedding step: is the loudest of its 8 frames within `depth` dB of the clip's loudest?"""
    level = np.log(np.exp(spectrum[:, 0].astype(np.float32)).sum(1)) * (10 / np.log(10))
    steps = -(-len(level) // STRIDE)
    padded = np.full(steps * STRIDE + STRIDE, -200.0, np.float32)
    padded[STRIDE // 2:STRIDE // 2 + len(level)] = level
    loudest = padded[:steps * STRIDE].reshape(steps, STRIDE).max(axis=1)
    return (loudest > loudest.max() - depth) & (loudest > -85)


class Sampler:
    """Draws clips: a class by the square root of its size, then a clip of it, recorded ones before made ones."""

    def __init__(self, clips, seed):
        self.rng = np.random.default_rng(seed)
        self.by_class, self.odds = {}, {}
        for clip in clips:
            self.by_class.setdefault(clip.label, []).append(clip)
        self.names = sorted(self.by_class)
        for name, members in self.by_class.items():
            odds = np.array([MADE if c.dataset == "made" else 1.0 for c in members])
            self.odds[name] = np.cumsum(odds / odds.sum())
        weight = np.sqrt([sum(MADE if c.dataset == "made" else 1.0 for c in self.by_class[n]) for n in self.names])
        weight *= [{"speech": 1.5, "music": 1.5}.get(n, 1.0) for n in self.names]
        self.weight = np.cumsum(weight / weight.sum())
        self.ready = {}  # (id of a clip, variant) -> activity of its frames

    def clip(self):
        name = self.names[min(int(np.searchsorted(self.weight, self.rng.random())), len(self.names) - 1)]
        members = self.by_class[name]
        return members[min(int(np.searchsorted(self.odds[name], self.rng.random())), len(members) - 1)]

    def crop(self, clip, length):
        """(spectrum, active) of at most `length` frames; active per frame, at a random place of the clip."""
        variant = VARIANTS[self.rng.integers(len(VARIANTS))]
        s = clip.spectra[variant]
        if (id(clip), variant) not in self.ready:
            self.ready[id(clip), variant] = np.repeat(activity(s), STRIDE)[:len(s)]
        active = self.ready[id(clip), variant]
        speed = self.rng.uniform(.8, 1.25) if self.rng.random() < .5 else 1.0  # frames repeated or left out
        need = int(length * speed) + 1
        start = int(self.rng.integers(0, len(s) - need + 1)) if len(s) > need else 0
        if speed == 1.0:
            return s[start:start + length].astype(np.float32), active[start:start + length]
        rows = (start + np.arange(0, min(need, len(s) - start), speed)[:length]).astype(int)
        return s[rows].astype(np.float32), active[rows]

    def place(self, item, clip, start, end, gain):
        """Puts the clip between frames start and end; returns the frames where it sounds, and those it covers."""
        mask, covered = np.zeros(FRAMES, bool), np.zeros(FRAMES, bool)
        s, active = self.crop(clip, end - start)
        at = start + int(self.rng.integers(0, end - start - len(s) + 1))
        item[at:at + len(s)] = s + gain
        mask[at:at + len(s)] = active
        covered[at:at + len(s)] = True
        return mask, covered

    def spans(self):
        """What one item is made of: [(first frame, end, clip, gain)]."""
        if self.rng.random() < SINGLE:
            return [(0, FRAMES, self.clip(), 0.0)]
        cut = int(self.rng.integers(32, FRAMES - 32))
        return [(0, cut, self.clip(), 0.0), (cut, FRAMES, self.clip(), float(self.rng.normal(0, 1.2)))]

    def item(self):
        """(log-mel [FRAMES, 2, BANDS], kinds [STEPS, 4], weights [STEPS], segments [(mask over steps, class)])."""
        x = np.full((FRAMES, 2, BANDS), SILENCE, np.float32)
        kinds, known = np.zeros((FRAMES, 4), np.float32), np.full(FRAMES, .3, np.float32)
        segments = []
        for start, end, clip, gain in self.spans():
            mask, covered = self.place(x, clip, start, end, gain)
            known[covered] = 0  # a pause, or a clip of no kind
            if clip.kind is not None:
                kinds[mask, KINDS.index(clip.kind)] = 1
                known[mask] = 1
            segments.append((mask[::STRIDE], CLASSES.index(clip.label)))
        return x, kinds[::STRIDE], known[::STRIDE], segments

    def batch(self, size):
        items = [self.item() for _ in range(size)]
        x = torch.from_numpy(np.stack([i[0] for i in items]))
        kinds = torch.from_numpy(np.stack([i[1] for i in items]))
        known = torch.from_numpy(np.stack([i[2] for i in items]))
        rows, masks, labels = [], [], []
        for row, item in enumerate(items):
            for mask, label in item[3]:
                if mask.any():
                    rows.append(row), masks.append(mask), labels.append(label)
        return (augment(x, self.rng), kinds, known, torch.tensor(rows), torch.from_numpy(np.stack(masks)),
                torch.tensor(labels))


def curve(rng, n, knots, spread):
    """n smooth random curves over the bands, in nepers of power."""
    points = torch.from_numpy(rng.normal(0, spread, (n, 1, knots)).astype(np.float32))
    return F.interpolate(points, BANDS, mode="linear", align_corners=True)[:, 0] * (np.log(10) / 10)


def shifts(bands):
    """Matrices [n, BANDS, BANDS] that move a spectrum by so many bands; what comes in at an edge repeats the edge."""
    position = (torch.arange(BANDS)[None, :] - bands[:, None]).clamp(0, BANDS - 1)
    return (1 - (torch.arange(BANDS)[None, :, None] - position[:, None, :]).abs()).clamp(min=0)


def shifted(x, bands):
    """x: [n, frames, 2, BANDS], each moved by so many bands."""
    return torch.bmm(x.flatten(1, 2), shifts(bands)).view(x.shape)


def fluttering(level, shape, rng):
    """A noise of so much power in each band [n, BANDS], as a spectrum of this shape [n, frames, 2, BANDS]."""
    n, frames, _, bands = shape
    start = int(rng.integers(0, len(JITTER) - n * frames * bands))
    return level[:, None, None] + JITTER[start:start + n * frames * bands].view(n, frames, 1, bands) + NOISE


def add(x, y):
    """The logarithm of the sum of two powers."""
    return torch.log(torch.exp(x) + torch.exp(y))


def augment(x, rng):
    """x: [n, FRAMES, 2, BANDS]. In the order in which a recording would suffer it: pitch, room, microphone, noise, level, bandwidth."""
    n = len(x)
    uniform = lambda low, high, *shape: torch.from_numpy(rng.uniform(low, high, shape or (n,)).astype(np.float32))
    chance = lambda p: torch.from_numpy(rng.random(n) < p)
    # pitch: a shift along the (nearly logarithmic) mel axis
    moved = torch.nonzero(chance(.5))[:, 0]
    if len(moved):
        x[moved] = shifted(x[moved], uniform(-3, 3, len(moved)))
    # room: power decays exponentially behind every frame (Polack's model, one rate for all bands)
    wet = torch.nonzero(chance(.25))[:, 0]
    if len(wet):
        power = torch.exp(x[wet])
        decay = 10 ** (-6 * mel.HOP / mel.RATE / uniform(.15, .9, len(wet)))[:, None, None]
        gain = 10 ** uniform(-2.0, -.3, len(wet))[:, None, None]
        tail = torch.zeros(len(wet), 2, BANDS)
        out = []
        for t in range(FRAMES):
            out.append(power[:, t] + gain * tail)
            tail = tail * decay + power[:, t]
        x[wet] = torch.log(torch.stack(out, 1))
    x = x + (curve(rng, n, 5, 4.0) * chance(.7)[:, None])[:, None, None]
    # background noise, 5 to 45 dB below the clip's loudest frame, and a floor
    loudest = torch.logsumexp(x[:, :, 0], 2).amax(1)
    noise = loudest - uniform(5, 45) * (np.log(10) / 10) - float(np.log(BANDS))
    noise = torch.where(chance(.5), noise, torch.full((n,), -30.0))
    slope = torch.from_numpy(np.log(CENTRES / 1000).astype(np.float32))[None, :] * uniform(-1.5, .9)[:, None]
    x = add(x, fluttering(noise[:, None] + slope + curve(rng, n, 4, 3.0), x.shape, rng))
    x = x + (torch.from_numpy(rng.normal(0, 8, n).astype(np.float32)) * (np.log(10) / 10))[:, None, None, None]
    # bandwidth: 3.4 to 16 kHz (above 10 kHz nothing is seen), and now and then a telephone's lower edge
    octaves = torch.from_numpy(np.log2(CENTRES).astype(np.float32))
    edge = torch.log2(torch.exp(uniform(np.log(3400), np.log(16000))))
    steep = uniform(20, 90)
    loss = torch.clamp((octaves[None, :] - edge[:, None]) * steep[:, None], min=0) * chance(.6)[:, None]
    low = torch.log2(torch.exp(uniform(np.log(60), np.log(400))))
    loss = loss + torch.clamp((low[:, None] - octaves[None, :]) * 20, min=0) * chance(.2)[:, None]
    x = x - (loss * (np.log(10) / 10))[:, None, None]
    floor = uniform(-90, -62) * (np.log(10) / 10)
    x = add(x, torch.where(chance(.7), floor, torch.full((n,), SILENCE))[:, None, None, None] + NOISE)
    # masks of time and frequency (Park et al., 2019)
    for i in np.nonzero(rng.random(n) < .5)[0]:
        quiet = x[i, :, 0].mean() + NOISE
        for _ in range(2):
            t, b = int(rng.integers(0, FRAMES - 24)), int(rng.integers(0, BANDS - 10))
            x[i, t:t + int(rng.integers(2, 20))] = quiet
            end = b + int(rng.integers(1, 9))
            x[i, :, :, b:end] = quiet[:, b:end]
    return add(x + torch.from_numpy(mel.HEARD), torch.tensor(SILENCE))
