"""The timeline's head: what plugins/content_timeline/head.c runs over the embeddings of both
branches and the cepstra of `features`. It learns from scenes (scenes.py), heard by branches that stay as they are."""
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import timbre
from .batches import SILENCE
from .dataset import KINDS
from .fit import MARGIN, Average, embeddings
from .model import DIMENSIONS, STRIDE
from .scenes import Scenes

ARCHITECTURE = 5  # HEAD_ARCHITECTURE of plugins/content_timeline/head.h
INPUTS = 2 * DIMENSIONS + 4 * timbre.CEPSTRA
WIDTH = 64
DILATIONS = [2, 6, 12]
SCENES = 3200
SINGLE = 1500  # clips by themselves


class Branches(nn.Module):
    """Both branches, their embeddings beside each other."""

    def __init__(self, scene, sound):
        super().__init__()
        self.scene, self.sound = scene, sound

    def embed(self, x):
        """Spectra [batch, frames, 2, BANDS] to embeddings [batch, steps, 2 DIMENSIONS]."""
        return torch.cat([self.scene.embed(x), self.sound.embed(x)], 2)


class Block(nn.Module):
    """Residual convolution over time, kernel 3."""

    def __init__(self, dilation):
        super().__init__()
        self.convolution = nn.Conv1d(WIDTH, WIDTH, 3, padding=dilation, dilation=dilation)
        self.norm, self.drop = nn.BatchNorm1d(WIDTH), nn.Dropout(.1)

    def forward(self, x):
        return torch.relu(x + self.norm(self.convolution(self.drop(x))))


class Head(nn.Module):
    """Logits [batch, steps, 5] of INPUTS values a step: speech, music, environment, noise, and that it changes here."""

    def __init__(self, mean, scale):
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32))
        self.drop, self.entry, self.norm = nn.Dropout(.5), nn.Conv1d(INPUTS, WIDTH, 1), nn.BatchNorm1d(WIDTH)
        self.blocks = nn.ModuleList(Block(d) for d in DILATIONS)
        self.exit = nn.Conv1d(WIDTH, len(KINDS) + 1, 1)

    def forward(self, x, inside=None):
        """`inside` [batch, steps] is 0 beyond the end of what is shorter than the batch."""
        keep = 1 if inside is None else inside[:, None]
        x = self.drop(((x - self.mean) * self.scale).clamp(-5, 5).transpose(1, 2))
        x = torch.relu(self.norm(self.entry(x))) * keep
        for block in self.blocks:
            x = block(x) * keep
        return self.exit(x).transpose(1, 2)


def cepstra(heard):
    """[steps, 4 CEPSTRA] of the bands that the network hears [frames, BANDS], whose frames are a multiple of STRIDE."""
    values = heard @ timbre.BASIS
    change = np.diff(values, axis=0, prepend=values[:1])
    bend = np.diff(change, axis=0, prepend=change[:1])

    def steps(x):
        half = STRIDE // 2
        return np.concatenate([np.repeat(x[:1], half, 0), x])[:len(x)].reshape(-1, STRIDE, timbre.CEPSTRA)

    values = steps(values)
    return np.concatenate([values.mean(1), values.std(1), np.abs(steps(change)).mean(1), np.abs(steps(bend)).mean(1)], 1)


