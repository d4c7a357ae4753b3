"""Cross-validation by source, and the tables that it prints."""
import os

import numpy as np
import torch
from scipy.fft import dct
from sklearn.ensemble import RandomForestClassifier

from . import built, familiar, timbre
from .dataset import CLASSES, FOLDS, GROUPS, KINDS, LABEL_OF, LABELS, MUSIC, group_of, label_of
from .fit import embeddings, pool

GROUP_SHARE = .7  # as in plugins/classifier/ranking.c
SCENE_SHARE = .4  # of what the branch `scene` says about the class, beside the branch `sound`
STRANGE = .6  # share of sounds of no class that is to be called unknown
VARIANTS = ["plain", "low3400", "low8000"]
TASKS = {"urbansound8k_part": lambda c: c.dataset == "urbansound8k_part", "esc10": lambda c: c.dataset == "esc10",
         "sample_classes": lambda c: c.dataset == "sample_classes" and c.label != "other"}


def outputs(network, clips, variant):
    """Class logits [clips, classes] and mean kind logits over the active steps [clips, kinds]."""
    logits, kinds = [], []
    with torch.no_grad():
        for embedding, active in embeddings(network, clips, variant):
            logits.append(network.classes(torch.from_numpy(pool(embedding, active))[None])[0].numpy())
            chosen = embedding[active] if active.any() else embedding
            kinds.append(network.kinds(torch.from_numpy(chosen)).mean(0).numpy())
    return np.stack(logits), np.stack(kinds)


def test_fold(clips, hits, fold, sound, scene, left_out=()):
    """The outputs of a fold's clips (and of the classes left out) from two branches that haven't heard them, and from a second
    opinion fitted on the same other folds, hits of drum kits among them: logits is what all of them say together, network what
    the branch `sound` says alone."""
    second = timbre.fit([c for c in clips + hits if c.fold != fold and c.label not in left_out])
    rows = [i for i, c in enumerate(clips) if c.fold == fold or c.label in left_out]
    tested = [clips[i] for i in rows]
    result = {"rows": np.array(rows)}
    for variant in VARIANTS:
        result["network_" + variant], result["kinds_" + variant] = outputs(sound, tested, variant)
        branches = (1 - SCENE_SHARE) * result["network_" + variant] + SCENE_SHARE * outputs(scene, tested, variant)[0]
        result["logits_" + variant] = branches + timbre.logits(second, tested, variant)
    result["embedding"] = np.stack([pool(e, a) for e, a in embeddings(sound, tested)])
    learned = familiar.fit(sound, scene, [c for c in clips if c.fold != fold and c.label not in left_out])
    result["familiar"] = familiar.measure(learned, familiar.means(sound, scene, tested))
    return result


def mfcc_statistics(clip, variant):
    """Mean and spread of 20 MFCC and of their differences."""
    s = clip.spectra[variant][:1300, 0].astype(np.float32)
    c = dct(s, axis=1, norm="ortho")[:, :20]
    d = np.diff(c, axis=0) if len(c) > 1 else np.zeros((1, 20), np.float32)
    return np.concatenate([c.mean(0), c.std(0), d.mean(0), d.std(0)])


def forest(clips, labels, variants, seed=1):
    """Out-of-fold predictions of 200 trees for each variant; trained on the plain clips, as a user would."""
    x = {v: np.stack([mfcc_statistics(c, v) for c in clips]) for v in {"plain", *variants}}
    labels, folds = np.array(labels), np.array([c.fold for c in clips])
    out = {v: np.empty(len(clips), labels.dtype) for v in variants}
    for fold in range(FOLDS):
        test = folds == fold
        if test.any():
            model = RandomForestClassifier(200, random_state=seed, n_jobs=1).fit(x["plain"][~test], labels[~test])
            for variant in variants:
                out[variant][test] = model.predict(x[variant][test])
    return out


def balanced(truth, guess):
    truth, guess = np.array(truth), np.array(guess)
    return float(np.mean([np.mean(guess[truth == k] == k) for k in sorted(set(truth))]))


def softmax(logits, temperature=1.0):
    e = np.exp((logits - logits.max(1, keepdims=True)) / temperature)
    return e / e.sum(1, keepdims=True)


def calibration_error(confidence, correct, bins=15):
    """Expected calibration error (Guo et al., 2017)."""
    edges = np.linspace(0, 1, bins + 1)
    total = 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += abs(confidence[inside].mean() - correct[inside].mean()) * inside.mean()
    return total


