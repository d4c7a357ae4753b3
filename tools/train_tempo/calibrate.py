"""Fits the few numbers that weigh tempo_meter's measures: calibrate.py FOLDER MEASURES.jsonl...

FOLDER is a labelled folder; MEASURES come from tools/train_tempo/measure, best of models that never heard the clips (one
file a fold). Prints, as C, the weights of pulse.c (which pulse is the beat), loop.c (how many beats a loop has) and judge.c
(is it a loop, is there a tempo, is it right), and how well each does in five-fold cross-validation by song or pack.
"""
import json
import sys
import zlib

import numpy as np

from dataset import family, read_labels

BASE = 10  # features of a pulse
RELATED = (1, 2, .5, 1.5, 2 / 3, 3, 1 / 3, 4, .25, .75, 4 / 3)
SHORT = ('drum loop', 'beats', 'bassloops', 'ambient', 'electronic blip', 'glitch')


def near(bpm, truth):
    return abs(bpm - truth) <= .04 * truth


def choice_fit(items, prior, stiffness):
    """A conditional logit: `items` are (features of the choices, which are right, weight)."""
    w = prior.copy()
    for step in range(60):
        gradient, hessian = (w - prior) * stiffness, np.diag(stiffness)
        for features, right, weight in items:
            if right.any():
                z = features @ w
                p = np.exp(z - z.max())
                p /= p.sum()
                q = p * right / max((p * right).sum(), 1e-12)
                gradient = gradient - weight * (q - p) @ features
                hessian = hessian + weight * ((features * p[:, None]).T @ features - np.outer(p @ features, p @ features))
        w = w - np.linalg.solve(hessian, gradient) * (.3 if step < 15 else 1)
    return w


def logistic_fit(x, t, stiffness=1.0):
    mean, spread = x[:, 1:].mean(0), x[:, 1:].std(0) + 1e-9
    z = np.c_[x[:, :1], (x[:, 1:] - mean) / spread]
    w, keep = np.zeros(x.shape[1]), np.r_[0, np.ones(x.shape[1] - 1)] * stiffness
    for _ in range(60):
        p = 1 / (1 + np.exp(-z @ w))
        hessian = (z * (p * (1 - p) + 1e-6)[:, None]).T @ z + np.diag(keep + 1e-6)
        w = w - np.linalg.solve(hessian, z.T @ (p - t) + keep * w)
    return np.r_[w[0] - (w[1:] * mean / spread).sum(), w[1:] / spread]


def best(choices, w):
    features = np.array([c['feature'] for c in choices])
    z = features @ w
    p = np.exp(z - z.max())
    k = int(z.argmax())
    return choices[k]['bpm'], p[k] / p.sum(), features[k]


def pulse_terms(clip, w):
    bpm, p, f = best(clip['pulses']['list'], w)
    return bpm, np.array([1, f[0], f[1], np.log(clip['pulses']['none'] + .003), f[5], f[6], f[8],
                          np.log(max(1, clip['onsets'])), np.log(clip['seconds']), np.log(p + .01), f[9]])


def loop_terms(clip, w, tracked):
    bpm, _, f = best(clip['loops']['list'], w)
    agrees = tracked and min(abs(tracked / bpm / r - 1) for r in RELATED) < .012
    return np.array([1, f[0], f[1], np.log(clip['loops']['none'] + .003), f[5], f[6], f[BASE], f[BASE + 1] > 0, f[BASE + 1] < 0,
                     np.log(max(1, clip['onsets'])), bool(agrees), clip['seconds'] > 25, np.log(clip['seconds']), f[9]], float)


def kind_of(label):
    if 'loops_bpm' in label:
        return 'loop'
    if 'tempo_bpm' in label:
        return 'tempo'
    dataset, name = label['dataset'], label.get('class')
    if dataset in ('debian_speech', 'emodb', 'fsdd', 'scikit_maad', 'pyaudioanalysis') or \
            dataset == 'sample_classes' and name not in SHORT or \
            name in ('Rain', 'Sea waves', 'Fire crackling', 'Rooster', 'Person sneeze', 'Baby cry'):
        return 'none'
    return 'music' if dataset in ('debian_music', 'classical_quiz') else 'other'


