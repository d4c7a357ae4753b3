"""Training batches: crops of one clip, two clips joined, or two mixed, then augmentation of the whole batch in the
log-mel domain (gain, equaliser, bandwidth, reverberation, time and pitch, noise, masks)."""
import numpy as np
import torch
import torch.nn.functional as F

from . import mel
from .dataset import CLASSES, KINDS
from .model import BANDS, STRIDE

FRAMES = 192  # 4.5 s
STEPS = FRAMES // STRIDE
SILENCE = float(np.log(mel.FLOOR))
CENTRES = mel.edges()[1:-1]
# the logarithm of a noise band's power flutters like this; a long strip, of which each batch takes a part
JITTER = torch.from_numpy(np.log(np.random.default_rng(2).gamma(6, 1 / 6, 3_000_000) + 1e-3).astype(np.float32))


def activity(spectrum, depth=40.0):
    """Per embedding step: is the loudest of its 8 frames within `depth` dB of the clip's loudest?"""
    level = np.log(np.exp(spectrum.astype(np.float32)).sum(1)) * (10 / np.log(10))
    steps = -(-len(level) // STRIDE)
    padded = np.full(steps * STRIDE + STRIDE, -200.0, np.float32)
    padded[STRIDE // 2:STRIDE // 2 + len(level)] = level
    loudest = padded[:steps * STRIDE].reshape(steps, STRIDE).max(axis=1)
    return (loudest > loudest.max() - depth) & (loudest > -85)


class Sampler:
    """Draws clips: a class by the square root of its size, then a clip of it."""

    def __init__(self, clips, seed):
        self.rng = np.random.default_rng(seed)
        self.by_class = {}
        for clip in clips:
            self.by_class.setdefault(clip.label, []).append(clip)
        self.names = sorted(self.by_class)
        weight = np.sqrt([len(self.by_class[n]) for n in self.names])
        weight *= [{"speech": 1.5, "music": 1.5}.get(n, 1.0) for n in self.names]
        self.weight = weight / weight.sum()
        self.by_kind = {k: [c for c in clips if c.kind == k and (k != "environment" or c.dataset != "made")] for k in KINDS}

    def clip(self):
        return self.pick(self.by_class[self.names[self.rng.choice(len(self.names), p=self.weight)]])

    def pick(self, clips):
        return clips[self.rng.integers(len(clips))]

    def spectrum(self, clip):
        return clip.spectra[self.rng.choice(["plain", "plain", "plain", "coded", "low3400", "low8000"])].astype(np.float32)

    def crop(self, clip, length):
        """(spectrum, active) of at most `length` frames; active per frame, at a random place of the clip."""
        s = self.spectrum(clip)
        if self.rng.random() < .5:  # speed: frames repeated or left out
            s = s[np.arange(0, len(s), self.rng.uniform(.85, 1.18)).astype(int)]
        if len(s) > length:
            start = self.rng.integers(0, len(s) - length + 1)
            s = s[start:start + length]
        active = np.repeat(activity(s), STRIDE)[:len(s)]
        return s, active

    def place(self, item, clip, start, end, gain=0.0):
        """Adds the clip's power between frames start and end; returns the frames where it sounds, and those it covers."""
        s, active = self.crop(clip, end - start)
        room = end - start - len(s)
        at = start + (int(self.rng.integers(0, room + 1)) if room > 0 else 0)
        item[at:at + len(s)] = np.logaddexp(item[at:at + len(s)], s + gain)
        mask = np.zeros(FRAMES, bool)
        mask[at:at + len(s)] = active
        covered = np.zeros(FRAMES, bool)
        covered[at:at + len(s)] = True
        return mask, covered

    def item(self):
        """(log-mel [FRAMES, BANDS], kinds [STEPS, 4], weights [STEPS], segments [(mask over steps, class)])."""
        x = np.full((FRAMES, BANDS), SILENCE, np.float32)
        kinds, known = np.zeros((FRAMES, 4), np.float32), np.full(FRAMES, .3, np.float32)
        segments = []
        mode = self.rng.random()
        if mode < .55:
            spans = [(0, FRAMES, self.clip(), 0.0)]
        elif mode < .8:
            cut = int(self.rng.integers(32, FRAMES - 32))
            spans = [(0, cut, self.clip(), 0.0), (cut, FRAMES, self.clip(), float(self.rng.normal(0, 1.2)))]
        else:
            below, above = [("music", "speech"), ("environment", "speech"), ("environment", "music"),
                            ("music", "speech")][self.rng.integers(4)]
            start, end = sorted(self.rng.integers(0, FRAMES, 2)) if self.rng.random() < .5 else (0, FRAMES)
            start, end = (start, end) if end - start > 40 else (0, FRAMES)
            ratio = float(self.rng.uniform(-5, 15))  # dB of the upper one over the lower
            one, two = self.pick(self.by_kind[below]), self.pick(self.by_kind[above])
            level = [float(c.spectra["plain"][:FRAMES].max()) for c in (one, two)]
            spans = [(0, FRAMES, one, 0.0), (int(start), int(end), two, level[0] - level[1] + ratio / 10 * np.log(10))]
        for start, end, clip, gain in spans:
            mask, covered = self.place(x, clip, start, end, gain)
            if clip.kind is None:
                known[covered] = 0
            else:
                kinds[mask, KINDS.index(clip.kind)] = 1
                known[mask] = np.where(known[mask] > 0, 1, 0)
                known[covered & ~mask] = 0
            if mode < .8:
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


def augment(x, rng):
    """In the order in which a recording would suffer it: pitch, room, microphone, noise, level, bandwidth."""
    n = len(x)
    uniform = lambda low, high, *shape: torch.from_numpy(rng.uniform(low, high, shape or (n,)).astype(np.float32))
    chance = lambda p: torch.from_numpy(rng.random(n) < p)
    # pitch: a shift along the (nearly logarithmic) mel axis
    shift = torch.where(chance(.5), uniform(-2.5, 2.5), torch.zeros(n)) * (2 / BANDS)
    moved = shift != 0
    if moved.any():
        count = int(moved.sum())
        time = torch.linspace(-1, 1, FRAMES)[None, :, None].expand(count, FRAMES, BANDS)
        band = (torch.linspace(-1, 1, BANDS)[None, :] + shift[moved, None])[:, None, :].expand(count, FRAMES, BANDS)
        x[moved] = F.grid_sample(x[moved].unsqueeze(1), torch.stack([band, time], -1), padding_mode="border",
                                 align_corners=True)[:, 0]
    # room: power decays exponentially behind every frame (Polack's model, one rate for all bands)
    wet = torch.nonzero(chance(.25))[:, 0]
    if len(wet):
        power = torch.exp(x[wet])
        decay = 10 ** (-6 * mel.HOP / mel.RATE / uniform(.15, .9, len(wet)))[:, None]
        gain = 10 ** uniform(-2.0, -.3, len(wet))[:, None]
        tail = torch.zeros(len(wet), BANDS)
        out = []
        for t in range(FRAMES):
            out.append(power[:, t] + gain * tail)
            tail = tail * decay + power[:, t]
        x[wet] = torch.log(torch.stack(out, 1))
    x = x + (curve(rng, n, 5, 4.0) * chance(.7)[:, None])[:, None, :]
    # background noise, 5 to 45 dB below the clip's loudest frame, and a floor
    loudest = torch.logsumexp(x, 2).amax(1)
    noise = loudest - uniform(5, 45) * (np.log(10) / 10) - float(np.log(BANDS))
    noise = torch.where(chance(.5), noise, torch.full((n,), -30.0))
    slope = torch.from_numpy(np.log(CENTRES / 1000).astype(np.float32))[None, :] * uniform(-1.5, .9)[:, None]
    start = int(rng.integers(0, len(JITTER) - x.numel()))
    jitter = JITTER[start:start + x.numel()].view(x.shape)
    x = torch.logaddexp(x, (noise[:, None] + slope + curve(rng, n, 4, 3.0))[:, None, :] + jitter)
    x = x + (torch.from_numpy(rng.normal(0, 8, n).astype(np.float32)) * (np.log(10) / 10))[:, None, None]
    # bandwidth: 3.4 to 16 kHz (above 10 kHz nothing is seen), and now and then a telephone's lower edge
    octaves = torch.from_numpy(np.log2(CENTRES).astype(np.float32))
    edge = torch.log2(torch.exp(uniform(np.log(3400), np.log(16000))))
    steep = uniform(20, 90)
    loss = torch.clamp((octaves[None, :] - edge[:, None]) * steep[:, None], min=0) * chance(.6)[:, None]
    low = torch.log2(torch.exp(uniform(np.log(60), np.log(400))))
    loss = loss + torch.clamp((low[:, None] - octaves[None, :]) * 20, min=0) * chance(.2)[:, None]
    x = x - (loss * (np.log(10) / 10))[:, None, :]
    floor = uniform(-90, -62) * (np.log(10) / 10)
    x = torch.logaddexp(x, torch.where(chance(.7), floor, torch.full((n,), SILENCE))[:, None, None])
    # masks of time and frequency (Park et al., 2019)
    for i in np.nonzero(rng.random(n) < .3)[0]:
        t, b = int(rng.integers(0, FRAMES - 24)), int(rng.integers(0, BANDS - 8))
        x[i, t:t + int(rng.integers(4, 24))] = x[i].mean()
        x[i, :, b:b + int(rng.integers(2, 8))] = x[i].mean()
    return torch.logaddexp(x + torch.from_numpy(mel.HEARD), torch.tensor(SILENCE))