def fit_temperature(logits, labels):
    def loss(t):
        return -np.log(softmax(logits, t)[np.arange(len(labels)), labels] + 1e-12).mean()
    return min(np.exp(np.linspace(np.log(.3), np.log(4), 60)), key=loss)


def precision_at(clips, vectors, k=5):
    """Mean share of the k nearest (cosine) that carry the clip's class, sources of the clip itself left out. Neighbours are
    looked for within the clip's fold: each fold's network has an embedding of its own."""
    v = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    labels, sources = np.array([c.label for c in clips]), np.array([c.source for c in clips])
    folds = np.array([c.fold for c in clips])
    hits = []
    for i in range(len(v)):
        score = v @ v[i]
        score[(sources == sources[i]) | (folds != folds[i])] = -2
        hits.append(np.mean(labels[np.argpartition(-score, k)[:k]] == labels[i]))
    return float(np.mean(hits))


def fingerprints(folder, clips, build):
    """The 25 numbers that `features` sums a region up to [clips, 25], or None without a build folder."""
    if not os.path.exists(os.path.join(build, "plugins/features/features.so")):
        return None
    return np.array([built.results(build, os.path.join(folder, c.path), ["features"], "--only", "features")["features"]["fingerprint"]
                     for c in clips])


def merge(clips, results):
    """One row a clip from the folds' outputs."""
    out = {}
    for key in results[0]:
        if key == "rows":
            continue
        array = np.zeros((len(clips), results[0][key].shape[1]), np.float32)
        for r in results:
            array[r["rows"]] = r[key]
        out[key] = array
    return out


