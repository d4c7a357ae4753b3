"""Trains one beat network: train.py DATA.pkl OUT.pt [--without FOLD] [--steps N] [--seed N] [--from MODEL.pt]

The network is that of plugins/tempo_meter/network.c. Every step sees eight stretches of half a minute, stretched in time by
up to 18 %, moved by up to four bands, filtered, with noise; see augment.
"""
import argparse
import pickle

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from scipy.signal import lfilter

FPS, LENGTH, BINS, LOWEST = 22050 / 512, 1280, 60, 30.0
SHARE = {'composed': .16, 'produced': .2, 'mix': .15, 'pop909_synth': .16, 'asap_synth': .12, 'song': .13, 'song_tempo': .05, 'none': .06}


class Network(nn.Module):
    def __init__(self, width=24, layers=9, taps=5):
        super().__init__()
        self.c0 = nn.Conv1d(48, width, 3, padding=1)
        self.l = nn.ModuleList([nn.Conv1d(width, width, taps, padding=2 ** i * (taps // 2), dilation=2 ** i)
                                for i in range(layers)])
        self.o = nn.Conv1d(width, 2, 1)
        self.t0 = nn.Conv1d(width, 32, 1)
        self.t1 = nn.Linear(32, BINS + 1)
        self.drop = nn.Dropout2d(.08)
        self.g = nn.Parameter(torch.ones(layers, width, 1) * .3)

    def forward(self, x):
        h = F.relu(self.c0(x))
        for gain, layer in zip(self.g, self.l):
            h = h + gain * F.relu(layer(self.drop(h.unsqueeze(-1)).squeeze(-1)))
        return self.o(h), self.t1(F.relu(self.t0(h)).mean(2))


def smear(x, rng):
    """A room: every band's power dies away over a few frames more."""
    keep = rng.uniform(.3, .85)
    late = lfilter(np.float32([1 - keep]), np.float32([1, -keep]), x * x, axis=0)
    return np.sqrt(x * x + rng.uniform(.2, 3) * late)


def squeeze(x, rng):
    """A compressor: loud frames are turned down, all bands together, and let go slowly."""
    level = np.sqrt((x * x).mean(1)) + 1e-6
    hold = lfilter(np.float32([.25]), np.float32([1, -.75]), level)
    return x * (np.maximum(level, hold) / level.max() + .02)[:, None] ** -rng.uniform(.2, .8)


def tilt(x, rng):
    shift = int(rng.integers(-4, 5))
    if shift > 0:
        x = np.concatenate([np.repeat(x[:, :1], shift, 1) * .3, x[:, :-shift]], 1)
    elif shift < 0:
        x = np.concatenate([x[:, -shift:], np.repeat(x[:, -1:], -shift, 1) * .5], 1)
    curve = rng.normal(0, .5, 5)
    if rng.random() < .15:  # a telephone, a small loudspeaker, a dull recording
        curve[0 if rng.random() < .5 else -1] -= rng.uniform(1, 4)
    return x * np.exp(np.interp(np.arange(48), np.linspace(0, 47, 5), curve)).astype(np.float32)


def augment(x, rng):
    x = tilt(x, rng)
    if rng.random() < .3:
        x = smear(x, rng)
    if rng.random() < .4:
        x = squeeze(x, rng)
    if rng.random() < .3:
        x = x + np.abs(rng.standard_normal(x.shape, np.float32)) * np.sqrt((x ** 2).mean()) * rng.uniform(0, .15)
    reference = np.sqrt(np.quantile((x ** 2).mean(1), .9)) + 1e-9
    return np.log1p(100 / reference * np.exp(rng.normal(0, .25)) * x)


def voice(x, pools, rng):
    """Speech, nature or a crowd over music, as band powers add up when sounds have nothing in common."""
    if 'none' not in pools or rng.random() > .2:
        return x
    other = pools['none'][rng.integers(len(pools['none']))]['x']
    start = int(rng.integers(0, max(1, len(other) - len(x))))
    other = np.resize(other[start:start + len(x)], x.shape)
    gain = np.sqrt((x ** 2).mean() / ((other ** 2).mean() + 1e-12)) * 10 ** (rng.uniform(-15, 1) / 20)
    return np.sqrt(x ** 2 + (gain * other) ** 2)


def stems(item, a, b, rng):
    """Frames a to b of a clip; one with stems is mixed anew every time."""
    if 'stems' not in item:
        return item['x'][a:b]
    parts = [stem[a:b] for stem in item['stems']]
    dropped = rng.random()
    if item['drums'] and dropped < .15:
        parts = parts[2:] if dropped < .08 and len(parts) > 2 else parts[:2]
    power = sum((part * np.float32(10 ** (rng.normal(0, 5) / 20))) ** 2 for part in parts)
    return np.sqrt(power)


def bumps(times, start, rate, count):
    """1 at every time, falling to 0 two frames away."""
    out = np.zeros(LENGTH, np.float32)
    at = (times * FPS - start) / rate
    at = at[(at > -3) & (at < count + 2)]
    for k in range(-1, 3):
        t = at.astype(int) + k
        inside = (t >= 0) & (t < count)
        np.maximum.at(out, t[inside], (1 - np.abs(t - at) / 2)[inside])
    return np.maximum(out, 0)


def tempo_target(item, start, rate):
    target = np.zeros(BINS + 1, np.float32)
    if item['kind'] == 'none':
        target[BINS] = 1
        return target
    frames = item['beats'] * FPS
    here = item['beats'][(frames >= start - 20) & (frames < start + LENGTH * rate + 20)]
    bpm = (60 / np.median(np.diff(here)) if len(here) > 2 else item['bpm'] if len(item['beats']) == 0 else 0) * rate
    if bpm > 0:
        target[:BINS] = np.exp(-.5 * (np.arange(BINS) - 20 * np.log2(bpm / LOWEST)) ** 2)
        target /= max(target.sum(), 1e-3)
    return target


def sample(pools, rng):
    kinds = [kind for kind in SHARE if kind in pools]
    share = np.array([SHARE[kind] for kind in kinds])
    pool = pools[rng.choice(kinds, p=share / share.sum())]
    item = pool[rng.integers(len(pool))]
    rate = np.exp(rng.uniform(-.2, .2)) if rng.random() < .8 else 1.0
    total = len(item['stems'][0] if 'stems' in item else item['x'])
    start = int(rng.integers(0, max(1, total - int(LENGTH * rate) - 1)))
    at = start + np.arange(LENGTH) * rate
    at = at[at < total - 1]
    count, i = len(at), at.astype(int)
    part = (at - i)[:, None].astype(np.float32)
    frames = np.zeros((LENGTH, 48), np.float32)
    x = stems(item, start, start + i[-1] + 2, rng)
    x = x[i - start] * (1 - part) + x[i - start + 1] * part
    frames[:count] = augment(x if item['kind'] == 'none' else voice(x, pools, rng), rng)
    known = np.zeros(LENGTH, np.float32)
    if item['kind'] == 'none':
        known[:count] = 1
    elif len(item['beats']):  # before the first and after the last labelled beat nothing is known
        first, last = (item['beats'][[0, -1]] * FPS - start) / rate + (-3, 3)
        known[:count] = (np.arange(count) >= first) & (np.arange(count) <= last)
    down = item['down']
    return (frames / 3 - 1, bumps(item['beats'], start, rate, count),
            bumps(down if down is not None else np.zeros(0), start, rate, count), known,
            known if down is not None else 0 * known, tempo_target(item, start, rate))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', nargs='+', help='from dataset.py or produce.py')
    parser.add_argument('out')
    parser.add_argument('--without', type=int, default=-2, help='fold to leave out')
    parser.add_argument('--steps', type=int, default=4000)
    parser.add_argument('--rate', type=float, default=4e-3, help='highest learning rate')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--from', dest='start', help='begin with this model')
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.without + 10 + 100 * args.seed)
    rng = np.random.default_rng(args.without + 10 + 100 * args.seed)
    pools = {}
    for name in args.data:
        with open(name, 'rb') as f:
            for item in pickle.load(f):
                if 'stems' in item:
                    item['stems'] = [stem.astype(np.float32) for stem in item['stems']]
                if item['fold'] != args.without:
                    pools.setdefault(item['kind'], []).append(item)
    print({kind: len(pool) for kind, pool in pools.items()}, flush=True)
    network, running = Network(), np.zeros(3)
    if args.start:
        network.load_state_dict(torch.load(args.start))
    tempo_share = .15 if args.start else .08
    optimiser = torch.optim.Adam(network.parameters())
    for step in range(args.steps):
        for group in optimiser.param_groups:
            group['lr'] = args.rate * min(1, (step + 1) / 100) * .5 * (1 + np.cos(np.pi * step / args.steps)) + 2e-5
        x, beat, down, known, known_down, tempo = (torch.from_numpy(np.stack(v)) for v in
                                                   zip(*(sample(pools, rng) for _ in range(8))))
        out, logits = network(x.transpose(1, 2).float())
        cross = F.binary_cross_entropy_with_logits
        loss_beat = (cross(out[:, 0], beat, reduction='none') * (1 + 2 * beat) * known).sum() / (known.sum() + 1)
        loss_down = (cross(out[:, 1], down, reduction='none') * (1 + 3 * down) * known_down).sum() / (known_down.sum() + 1)
        loss_tempo = -(tempo * F.log_softmax(logits, 1)).sum() / (tempo.sum() + 1e-3)
        optimiser.zero_grad()
        (loss_beat + .7 * loss_down + tempo_share * loss_tempo).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        running += (loss_beat.item(), loss_down.item(), loss_tempo.item())
        if step % 100 == 99:
            print(step + 1, 'beat %.4f downbeat %.4f tempo %.3f' % tuple(running / 100), flush=True)
            running[:] = 0
        if step % 500 == 499:
            torch.save(network.state_dict(), args.out)
    torch.save(network.state_dict(), args.out)


if __name__ == '__main__':
    main()
