"""Fits the few numbers that weigh tempo_meter's measures: calibrate.py FOLDER MEASURES.jsonl...

FOLDER is a labelled folder; MEASURES come from tools/train_tempo/measure, best of models that never heard the clips (one
file a fold). Prints, as C, the weights of pulse.c (which pulse is the beat), loop.c (how many beats a loop has) and judge.c
(is it a loop, is there a tempo, is it right), and how well all of them together do in five-fold cross-validation by song or
pack.
"""
import json
import sys
import zlib

import numpy as np

from dataset import family, read_labels

BASE = 11  # features of a pulse
TEMPO_PROBABLE, LOOP_PROBABLE = .5, .25  # as in rhythm.c
# How much a clip of each dataset counts in choosing pulses.
WEIGHT = {'songs': 1.5, 'blinky_edm': 1, 'pop909_synth': .8, 'asap_synth': .6, 'loops': .4, 'mix': .5}
# Labels that contradict what is heard; scored, but nothing is fitted to them.
DOUBTFUL = {f'fnf/nthyt_{name}.ogg' for name in ('dadbattle', 'pico', 'sweetmountain', 'tropicalresort', 'phaseone')}
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


def group_of(label):
    dataset = label['dataset']
    return 'songs' if dataset in ('fnf', 'mir_misc') else 'loops' if dataset.startswith('loops') else dataset


def fit_pulses(clips):
    spread = np.std(np.vstack([p['feature'] for c in clips for p in c['pulses']['list']]), axis=0)
    used = np.isin(np.arange(BASE), (0, 1, 6, 7, 9, 10))
    prior, stiffness = np.zeros(BASE), np.where(used, .3 * spread ** 2, 1e6)
    prior[7], stiffness[7] = -.6, 2 * spread[7] ** 2  # music in general is centred near 120
    return choice_fit([(np.array([p['feature'] for p in c['pulses']['list']]),
                        np.array([near(p['bpm'], c['bpm']) for p in c['pulses']['list']]), WEIGHT.get(c['group'], .5))
                       for c in clips if c['bpm'] and c['file'] not in DOUBTFUL and c['pulses']['list']], prior, stiffness)


def fit_loops(clips):
    prior = np.r_[0, 0, 0, 0, 0, 0, 0, -1, 0, 0, np.zeros(BASE - 10), 1, 0.]
    stiffness = 2 * np.r_[.05, .1, .1, .1, .1, .02, .02, 1, 10, .05, np.full(BASE - 10, 1e6), .3, 1]
    return choice_fit([(np.array([p['feature'] for p in c['loops']['list']]),
                        np.array([near(p['bpm'], c['bpm']) for p in c['loops']['list']]), 1) for c in clips
                       if c['kind'] == 'loop' and c['loops']['list']], prior, stiffness)


def fit_all(clips):
    """The five weightings: pulses, loops, is it a loop, is there a tempo, is it right."""
    pulse, loop = fit_pulses(clips), fit_loops(clips)
    heard = [(c, *pulse_terms(c, pulse)) for c in clips if is_heard(c)]
    short = [(c, loop_terms(c, loop, bpm)) for c, bpm, _ in heard
             if c['loops']['list'] and c['seconds'] <= 40 and c['kind'] not in ('other', 'mix')]
    known = [(c, bpm, terms) for c, bpm, terms in heard if c['kind'] in ('loop', 'tempo', 'none')]
    steady = [(c, bpm, terms) for c, bpm, terms in known if c['kind'] != 'loop' and c['file'] not in DOUBTFUL]
    return (pulse, loop,
            logistic_fit(np.array([t for _, t in short]), np.array([c['kind'] == 'loop' for c, _ in short], float)),
            logistic_fit(np.array([t for _, _, t in known]), np.array([c['kind'] != 'none' for c, _, _ in known], float)),
            logistic_fit(np.array([t for _, _, t in steady]),
                         np.array([c['kind'] == 'tempo' and near(bpm, c['bpm']) for c, bpm, _ in steady], float)))


def is_heard(clip):
    return clip['onsets'] >= 3 and clip['seconds'] >= 1 and clip['pulses']['list']


def sure(weights, terms):
    return 1 / (1 + np.exp(-terms @ weights))


def decide(clip, weights):
    """(bpm or 0, confidence), as rhythm.c does."""
    if not is_heard(clip):
        return 0, 0
    pulse, loop, is_loop, is_tempo, is_right = weights
    tracked, terms = pulse_terms(clip, pulse)
    if clip['loops']['list'] and clip['seconds'] <= 40 and clip['kind'] != 'mix':
        bpm, among, _ = best(clip['loops']['list'], loop)
        probability = sure(is_loop, loop_terms(clip, loop, tracked))
        if probability > LOOP_PROBABLE:
            return bpm, probability * among
    return (tracked, sure(is_right, terms)) if sure(is_tempo, terms) > TEMPO_PROBABLE else (0, 0)


def cross_validate(clips):
    said, groups = [], {}
    for part in range(5):
        weights = fit_all([c for c in clips if c['part'] != part])
        for c in clips:
            if c['part'] == part:
                bpm, confidence = decide(c, weights)
                if c['bpm']:
                    octave = any(near(bpm * k, c['bpm']) for k in (1, 2, 3, 1 / 2, 1 / 3))
                    groups.setdefault(c['group'], []).append((near(bpm, c['bpm']), octave))
                    said += [(confidence, near(bpm, c['bpm']))] if bpm and c['kind'] != 'mix' else []
                elif c['kind'] == 'none':
                    groups.setdefault('none', []).append((bpm > 0, bpm > 0))
    for group, values in sorted(groups.items()):
        one, two = np.mean(values, axis=0)
        print(f'// {group}: ' + (f'false tempo {one:.3f}' if group == 'none' else f'Accuracy1 {one:.3f} Accuracy2 {two:.3f}') +
              f' (n={len(values)})')
    confidence, right = np.array(said, float).T
    which = np.minimum((confidence * 10).astype(int), 9)
    error = sum(abs((confidence - right)[which == b].sum()) for b in range(10)) / len(said)
    print(f'// calibration error {error:.3f} (n={len(said)})')


def read(labels, names):
    clips = []
    for fold, name in enumerate(names):
        with open(name, encoding='utf-8') as f:
            for line in f:
                c = json.loads(line)
                label = labels.get(c['file'])
                c['kind'], c['group'] = (kind_of(label), group_of(label)) if label else ('mix', 'mix')
                c['bpm'] = c.get('bpm') or float(label.get('tempo_bpm') or label.get('loops_bpm') or 0)
                c['part'] = zlib.crc32((family(c['file']) if label else f'{fold} {c["file"]}').encode()) % 5
                clips.append(c)
    return clips


def main():
    clips = read(read_labels(sys.argv[1]), sys.argv[2:])
    cross_validate(clips)
    for name, weights in zip(('pulse.c WEIGHT', 'loop.c WEIGHT', 'judge.c LOOP_WEIGHT', 'judge.c TEMPO_WEIGHT', 'judge.c RIGHT_WEIGHT'),
                             fit_all(clips)):
        show(name, weights)


if __name__ == '__main__':
    main()