def show(name, values):
    print(f'{name} = {{' + ', '.join(f'{v:.3g}' for v in values) + '};')


def cross_validated(clips, fit, right):
    """The mean of right(clip, fitted) over clips that `fitted` wasn't fitted on."""
    results = []
    for k in range(5):
        fitted = fit([c for c in clips if c['part'] != k])
        results += [right(c, fitted) for c in clips if c['part'] == k]
    return f'{np.mean(results):.3f} (n={len(results)})'


def fit_pulses(clips):
    weight = {'loop': .4, 'tempo': .9}
    mask = np.array([1, 1, 0, 0, 0, 0, 1, 1, 0, 1])
    stiffness = np.where(mask, np.array([.1, .2, .2, .2, .2, .04, .04, 2, .2, .1]), 1e6)
    return choice_fit([(np.array([p['feature'] for p in c['pulses']['list']]),
                        np.array([near(p['bpm'], c['bpm']) for p in c['pulses']['list']]), weight[c['kind']])
                       for c in clips if c['pulses']['list']], np.zeros(BASE), stiffness)


def fit_loops(clips):
    prior = np.r_[0, 0, 0, 0, 0, 0, 0, -1, 0, 0, 1, 0.]
    stiffness = 2 * np.array([.05, .1, .1, .1, .1, .02, .02, 1, 10, .05, .3, 1])
    return choice_fit([(np.array([p['feature'] for p in c['loops']['list']]),
                        np.array([near(p['bpm'], c['bpm']) for p in c['loops']['list']]), 1) for c in clips
                       if c['loops']['list']], prior, stiffness)


def main():
    labels, clips = read_labels(sys.argv[1]), []
    for name in sys.argv[2:]:
        with open(name, encoding='utf-8') as f:
            clips += [json.loads(line) for line in f]
    for c in clips:
        label = labels[c['file']]
        c['kind'], c['bpm'] = kind_of(label), float(label.get('tempo_bpm') or label.get('loops_bpm') or 0)
        c['part'] = zlib.crc32(family(c['file']).encode()) % 5
    tempo = [c for c in clips if c['bpm'] and c['pulses']['list']]
    loops = [c for c in clips if c['kind'] == 'loop' and c['loops']['list']]
    print('// right pulse, held out:', cross_validated(tempo, fit_pulses, lambda c, w: near(best(c['pulses']['list'], w)[0], c['bpm'])))
    print('// right loop, held out:', cross_validated(loops, fit_loops, lambda c, w: near(best(c['loops']['list'], w)[0], c['bpm'])))
    pulse, loop = fit_pulses(tempo), fit_loops(loops)
    show('pulse.c WEIGHT', pulse)
    show('loop.c WEIGHT', loop)
    heard = [c for c in clips if c['onsets'] >= 3 and c['seconds'] >= 1 and c['pulses']['list']]
    for c in heard:
        c['tracked'], c['terms'] = pulse_terms(c, pulse)
    short = [c for c in heard if c['loops']['list'] and c['seconds'] <= 40 and c['kind'] != 'other']
    show('judge.c LOOP_WEIGHT', logistic_fit(np.array([loop_terms(c, loop, c['tracked']) for c in short]),
                                             np.array([c['kind'] == 'loop' for c in short], float)))
    known = [c for c in heard if c['kind'] in ('loop', 'tempo', 'none')]
    show('judge.c TEMPO_WEIGHT', logistic_fit(np.array([c['terms'] for c in known]),
                                              np.array([c['kind'] != 'none' for c in known], float)))
    known = [c for c in known if c['kind'] != 'loop']
    show('judge.c RIGHT_WEIGHT', logistic_fit(np.array([c['terms'] for c in known]), np.array(
        [c['kind'] == 'tempo' and near(c['tracked'], c['bpm']) for c in known], float)))


if __name__ == '__main__':
    main()