def heard_scenes(branches, clips, count, seed):
    """(inputs [count, steps, INPUTS] float16, targets [count, steps, 5])."""
    scenes, inputs, targets = Scenes(clips, seed), [], []
    for _ in range(count // 8):
        heard, kinds = scenes.batch(8)
        silence = torch.full((len(heard), MARGIN, *heard.shape[2:]), SILENCE)
        with torch.no_grad():
            embedded = branches.embed(torch.cat([silence, heard, silence], 1)).numpy()
        edge = MARGIN // STRIDE
        inputs.append(np.concatenate([embedded[:, edge:-edge], [cepstra(h) for h in heard[:, :, 0].numpy()]], 2).astype(np.float16))
        moved = np.zeros(kinds.shape[:2], bool)
        moved[:, 1:] = (kinds[:, 1:] != kinds[:, :-1]).any(2)
        near = moved.copy()  # a step to either side is near enough
        near[:, 1:] |= moved[:, :-1]
        near[:, :-1] |= moved[:, 1:]
        targets.append(np.concatenate([kinds, near[:, :, None]], 2))
    return np.concatenate(inputs), np.concatenate(targets).astype(np.float32)


def heard_clips(branches, clips, count, seed):
    """Clips by themselves, from their first to their last sounding step: [(inputs [steps, INPUTS], kind)]."""
    rng = np.random.default_rng(seed)
    clips = [c for c in clips if c.kind is not None]
    odds = np.array([.4 if c.dataset == "made" else 1.0 for c in clips])
    chosen = [clips[i] for i in rng.choice(len(clips), min(count, len(clips) // 2), False, odds / odds.sum())]
    out = []
    for variant, part in (("plain", chosen[::2]), ("low3400", chosen[1::2])):
        for clip, (embedding, active) in zip(part, embeddings(branches, part, variant)):
            inside = np.nonzero(active)[0]
            if len(inside):
                x = np.concatenate([embedding, timbre.measure(clip.spectra[variant])], 1)
                out.append((x[:inside[-1] + 1].astype(np.float16), KINDS.index(clip.kind)))
    return out


def single_batch(singles, rng, size=24, most=40):
    """(inputs, targets, inside) of `size` clips, at most `most` steps of each."""
    x, y = np.zeros((size, most, INPUTS), np.float32), np.zeros((size, most, 5), np.float32)
    inside = np.zeros((size, most), np.float32)
    for row in range(size):
        steps, kind = singles[rng.integers(len(singles))]
        first = int(rng.integers(0, max(1, len(steps) - most + 1)))
        part = steps[first:first + most]
        x[row, :len(part)], inside[row, :len(part)], y[row, :len(part), kind] = part, 1, 1
    return torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(inside)


def fit(branches, clips, seed=1, steps=3000, size=6, rate=3e-3):
    inputs, targets = heard_scenes(branches, clips, SCENES, seed + 100)
    singles = heard_clips(branches, clips, SINGLE, seed)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    sample = inputs[:, ::7].reshape(-1, INPUTS).astype(np.float32)
    head = Head(sample.mean(0), 1 / (sample.std(0) + 1e-2))
    average = Average(head, 200)
    optimiser = torch.optim.AdamW(head.parameters(), lr=rate, weight_decay=.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps, pct_start=.15)
    for _ in range(steps):
        head.train()
        chosen = rng.integers(0, len(inputs), size)
        loss = F.binary_cross_entropy_with_logits(head(torch.from_numpy(inputs[chosen].astype(np.float32))),
                                                  torch.from_numpy(targets[chosen]))
        x, y, inside = single_batch(singles, rng)
        single = F.binary_cross_entropy_with_logits(head(x, inside), y, reduction="none")[:, :, :len(KINDS)].mean(2)
        loss = loss + .2 * ((single * inside).sum(1) / inside.sum(1)).mean()  # a short clip counts as much as a long one
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        average.update(head)
    head.load_state_dict(average.state)
    return head.eval()


def logits(head, inputs):
    """[steps, 5] of [steps, INPUTS]."""
    with torch.no_grad():
        return head(torch.from_numpy(inputs.astype(np.float32))[None])[0].numpy()


def folded(convolution, norm):
    """(weight [taps * in, out], bias) of a convolution with the normalisation behind it."""
    scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach().numpy()
    weight = convolution.weight.detach().numpy() * scale[:, None, None]
    bias = (convolution.bias.detach().numpy() - norm.running_mean.numpy()) * scale + norm.bias.detach().numpy()
    return weight.transpose(2, 1, 0).reshape(-1, weight.shape[0]), bias


def tensors(head):
    """For the weights file."""
    out = {"input.mean": head.mean.numpy(), "input.scale": head.scale.numpy()}
    out["entry.weight"], out["entry.bias"] = folded(head.entry, head.norm)
    for i, block in enumerate(head.blocks):
        out[f"block{i}.weight"], out[f"block{i}.bias"] = folded(block.convolution, block.norm)
    out["exit.weight"] = head.exit.weight.detach().numpy()[:, :, 0].T
    out["exit.bias"] = head.exit.bias.detach().numpy()
    return {k: np.ascontiguousarray(v, np.float32) for k, v in out.items()}
