"""A vocabulary of one's own: a classifier over the stock network's embeddings, from folders of sounds."""
import os

import numpy as np
import soundfile
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from . import export, mel
from .batches import SILENCE, activity
from .dataset import low_pass
from .evaluate import calibration_error, fit_temperature, softmax
from .fit import MARGIN, pool
from .model import BANDS, CONTEXTS, CONVOLUTIONS, STRIDE

FEWEST = 4  # sounds a label


class Frozen:
    """The network's branch `sound` as the weights file holds it: batch normalisation folded in."""

    def __init__(self, path):
        header, tensors = export.read(path)
        if header["kind"] != "network" or header["architecture"] != export.ARCHITECTURE:
            raise ValueError(f"{path} holds no network of architecture {export.ARCHITECTURE}")
        self.hash = header["hash"]
        self.tensors = {k[len("sound."):]: torch.from_numpy(np.array(v)) for k, v in tensors.items() if k.startswith("sound.")}

    def embed(self, spectrum):
        """[steps, DIMENSIONS] of one spectrum [frames, 2, BANDS]."""
        t, steps = self.tensors, -(-len(spectrum) // STRIDE)
        spectrum = mel.heard(spectrum[:, 0])
        silence = np.full((MARGIN, BANDS), SILENCE, np.float32)
        x = torch.from_numpy(np.concatenate([silence, spectrum, silence]))
        x = ((x - t["input.mean"]) * t["input.scale"])[None, None]
        for i, (out, *strides) in enumerate(CONVOLUTIONS):
            kernel = t[f"convolution{i}.kernel"].reshape(3, 3, -1, out).permute(3, 2, 0, 1)
            x = torch.relu(F.conv2d(x, kernel, t[f"convolution{i}.bias"], strides, 1))
        x = x.permute(0, 2, 3, 1).flatten(2)[0]
        x = torch.relu(x @ t["dense.kernel"] + t["dense.bias"])
        for i, dilation in enumerate(CONTEXTS):
            depth = F.conv1d(x.T[None], t[f"context{i}.depth"].T[:, None], t[f"context{i}.depth_bias"], padding=2 * dilation,
                             dilation=dilation, groups=x.shape[1])[0].T
            x = torch.relu(x + depth @ t[f"context{i}.point"] + t[f"context{i}.bias"])
        return x[MARGIN // STRIDE:MARGIN // STRIDE + steps].numpy()


def describe(network, path):
    """Pooled embeddings of a file, as it is and low-passed at 6 kHz: two training examples."""
    samples = mel.to_rate(*soundfile.read(path, dtype="float32"))[:60 * mel.RATE]
    out = []
    for variant in (samples, low_pass(samples, 6000) if len(samples) > 2000 else samples):
        spectrum = mel.log_mel(variant)
        out.append(pool(network.embed(spectrum), activity(spectrum)))
    return out


def fitted(x, y):
    return LogisticRegression(C=.3, max_iter=2000, class_weight="balanced").fit(x, y)


def train(folder, network_path, out, log=print):
    network = Frozen(network_path)
    labels = sorted(d for d in os.listdir(folder) if os.path.isdir(os.path.join(folder, d)) and not d.startswith("."))
    examples, truth, names = [], [], []
    for label in labels:
        found = []
        for name in sorted(os.listdir(os.path.join(folder, label))):
            try:
                found.append(describe(network, os.path.join(folder, label, name)))
            except (RuntimeError, ValueError, soundfile.SoundFileError) as error:
                log(f"left out: {label}/{name}: {error}")
        if len(found) < FEWEST:
            log(f"left out: {label}: {len(found)} sounds, {FEWEST} are needed")
            continue
        examples += found
        truth += [len(names)] * len(found)
        names.append(label.replace("/", " ").replace("\n", " "))
    if len(names) < 2:
        raise SystemExit("two labels with enough sounds are needed")
    x, y = np.array(examples), np.array(truth)  # [sounds, 2, pooled]
    scale = 1 / (x[:, 0].std(0) + .05)
    logits = np.zeros((len(y), len(names)))
    for train_rows, test_rows in StratifiedKFold(4, shuffle=True, random_state=1).split(x[:, 0], y):
        model = fitted(np.concatenate([x[train_rows, 0], x[train_rows, 1]]) * scale, np.tile(y[train_rows], 2))
        decision = model.decision_function(x[test_rows, 0] * scale)
        logits[test_rows] = decision if decision.ndim == 2 else np.stack([-decision / 2, decision / 2], 1)
    temperature = fit_temperature(logits, y)
    probability = softmax(logits, temperature)
    right = probability.argmax(1) == y
    log(f"{len(names)} labels, {len(y)} sounds; {right.mean():.3f} right in four-fold cross-validation over files, calibration "
        f"error {calibration_error(probability.max(1), right):.3f} (sounds of one recording in several files flatter this)")
    model = fitted(np.concatenate([x[:, 0], x[:, 1]]) * scale, np.tile(y, 2))
    weight, bias = model.coef_ * scale, model.intercept_
    if len(names) == 2:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    export.write(out, "classifier", 1, {
        "labels": "".join(f"own/{n}\n" for n in names).encode(), "classes.weight": weight.T.astype(np.float32),
        "classes.bias": bias.astype(np.float32), "classes.shipped": np.ones(len(names), np.float32),
        "calibration": np.array([temperature, 1.2 / len(names), 0], np.float32)}, network.hash, architecture=export.CLASSIFIER)
    log(f"{out}: put it into the resource folder of the classifier (classifier.resources) and set classifier:own={os.path.basename(out)}")
