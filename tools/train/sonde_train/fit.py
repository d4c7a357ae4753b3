"""Fits a branch of the network and its heads: first a teacher, wider than the branch that ships, then the branch itself, which learns
from the truth and from what the teacher makes of the very same crops (Hinton et al., 2015; Beyer et al., 2022)."""
import os
import time
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import mel
from .batches import STRIDE, Sampler, SILENCE, activity
from .dataset import CLASSES, KINDS
from .model import BANDS, DIMENSIONS, TEACHER, Backbone
from .scenes import Crops

MUSIC, ENVIRONMENT = KINDS.index("music"), KINDS.index("environment")
MARGIN = 16  # frames of silence beyond a clip's edges, as in branch.c
SOUNDS = 26  # crops a batch of sounds by themselves
TAUGHT = .6  # how much the teacher's word counts beside the truth
SOFTNESS = 2.0  # temperature at which both say their classes


class Recipe(NamedTuple):
    """What a branch hears, and what it learns from beside the sounds."""
    inputs: int  # of each band: 1, its power; 2, and how far its floor lies below
    scenes: int  # crops of scenes a batch
    hard: float  # how much it counts in a scene whether there is an environment where there is music: the hardest to hear


SOUND = Recipe(inputs=1, scenes=12, hard=1.0)  # tells what a sound is
SCENE = Recipe(inputs=2, scenes=16, hard=3.0)  # tells what sounds at the same time


class Network(nn.Module):
    """Backbone with the two heads: kinds per step (sigmoids), class per segment (softmax of mean and maximum)."""

    def __init__(self, mean, scale, convolutions=None):
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32))
        self.backbone = Backbone(len(self.mean), convolutions)
        self.kinds = nn.Linear(DIMENSIONS, len(KINDS))
        self.classes = nn.Linear(2 * DIMENSIONS, len(CLASSES))
        self.drop = nn.Dropout(.25)

    def embed(self, x, rng=None):
        """Spectra [batch, frames, 2, BANDS] to embeddings [batch, steps, DIMENSIONS]; with a generator, styles are exchanged."""
        x = (below(x.transpose(1, 2))[:, :len(self.mean)] - self.mean[:, None]) * self.scale[:, None]
        if rng is not None:
            x = torch.cat([exchange_styles(x[:, 0], rng)[:, None], x[:, 1:]], 1)
        return self.backbone(x).transpose(1, 2)

    def pooled(self, embedding, masks):
        """Mean and maximum over the masked steps."""
        m = masks.unsqueeze(2).float()
        mean = (embedding * m).sum(1) / m.sum(1).clamp(min=1)
        return torch.cat([mean, (embedding * m).amax(1)], 1)


def below(x):
    """Bands and their floors [batch, 2, ...] to bands and how far below them their floors lie."""
    return torch.stack([x[:, 0], x[:, 1] - x[:, 0]], 1)


def normalisation(clips, inputs):
    """Mean and one over the spread of what `below` gives, each [inputs, BANDS]."""
    frames = np.concatenate([c.spectra["plain"][::17].astype(np.float32) for c in clips])
    frames = below(torch.from_numpy(frames[frames[:, 0].max(1) > -16])).numpy()[:, :inputs]
    return frames.mean(0), 1 / np.maximum(frames.std(0), 1)


def exchange_styles(x, rng, share=.4, strength=.3):
    """Freq-MixStyle (Schmid et al., 2022; Kim et al., 2022) on normalised log-mel [batch, frames, BANDS]: the mean and spread
    of each band move towards those of another item, as if it had been recorded elsewhere."""
    chosen = torch.from_numpy(np.nonzero(rng.random(len(x)) < share)[0])
    if len(chosen) < 2:
        return x
    mean, spread = x[chosen].mean(1, keepdim=True), x[chosen].std(1, keepdim=True) + .05
    other = torch.from_numpy(rng.permutation(len(chosen)))
    part = rng.beta(strength, strength, (len(chosen), 1, 1)).astype(np.float32)
    part = torch.from_numpy(np.maximum(part, 1 - part))
    new_mean, new_spread = part * mean + (1 - part) * mean[other], part * spread + (1 - part) * spread[other]
    x = x.clone()
    x[chosen] = (x[chosen] - mean) / spread * new_spread + new_mean
    return x


class Average:
    """Exponential moving average of all weights and statistics; it starts short and grows to `horizon` steps."""

    def __init__(self, network, horizon=250):
        self.horizon, self.steps = horizon, 0
        self.state = {k: v.detach().clone() for k, v in network.state_dict().items()}

    def update(self, network):
        self.steps += 1
        share = 1 / min(self.horizon, 1 + self.steps / 4)
        for name, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                self.state[name].lerp_(value, share)
            else:
                self.state[name].copy_(value)


def draw(sampler, crops, scenes):
    """One batch: sounds by themselves first, then scenes, which have no class but the truth of every step."""
    x, kinds, known, *segments = sampler.batch(SOUNDS)
    scene, there = crops.batch(scenes)
    return torch.cat([x, scene]), torch.cat([kinds, there]), torch.cat([known, torch.ones(there.shape[:2])]), *segments


