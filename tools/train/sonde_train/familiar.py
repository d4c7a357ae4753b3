"""How familiar a sound is: whether its embedding lies nearer to its class than to sounds at large. The relative Mahalanobis
distance (Ren et al., 2021) of both branches' mean embeddings, as plugins/classifier/ranking.c measures it."""
import numpy as np

from .dataset import CLASSES
from .fit import embeddings, pool
from .model import DIMENSIONS

RIDGE = .1  # added to the variances, of normalised embeddings
WEIGHT = .06  # of the familiarity beside the logarithm of the clearance, chosen like the clearance


def means(sound, scene, clips):
    """What it is measured of: [clips, 2 DIMENSIONS], the mean embeddings of both branches."""
    return np.concatenate([np.stack([pool(e, a)[:DIMENSIONS] for e, a in embeddings(branch, clips)]) for branch in (sound, scene)], 1)


def whitening(spread):
    """W with W' W the inverse of the covariance."""
    return np.linalg.inv(np.linalg.cholesky(spread + RIDGE * np.eye(len(spread))))


def fit(sound, scene, clips):
    """The tensors, from the sounds that the branches were trained on; every class counts by the root of its size. A class without
    sounds is as far as can be."""
    heard, labels = means(sound, scene, clips), np.array([CLASSES.index(c.label) for c in clips])
    count = np.bincount(labels, minlength=len(CLASSES))
    centre, scale = heard.mean(0), 1 / (heard.std(0) + .05)
    x = (heard - centre) * scale
    centres = np.stack([x[labels == k].sum(0) / (count[k] + 2) for k in range(len(CLASSES))])
    weight = 1 / np.sqrt(count[labels])
    within, at_large = (x - centres[labels]) * np.sqrt(weight)[:, None], x * np.sqrt(weight)[:, None]
    near, far = whitening(within.T @ within / weight.sum()), whitening(at_large.T @ at_large / weight.sum())
    centres = centres @ near.T
    centres[count == 0] = 1e3
    return {"familiar.mean": centre, "familiar.scale": scale, "familiar.far": far.T, "familiar.near": near.T,
            "familiar.centres": centres}


def measure(tensors, heard):
    """[clips, classes] of means(): positive where a sound is more like the class than like sounds at large."""
    x = (heard - tensors["familiar.mean"]) * tensors["familiar.scale"]
    far, near = x @ tensors["familiar.far"], x @ tensors["familiar.near"]
    return (far ** 2).sum(1)[:, None] - ((near[:, None] - tensors["familiar.centres"]) ** 2).sum(2)
