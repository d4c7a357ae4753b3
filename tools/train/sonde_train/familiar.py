"""How familiar a sound is: whether its embedding lies nearer to its class than to sounds at large. The relative Mahalanobis
distance (Ren et al., 2021) of the mean embedding, as plugins/classifier/ranking.c measures it."""
import numpy as np

from .dataset import CLASSES
from .model import DIMENSIONS

RIDGE = .1  # added to the variances, of normalised embeddings
WEIGHT = .06  # of the familiarity beside the logarithm of the clearance, chosen like the clearance


def whitening(spread):
    """W with W' W the inverse of the covariance."""
    return np.linalg.inv(np.linalg.cholesky(spread + RIDGE * np.eye(len(spread))))


def fit(means, labels):
    """The tensors, from the mean embeddings [clips, DIMENSIONS] that sounds were trained on and their classes' numbers; every
    class counts by the root of its size. A class without sounds is as far as can be."""
    count = np.bincount(labels, minlength=len(CLASSES))
    centre, scale = means.mean(0), 1 / (means.std(0) + .05)
    x = (means - centre) * scale
    centres = np.stack([x[labels == k].sum(0) / (count[k] + 2) for k in range(len(CLASSES))])
    weight = 1 / np.sqrt(count[labels])
    within, at_large = (x - centres[labels]) * np.sqrt(weight)[:, None], x * np.sqrt(weight)[:, None]
    near, far = whitening(within.T @ within / weight.sum()), whitening(at_large.T @ at_large / weight.sum())
    centres = centres @ near.T
    centres[count == 0] = 1e3
    return {"familiar.mean": centre, "familiar.scale": scale, "familiar.far": far.T, "familiar.near": near.T,
            "familiar.centres": centres}


def measure(tensors, means):
    """[clips, classes]: positive where a sound is more like the class than like sounds at large."""
    x = (means[:, :DIMENSIONS] - tensors["familiar.mean"]) * tensors["familiar.scale"]
    far, near = x @ tensors["familiar.far"], x @ tensors["familiar.near"]
    return (far ** 2).sum(1)[:, None] - ((near[:, None] - tensors["familiar.centres"]) ** 2).sum(2)
