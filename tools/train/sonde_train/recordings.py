"""Mixed recordings, built from sounds that nothing has learned from by joining and mixing them, with the truth of every second; and
their score through the plugins themselves. And mixtures by themselves, for what the network alone hears of the quieter sound."""
import os

import numpy as np
import soundfile
from sklearn.metrics import roc_auc_score

from . import built, mel
from .dataset import KINDS, Clip
from .fit import embeddings

MIXED = {"speech over music": ("speech", "music"), "speech over environment": ("speech", "environment"),
         "music over environment": ("music", "environment")}
SETS = {"speech": ("debian_speech", "emodb", "fsdd"), "music": ("debian_music", "classical_quiz", "fnf", "pop909_synth", "asap_synth"),
        "environment": ("urbansound8k_part", "esc10", "scikit_maad")}


def sounding(samples, depth=35):
    """Without what is more than `depth` dB below the loudest 50 ms at either end."""
    n = mel.RATE // 20
    level = np.array([np.sqrt(np.mean(samples[i:i + n] ** 2)) for i in range(0, max(len(samples) - n, 1), n)])
    loud = np.nonzero(level > level.max() * 10 ** (-depth / 20))[0]
    return samples[loud[0] * n:(loud[-1] + 1) * n]


class Stock:
    """Sound of one kind at -23 dBFS, as long as asked for: what read(item) makes of randomly chosen items of the kind, one after the
    other. `items`: kind -> list; `read` gives samples at mel.RATE."""

    def __init__(self, items, read, seed):
        self.items, self.read, self.rng = items, read, np.random.default_rng(seed)

    def clip(self, kind):
        return self.read(self.items[kind][self.rng.integers(len(self.items[kind]))])

    def sound(self, kind, seconds):
        need, parts = int(seconds * mel.RATE), []
        while sum(map(len, parts)) < need:
            samples = self.clip(kind)
            if kind == "music" and len(samples) > need:
                start = self.rng.integers(0, len(samples) - need)
                samples = samples[start:start + need]
            if not np.any(samples):
                continue  # a rest in the music
            samples = sounding(samples)
            parts.append(samples * (10 ** (-23 / 20) / max(np.sqrt(np.mean(samples ** 2)), 1e-4)))
        return np.concatenate(parts)[:need]


def stock_of(folder, clips, seed):
    """Of the labelled folder's clips."""
    return Stock({k: [c for c in clips if c.dataset in SETS[k] and c.kind == k] for k in SETS},
                 lambda c: mel.to_rate(*soundfile.read(os.path.join(folder, c.path), dtype="float32")), seed)


def mixture(above, below, rng):
    """The second sound 4 to 12 dB below the first."""
    return above + below * 10 ** (-rng.uniform(4, 12) / 20)


def loudness(rng):
    """A factor of -8 to 3 dB."""
    return 10 ** (rng.uniform(-8, 3) / 20)


def hearing(stock, network, count=160, seconds=8, log=print):
    """Prints how well the network hears, without the timeline, what is 4 to 12 dB below another sound: the area under the ROC curve
    of the quieter kind's mean logit, between `count` mixtures and the louder sounds of the same mixtures by themselves."""
    rng, sounds = stock.rng, {label: [] for label in (*SETS, *MIXED)}
    for _ in range(count):
        alone = {kind: stock.sound(kind, seconds) for kind in SETS}
        mixed = {label: mixture(alone[above], alone[below], rng) for label, (above, below) in MIXED.items()}
        for label, samples in (alone | mixed).items():
            clip = Clip(label, "", "", "", None, 0)
            clip.spectra["plain"] = mel.log_mel(np.clip(samples * loudness(rng), -1, 1))
            sounds[label].append(clip)
    weight, bias = network.kinds.weight.detach().numpy(), network.kinds.bias.detach().numpy()
    logits = {label: np.stack([(e @ weight.T + bias).mean(0) for e, _ in embeddings(network, of)]) for label, of in sounds.items()}
    truth = np.arange(2 * count) < count
    for label, (above, below) in MIXED.items():
        area = roc_auc_score(truth, np.concatenate([logits[label], logits[above]])[:, KINDS.index(below)])
        log(f"{label}, or {above} alone: the network's {below} logit has an area of {area:.3f} under the ROC curve")