def report(clips, others, out, folder, build, log=print):
    """Prints the tables; returns what the final weights need: temperature and the labels that may ship. `others` are the sounds
    that only training heard, `folder` has the clips, `build` the plugins (for the fingerprint)."""
    truth = np.array([CLASSES.index(c.label) for c in clips])
    figures = {}
    spoken = [i for i, c in enumerate(clips) if c.dataset != "made" and c.kind in KINDS[:3]
              and c.dataset in ("debian_speech", "emodb", "fsdd", "pyaudioanalysis", "inaspeech", "classical_quiz", "debian_music",
                                "esc10", "urbansound8k_part", "scikit_maad") and c.label != "street music"]
    kinds = [clips[i].kind for i in spoken]
    log("\nspeech / music / environment, share of clips right (balanced over the three in brackets)")
    log(f"{'bandwidth':<12}{'by class head':>18}{'by frame head':>18}{'forest on MFCC':>20}")
    group = np.array([0 if c == "speech" else 1 if c in MUSIC or c == "street music" else 2 for c in CLASSES])
    forests = forest([clips[i] for i in spoken], kinds, VARIANTS)
    for variant in VARIANTS:
        probability = softmax(out["logits_" + variant][spoken])
        guess = np.array(KINDS)[np.stack([probability[:, group == k].sum(1) for k in range(3)], 1).argmax(1)]
        frames = np.array(KINDS)[out["kinds_" + variant][spoken][:, :3].argmax(1)]
        other = forests[variant]
        log(f"{variant:<12}{np.mean(guess == np.array(kinds)):>9.3f} ({balanced(kinds, guess):.3f})"
            f"{np.mean(frames == np.array(kinds)):>9.3f} ({balanced(kinds, frames):.3f})"
            f"{np.mean(other == np.array(kinds)):>11.3f} ({balanced(kinds, other):.3f})")
        figures["kinds_" + variant] = float(np.mean(guess == np.array(kinds)))
    log("\nclasses, share of clips right (balanced in brackets)")
    log(f"{'set':<20}{'clips':>6}{'classes':>8}{'classifier':>18}{'8 kHz':>8}{'3.4 kHz':>8}{'network alone':>15}"
        f"{'forest on MFCC':>20}")
    for name, chosen in TASKS.items():
        rows = [i for i, c in enumerate(clips) if chosen(c)]
        if name == "sample_classes":  # classes with at least 8 sources
            sources = {}
            for i in rows:
                sources.setdefault(clips[i].label, set()).add(clips[i].name)
            rows = [i for i in rows if len(sources[clips[i].label]) >= 8]
        columns = sorted(set(truth[rows]))
        guesses = {v: np.array(columns)[out["logits_" + v][rows][:, columns].argmax(1)] for v in VARIANTS}
        alone = np.array(columns)[out["network_plain"][rows][:, columns].argmax(1)]
        other = forest([clips[i] for i in rows], truth[rows], ["plain"])["plain"]
        right = {v: np.mean(g == truth[rows]) for v, g in guesses.items()}
        figures[name] = float(right["plain"])
        figures[name + "_balanced"] = balanced(truth[rows], guesses["plain"])
        log(f"{name:<20}{len(rows):>6}{len(columns):>8}{right['plain']:>9.3f} ({balanced(truth[rows], guesses['plain']):.3f})"
            f"{right['low8000']:>8.3f}{right['low3400']:>8.3f}{np.mean(alone == truth[rows]):>15.3f}"
            f"{np.mean(other == truth[rows]):>11.3f} ({balanced(truth[rows], other):.3f})")
    logits = out["logits_plain"]
    temperature = fit_temperature(logits[1::2], truth[1::2])
    probability = softmax(logits, temperature)
    guess = probability.argmax(1)
    real = np.array([c.dataset != "made" for c in clips])
    error = calibration_error(probability.max(1)[::2], (guess == truth)[::2])
    log(f"\ntemperature {temperature:.2f} (fitted on one half); calibration error on the other half {error:.3f}")
    figures["calibration_error"], figures["temperature"] = float(error), float(temperature)
    log("\nlabel                sources  clips  recall  precision")
    named, called = LABEL_OF[truth], by_label(probability)[0].argmax(1)
    shipped = np.zeros(len(LABELS), bool)
    for k, name in enumerate(LABELS):
        sources = len({c.source for c in clips + others if label_of(c.label) == name})
        precision = np.mean(named[called == k] == k) if (called == k).any() else 0.0
        recall = np.mean(called[named == k] == k) if (named == k).any() else 0.0
        shipped[k] = sources >= 20 and precision >= .6 and name != "other"
        log(f"{name:<20}{sources:>8}{int((named == k).sum()):>7}{recall:>8.2f}{precision:>10.2f}  "
            f"{'ships' if shipped[k] else 'wanted'}")
    figures["shipped"] = [bool(s) for s in shipped[LABEL_OF]]
    neighbours = [i for i, c in enumerate(clips) if real[i] and c.dataset in ("urbansound8k_part", "esc10", "sample_classes")
            and c.label != "other"]
    alike = [clips[i] for i in neighbours]
    embedding = out["embedding"][neighbours][:, :96]
    mean, scale = embedding.mean(0), 1 / (embedding.std(0) + .05)
    statistics = np.stack([mfcc_statistics(c, "plain") for c in alike])
    statistics = (statistics - statistics.mean(0)) / statistics.std(0)
    figures["precision_at_5"] = precision_at(alike, (embedding - mean) * scale)
    log(f"\nneighbours of the same class among 5: catalogue embedding {figures['precision_at_5']:.3f}, "
        f"MFCC statistics {precision_at(alike, statistics):.3f}")
    prints = fingerprints(folder, alike, build)
    if prints is not None:
        log(f"    the fingerprint's 25 numbers {precision_at(alike, (prints - prints.mean(0)) / (prints.std(0) + 1e-6)):.3f}")
    return figures


def by_label(probability, familiarity=None):
    """As join_labels in plugins/classifier/ranking.c: a label is as probable as its classes together; how familiar it is, is asked
    only where it is one class. [sounds, classes] to [sounds, labels], twice."""
    sums, familiar_as = np.zeros((len(probability), len(LABELS))), np.zeros((len(probability), len(LABELS)))
    for k in range(len(LABELS)):
        members = np.nonzero(LABEL_OF == k)[0]
        sums[:, k] = probability[:, members].sum(1)
        if familiarity is not None and len(members) == 1:
            familiar_as[:, k] = familiarity[:, members[0]]
    return sums, familiar_as


def shipped_labels(figures):
    """Which labels ship, from which classes do."""
    return np.array([figures["shipped"][int(np.argmax(LABEL_OF == k))] for k in range(len(LABELS))])