def mixed_up(batch, rng):
    """mixup (Zhang et al., 2018) of the sounds: of inputs, of frame targets, and of the segments' classes. Returns the batch and
    the segments' weights."""
    x, kinds, known, rows, masks, labels = batch
    part = torch.from_numpy(rng.beta(.4, .4, len(x)).astype(np.float32))
    part = torch.maximum(part, 1 - part)
    other = torch.from_numpy(np.append(rng.permutation(SOUNDS), np.arange(SOUNDS, len(x))))
    x = part[:, None, None, None] * x + (1 - part)[:, None, None, None] * x[other]
    kinds = part[:, None, None] * kinds + (1 - part)[:, None, None] * kinds[other]
    known = torch.minimum(known, known[other])
    back = torch.argsort(other)  # row r sounds, faintly, in row back[r]
    count = len(rows)
    rows, masks, labels = torch.cat([rows, back[rows]]), torch.cat([masks, masks]), torch.cat([labels, labels])
    return (x, kinds, known, rows, masks, labels), torch.cat([part[rows[:count]], 1 - part[rows[count:]]])


def swiftly(network, x, rng=None):
    """Embeddings of a batch to learn from, convolved in bfloat16: two thirds of the time where the processor has it."""
    with torch.autocast("cpu", torch.bfloat16):
        return network.embed(x, rng).float()


def lesson(teacher, x, rows, masks):
    """What a teacher hears in a batch: probabilities of the kinds for each step, and, softened, of the classes for each segment."""
    with torch.no_grad():
        embedding = swiftly(teacher, x)
        classes = teacher.classes(teacher.pooled(embedding[rows], masks))
        return torch.sigmoid(teacher.kinds(embedding)), F.softmax(classes / SOFTNESS, 1)


def loss_of(network, batch, rng, mix, recipe, teacher=None):
    batch, weight = mixed_up(batch, rng) if mix else (batch, torch.ones(len(batch[3])))
    x, truth, known, rows, masks, labels = batch
    kinds, embedding = truth, swiftly(network, x, rng)
    logits = network.classes(network.drop(network.pooled(embedding[rows], masks)))
    segment = F.cross_entropy(logits, labels, reduction="none", label_smoothing=.05)
    if teacher is not None:
        heard, classes = lesson(teacher, x, rows, masks)
        kinds = torch.lerp(kinds, heard, TAUGHT)
        segment = torch.lerp(segment, -SOFTNESS * (classes * F.log_softmax(logits / SOFTNESS, 1)).sum(1), TAUGHT)
    hard = torch.ones_like(truth)
    hard[SOUNDS:, :, ENVIRONMENT] += (recipe.hard - 1) * truth[SOUNDS:, :, MUSIC]
    frame = F.binary_cross_entropy_with_logits(network.kinds(embedding), kinds, hard, reduction="none").mean(2)
    frame = (frame * known).sum() / known.sum().clamp(min=1)
    return 3 * frame + (segment * weight).sum() / weight.sum()


def fit(clips, recipe, steps, seed=1, rate=3e-3, mixup=.6, teacher=None, convolutions=None, log=print):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = Network(*normalisation(clips, recipe.inputs), convolutions)
    sampler, crops = Sampler(clips, seed), Crops(clips, seed + 200)
    network.backbone.to(memory_format=torch.channels_last)
    average = Average(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=2e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps, pct_start=.15)
    started, recent = time.time(), []
    for step in range(steps):
        network.train()
        loss = loss_of(network, draw(sampler, crops, recipe.scenes), rng, rng.random() < mixup, recipe, teacher)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5)
        optimiser.step()
        schedule.step()
        average.update(network)
        recent.append(float(loss))
        if step % 250 == 249:
            log(f"step {step + 1} of {steps}: loss {np.mean(recent[-250:]):.3f}, {time.time() - started:.0f} s", flush=True)
    network.load_state_dict(average.state)
    return network.eval()


def load(path, convolutions=None):
    """A network from a file of its state."""
    state = torch.load(path)
    network = Network(state["mean"], state["scale"], convolutions)
    network.load_state_dict(state)
    network.backbone.to(memory_format=torch.channels_last)
    return network.eval()


def fit_taught(clips, kept, recipe, steps, seed=1, rate=3e-3, mixup=.6, log=print):
    """A teacher, which is kept in the file `kept` and read from there where it exists, and the network that it teaches."""
    if os.path.exists(kept):
        teacher = load(kept, TEACHER)
    else:
        teacher = fit(clips, recipe, steps, seed, rate, mixup, convolutions=TEACHER, log=log)
        torch.save(teacher.state_dict(), kept)
    return fit(clips, recipe, steps, seed, rate, mixup, teacher, log=log)


def embeddings(network, clips, variant="plain", limit=1300):
    """Per clip: (embeddings [steps, DIMENSIONS], active [steps]); at most `limit` frames of a clip are used."""
    network.eval()
    out = [None] * len(clips)
    spectra = [mel.heard(c.spectra[variant][:limit]) for c in clips]
    order = sorted(range(len(clips)), key=lambda i: len(spectra[i]))
    with torch.no_grad():
        first = 0
        while first < len(order):
            length = len(spectra[order[first]])
            group = [i for i in order[first:first + 64] if len(spectra[i]) == length]
            steps = -(-length // STRIDE)
            x = np.full((len(group), 2 * MARGIN + length, 2, BANDS), SILENCE, np.float32)
            for row, i in enumerate(group):
                x[row, MARGIN:MARGIN + length] = spectra[i]
            e = network.embed(torch.from_numpy(x)).numpy()[:, MARGIN // STRIDE:MARGIN // STRIDE + steps]
            for row, i in enumerate(group):
                out[i] = (e[row], activity(clips[i].spectra[variant][:limit]))
            first += len(group)
    return out


def pool(embedding, active):
    chosen = embedding[active] if active.any() else embedding
    return np.concatenate([chosen.mean(0), chosen.max(0)])
