"""The classifier's second opinion: statistics of cepstra, as plugins/features/timbre.c measures them and
plugins/classifier/ranking.c sums them up over a segment, and a small network over these."""
import numpy as np
import torch
import torch.nn.functional as F
from scipy.fft import dct
from torch import nn

from . import mel
from .batches import MADE, activity
from .dataset import CLASSES
from .model import BANDS, STRIDE

CEPSTRA = 20
HIDDEN = 256
SHARE = .6  # of what it says, beside the embedding's logits; .3 to 1 differ little
BASIS = dct(np.eye(BANDS), axis=1, norm="ortho")[:, :CEPSTRA].astype(np.float32)
LIMIT = 1300  # frames of a clip that are looked at


def by_step(values):
    """[frames, n] to [steps, STRIDE, n]: the frames nearest to each embedding, NaN where there are none."""
    steps = -(-len(values) // STRIDE)
    padded = np.full((steps * STRIDE + STRIDE, values.shape[1]), np.nan, np.float32)
    padded[STRIDE // 2:STRIDE // 2 + len(values)] = values
    return padded[:steps * STRIDE].reshape(steps, STRIDE, -1)


def measure(spectrum):
    """[steps, 4 CEPSTRA] of the bands of [frames, 2, BANDS]: mean, spread, mean size of the change and of the change's change."""
    heard = mel.heard(spectrum[:LIMIT, 0])
    cepstra = heard @ BASIS
    change = np.diff(cepstra, axis=0, prepend=cepstra[:1])
    bend = np.diff(change, axis=0, prepend=change[:1])
    values = by_step(cepstra)
    return np.concatenate([np.nanmean(values, 1), np.nanstd(values, 1), np.nanmean(by_step(np.abs(change)), 1),
                           np.nanmean(by_step(np.abs(bend)), 1)], 1)


def pooled(steps, active):
    """The statistics of a segment, in the order of ranking.h."""
    chosen = steps[active] if active.any() else steps
    mean, spread, change, bend = chosen.reshape(len(chosen), 4, CEPSTRA).transpose(1, 0, 2)
    centre, between = mean.mean(0), mean.std(0)
    return np.concatenate([centre[1:], np.sqrt(between ** 2 + (spread ** 2).mean(0)), between, spread.mean(0), change.mean(0),
                           bend.mean(0), mean.max(0) - centre, mean.min(0) - centre]).astype(np.float32)


def statistics(clip, variant):
    """Of a whole clip; kept with the clip."""
    kept = clip.__dict__.setdefault("timbre", {})
    if variant not in kept:
        spectrum = clip.spectra[variant]
        kept[variant] = pooled(measure(spectrum), activity(spectrum[:LIMIT]))
    return kept[variant]


class Timbre(nn.Module):
    """One layer of rectified units over the statistics, in spreads from their mean, cut at five."""

    def __init__(self, mean, scale):
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean))
        self.register_buffer("scale", torch.as_tensor(scale))
        self.hidden = nn.Linear(len(mean), HIDDEN)
        self.out = nn.Linear(HIDDEN, len(CLASSES))

    def normalised(self, x):
        return ((x - self.mean) * self.scale).clamp(-5, 5)

    def forward(self, x):
        return self.out(torch.relu(self.hidden(self.normalised(x))))


def fit(clips, steps=2500, seed=1, size=128, rate=3e-3):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    variants = ["plain", "coded", "low3400", "low8000"]
    x = {v: torch.from_numpy(np.stack([statistics(c, v) for c in clips])) for v in variants}
    network = Timbre(x["plain"].mean(0), 1 / (x["plain"].std(0) + 1e-3))
    truth = np.array([CLASSES.index(c.label) for c in clips])
    weight = np.array([MADE if c.dataset == "made" else 1.0 for c in clips])
    odds = weight / np.sqrt(np.bincount(truth, weight, len(CLASSES))[truth])
    places = np.cumsum(odds / odds.sum())
    targets = torch.eye(len(CLASSES)) * .95 + .05 / len(CLASSES)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps)
    for _ in range(steps):
        chosen = np.minimum(np.searchsorted(places, rng.random(size)), len(clips) - 1)
        part = network.normalised(x[variants[max(0, int(rng.integers(-1, 4)))]][chosen])
        target = targets[truth[chosen]]
        if rng.random() < .5:  # mixup
            share = torch.from_numpy(rng.beta(.4, .4, (size, 1)).astype(np.float32))
            other = torch.from_numpy(rng.permutation(size))
            part, target = share * part + (1 - share) * part[other], share * target + (1 - share) * target[other]
        part = F.dropout(part + .15 * torch.randn_like(part), .1)
        logits = network.out(F.dropout(torch.relu(network.hidden(part)), .5))
        loss = -(F.log_softmax(logits, 1) * target).sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def logits(network, clips, variant):
    """[clips, classes], to be added to the embedding's."""
    with torch.no_grad():
        return SHARE * network(torch.from_numpy(np.stack([statistics(c, variant) for c in clips]))).numpy()


def tensors(network):
    """For the weights file; the bias of the last layer belongs to the classes' bias."""
    array = lambda t: t.detach().numpy().astype(np.float32)
    return {"timbre.mean": array(network.mean), "timbre.scale": array(network.scale),
            "timbre.hidden": array(network.hidden.weight).T, "timbre.hidden_bias": array(network.hidden.bias),
            "timbre.weight": SHARE * array(network.out.weight).T}, SHARE * array(network.out.bias)