def is_unknown(probability, familiarity, shipped, threshold, clearance):
    """By the rule of ranking_sort in plugins/classifier/ranking.c, for each row of `probability` and `familiarity` [sounds,
    labels]."""
    named = probability * shipped
    best, rows = named.argmax(1), np.arange(len(named))
    first, second = named[rows, best], np.sort(named, 1)[:, -2]
    clear = np.log(np.maximum(first, 1e-9) / np.maximum(second, 1e-9)) + familiar.WEIGHT * familiarity[rows, best]
    return (probability[:, ~shipped].sum(1) > first) | (first < threshold) | (clear < np.log(clearance))


def report_groups(probability, truth, unknown, log):
    """By the rule of group_of in ranking.c: which of the sounds called unknown get a group all the same, and how many the right one."""
    names = list(GROUPS)
    member = np.array([names.index(group_of(c)) for c in CLASSES])
    sums = np.stack([probability[:, member == g].sum(1) for g in range(len(names))], 1)
    group = np.where(sums.max(1) >= GROUP_SHARE, sums.argmax(1), names.index("unknown"))
    given = unknown & (group != names.index("unknown"))
    log(f"{unknown.sum()} called unknown: {given.sum() / max(unknown.sum(), 1):.3f} with a group, which is right in "
        f"{np.mean(group[given] == member[truth[given]]) if given.any() else 0:.3f}")


def report_unknown(clips, result, left_out, figures, log=print):
    """Sounds of classes that were never trained. The clearance: the lowest that calls STRANGE of them unknown. A label of several
    classes, of which one is left out, is a strange sound only where that class sounds."""
    rows, shipped = result["rows"], shipped_labels(figures)
    classes = np.array([CLASSES.index(clips[i].label) for i in rows])
    truth = LABEL_OF[classes]
    strange = np.array([clips[i].label in left_out for i in rows])
    known, wanted = shipped[truth] & ~strange, ~shipped[truth] & ~strange
    of_classes = softmax(result["logits_plain"], figures["temperature"])
    probability, familiarity = by_label(of_classes, result["familiar"])
    right = (probability * shipped).argmax(1) == truth
    without = np.mean(right[known])
    first = np.mean((right & (probability[:, ~shipped].sum(1) <= (probability * shipped).max(1)))[known])
    log(f"\n{strange.sum()} clips of classes left out, {wanted.sum()} of labels that are trained but do not ship, "
        f"{known.sum()} of labels that ship; without unknown {without:.3f} of the last are right")
    log("clearance   called unknown: left out   do not ship   ship    right of those that ship")
    chosen = None
    for clearance in (.1, .2, .35, .5, .7, 1, 1.25, 1.5, 1.75, 2, 3, 4):
        unknown = is_unknown(probability, familiarity, shipped, figures["threshold"], clearance)
        kept = np.mean((right & ~unknown)[known])
        log(f"{clearance:>9.2f}{np.mean(unknown[strange]):>26.3f}{np.mean(unknown[wanted]):>14.3f}{np.mean(unknown[known]):>7.3f}"
            f"{kept:>27.3f}")
        if chosen is None and np.mean(unknown[strange]) >= STRANGE:
            chosen = float(clearance)
    report_groups(of_classes, classes, strange & is_unknown(probability, familiarity, shipped, figures["threshold"],
                                                            chosen or clearance), log)
    log(f"clearance {chosen or clearance:.2f}; {without - first:.3f} of those that ship are lost to labels that do not")
    return {"clearance": chosen or clearance}


def report_given(clips, out, figures, log=print):
    """What the labels that ship are worth under the rule of unknown, over all folds."""
    shipped, classes = shipped_labels(figures), np.array([CLASSES.index(c.label) for c in clips])
    truth, of_classes = LABEL_OF[classes], softmax(out["logits_plain"], figures["temperature"])
    probability, familiarity = by_label(of_classes, out["familiar"])
    unknown = is_unknown(probability, familiarity, shipped, figures["threshold"], figures["clearance"])
    guess = np.where(unknown, -1, (probability * shipped).argmax(1))
    log("\nwith unknown: label        given   precision")
    for k, name in enumerate(LABELS):
        if shipped[k]:
            given = guess == k
            log(f"{name:<28}{int(given.sum()):>5}{np.mean(truth[given] == k) if given.any() else 0:>12.2f}")
    log(f"clips of labels that ship called unknown: {np.mean(unknown[shipped[truth]]):.3f}, of others: "
        f"{np.mean(unknown[~shipped[truth]]):.3f}")
    report_groups(of_classes, classes, unknown, log)