def build(stock, seconds=60):
    """One recording: segments of 4 to 15 s. Returns samples and truth [(start, end, label)]."""
    rng, samples, truth, now, last = stock.rng, [], [], 0.0, None
    while now < seconds:
        label = rng.choice([x for x in ["speech", "music", "environment", "speech", "music", "environment", *MIXED, "near-silence"]
                            if x != last and not (last in MIXED and x in MIXED)])
        length = float(rng.uniform(4, 15))
        if label in MIXED:
            above, below = MIXED[label]
            part = mixture(stock.sound(above, length), stock.sound(below, length), rng)
        elif label == "near-silence":
            length = float(rng.uniform(1.5, 4))
            part = rng.normal(0, 1e-4, int(length * mel.RATE))
        else:
            part = stock.sound(label, length)
        samples.append(part * loudness(rng) if label != "near-silence" else part)
        truth.append((now, now + len(part) / mel.RATE, str(label)))
        now, last = now + len(part) / mel.RATE, label
    return np.clip(np.concatenate(samples), -1, 1).astype(np.float32), truth


def label_at(segments, t):
    return next((label for start, end, label in segments if start <= t < end), "near-silence")


def kinds_of(label):
    return frozenset(MIXED.get(label, (label,)))


def boundaries(truth, found, within=.5):
    """Hits, number of true boundaries, number found; each matches once."""
    a, b = [s for s, _, _ in truth[1:]], [s for s, _, _ in found[1:]]
    hits, used = 0, set()
    for t in a:
        near = [i for i, s in enumerate(b) if abs(s - t) <= within and i not in used]
        if near:
            used.add(min(near, key=lambda i: abs(b[i] - t)))
            hits += 1
    return hits, len(a), len(b)


def measure(stock, build_root, work, *options, count=20, log=print):
    """Scores the plugins on recordings of a stock; `options` go to run_plugins."""
    exact = main = seconds = hits = true = found = 0
    confusion = {}
    for i in range(count):
        samples, truth = build(stock)
        path = os.path.join(work, "recording.wav")
        soundfile.write(path, samples, mel.RATE)
        result = built.results(build_root, path, ("features", "content_timeline"), *options)["content_timeline"]
        segments = [(s["start"], s["end"], s["label"]) for s in result["segments"]]
        merged = [s for i, s in enumerate(segments) if i == 0 or s[2] != segments[i - 1][2]]
        for t in np.arange(.5, truth[-1][1], 1.0):
            want, got = label_at(truth, t), label_at(segments, t)
            exact += want == got
            main += bool(kinds_of(want) & kinds_of(got))
            seconds += 1
            confusion[(want, got)] = confusion.get((want, got), 0) + 1
        h, a, b = boundaries(truth, merged)
        hits, true, found = hits + h, true + a, found + b
    precision, recall = hits / max(found, 1), hits / max(true, 1)
    f = 2 * precision * recall / max(precision + recall, 1e-9)
    log(f"\n{count} mixed recordings, {seconds} s: {exact / seconds:.3f} of seconds with exactly the right label, "
        f"{main / seconds:.3f} with at least one right kind; boundaries within 0.5 s: precision {precision:.3f}, "
        f"recall {recall:.3f}, F {f:.3f}")
    for (want, got), n in sorted(confusion.items(), key=lambda x: -x[1]):
        if want != got and n > seconds * .01:
            log(f"    {want} taken for {got}: {n} s")
    return {"seconds": exact / seconds, "seconds_one_kind": main / seconds, "boundary_f": f}
