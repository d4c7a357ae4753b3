"""Trains one tempogram model: train_tempogram.py DATA.pkl OUT.pt [--without FOLD] [--steps N]

The model is that of plugins/tempo_meter/tempogram.c; DATA.pkl comes from dataset.py. A song's tempo is stretched by moving
its autocorrelation along the logarithmic axis of lags.
"""
import argparse
import pickle

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

FPS, LAGS, BINS, LOWEST = 22050 / 512, 110, 60, 30.0
LAG_FRAMES = .11 * 2 ** (np.arange(LAGS) / 20) * FPS
RANGES = ((0, 13), (13, 34), (34, 48))
RATIOS = (-40, -32, -20, -12, -8, 0, 8, 12, 20, 32, 40)
SHARE = {'composed': .36, 'mix': .2, 'pop909_synth': .16, 'asap_synth': .12, 'song': .1, 'song_tempo': .06}


def describe(x):
    """Autocorrelations (3, LAGS) and timbre (144) of band amplitudes."""
    reference = np.sqrt(np.quantile((x ** 2).mean(1), .9, method='lower')) + 1e-9
    level = np.log1p(100 / reference * x)
    before = np.vstack([np.zeros((2, 48)), level[:-2]])
    top = before.copy()
    top[:, 1:] = np.maximum(top[:, 1:], before[:, :-1])
    top[:, :-1] = np.maximum(top[:, :-1], before[:, 1:])
    up = np.maximum(0, level - top)
    count, out = len(x), []
    for a, b in RANGES:
        e = up[:, a:b].sum(1)
        spectrum = np.fft.rfft(e - e.mean(), 1 << int(np.ceil(np.log2(2 * count))))
        r = np.fft.irfft(np.abs(spectrum) ** 2)[:count] / (count - np.arange(count))
        r = r / r[0] if r[0] > 1e-9 else 0 * r
        out.append(np.where(LAG_FRAMES < .8 * count, np.interp(LAG_FRAMES, np.arange(count), r), 0))
    return np.array(out, np.float32), np.concatenate([level.mean(0), 5 * up.mean(0), level.std(0)]).astype(np.float32)


class Tempogram(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer('look', torch.tensor([r + k for r in RATIOS for k in (-1, 0, 1)]))
        self.register_buffer('beat', torch.round(20 * np.log2(2 / .11) - torch.arange(BINS)).long())
        self.l1, self.l2, self.l3 = nn.Linear(9 * len(RATIOS), 32), nn.Linear(32, 16), nn.Linear(16, 1)
        self.t1, self.t2 = nn.Linear(144, 12), nn.Linear(12, 6)
        bins = torch.arange(BINS)
        self.register_buffer('basis', torch.stack([torch.ones(BINS)] + [torch.exp(-.5 * ((bins - c) / 9.) ** 2)
                                                                        for c in (10, 20, 30, 40, 50)]))

    def forward(self, lags, timbre):
        at = (self.beat[:, None] + self.look[None] + 45).clamp(0, LAGS + 89)
        x = F.pad(lags, (45, 45))[:, :, at].permute(0, 2, 1, 3).flatten(2)
        x = self.l3(F.relu(self.l2(F.relu(self.l1(x)))))[..., 0]
        return x + self.t2(F.relu(self.t1(timbre))) @ self.basis


def stretches(data):
    """Each song whole, and its halves where it is long: (lags, timbre, bpm, kind)."""
    for item in data:
        count = len(item['x'])
        for a, b in [(0, count)] + ([(0, count // 2), (count // 2, count)] if count > 1500 else []):
            here = item['beats'][(item['beats'] * FPS >= a) & (item['beats'] * FPS < b)]
            bpm = 60 / np.median(np.diff(here)) if len(here) > 3 else item['bpm'] if len(item['beats']) == 0 else 0
            if bpm > 0 and item['kind'] != 'none':
                yield (*describe(item['x'][a:b]), bpm, item['kind'])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data')
    parser.add_argument('out')
    parser.add_argument('--without', type=int, default=-2)
    parser.add_argument('--steps', type=int, default=1500)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    with open(args.data, 'rb') as f:
        examples = list(stretches(d for d in pickle.load(f) if d['fold'] != args.without))
    lags = torch.tensor(np.stack([e[0] for e in examples]))
    timbre = np.stack([e[1] for e in examples])
    mean, spread = timbre.mean(0), timbre.std(0) + 1e-3
    timbre = torch.tensor((timbre - mean) / spread, dtype=torch.float32)
    place = 20 * np.log2(np.array([e[2] for e in examples]) / LOWEST)
    pools = {}
    for i, e in enumerate(examples):
        pools.setdefault(e[3], []).append(i)
    kinds = [kind for kind in SHARE if kind in pools]
    share = np.array([SHARE[kind] for kind in kinds])
    model = Tempogram()
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=1e-3)
    for step in range(args.steps):
        for group in optimiser.param_groups:
            group['lr'] = 3e-3 * .5 * (1 + np.cos(np.pi * step / args.steps)) + 1e-5
        picks = [rng.choice(pools[kind]) for kind in rng.choice(kinds, 64, p=share / share.sum())]
        shift = rng.integers(-4, 5, 64)
        x = torch.stack([torch.roll(lags[i], -int(s), 1) for i, s in zip(picks, shift)])
        centre = torch.tensor(place[picks] + shift, dtype=torch.float32)
        target = torch.exp(-.5 * (torch.arange(BINS)[None] - centre[:, None]) ** 2)
        target = target / target.sum(1, keepdim=True).clamp(min=1e-3)
        sound = (timbre[picks] + .3 * torch.randn(64, 144)) * (torch.rand(64, 1) > .1)
        loss = -(target * F.log_softmax(model(x + .01 * torch.randn_like(x), sound), 1)).sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 100 == 99:
            print(f'{step + 1} {loss:.3f}', flush=True)
    torch.save({**model.state_dict(), 'mean': torch.tensor(mean), 'spread': torch.tensor(spread)}, args.out)


if __name__ == '__main__':
    main()
