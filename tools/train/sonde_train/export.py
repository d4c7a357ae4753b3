"""Writes weights files in the layout of plugins/features/weights.h."""
import struct

import numpy as np
import torch
import xxhash

from .model import ARCHITECTURE

FORMAT = 1
CLASSIFIER = 2  # architecture of the classifier's weights: RANKING_ARCHITECTURE of plugins/classifier/ranking.h


def write(path, kind, version, tensors, parent=0, model="sonde-embedding", architecture=ARCHITECTURE):
    """tensors: name -> float32 array of up to 3 dimensions, or bytes. Returns the file's hash."""
    table, data = b"", b""
    base = 128 + 64 * len(tensors)
    base += -base % 64
    for name, value in tensors.items():
        raw = value if isinstance(value, bytes) else np.ascontiguousarray(value, "<f4").tobytes()
        shape = [len(raw)] if isinstance(value, bytes) else list(value.shape)
        shape += [1] * (3 - len(shape))
        table += struct.pack("<32sI3IQQ", name.encode(), isinstance(value, bytes), *shape, base + len(data), len(raw))
        data += raw + b"\0" * (-len(raw) % 64)
    rest = table + b"\0" * (base - 128 - len(table)) + data
    digest = xxhash.xxh64_intdigest(rest, 0)
    header = struct.pack("<8sII16s32sIIQQQ32x", b"SONDEWTS", FORMAT, architecture, kind.encode(), model.encode(), version,
                         len(tensors), 128 + len(rest), digest, parent)
    with open(path, "wb") as f:
        f.write(header + rest)
    return digest


def folded(weight, norm):
    """Batch normalisation folded into the layer before it: (weight [out, ...], bias [out])."""
    scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach().numpy()
    bias = norm.bias.detach().numpy() - norm.running_mean.numpy() * scale
    return weight.detach().numpy() * scale.reshape(-1, *[1] * (weight.dim() - 1)), bias


def branch_tensors(network):
    backbone, tensors = network.backbone, {}
    tensors["input.mean"], tensors["input.scale"] = network.mean.numpy(), network.scale.numpy()
    for i, (convolution, norm) in enumerate(zip(backbone.convolutions, backbone.norms)):
        weight, bias = folded(convolution.weight, norm)
        out, channels = weight.shape[:2]  # [out, in, time, band] becomes [time * band * in, out]
        tensors[f"convolution{i}.kernel"] = weight.transpose(2, 3, 1, 0).reshape(9 * channels, out)
        tensors[f"convolution{i}.bias"] = bias
    weight, bias = folded(backbone.flatten.weight, backbone.flatten_norm)
    tensors["dense.kernel"], tensors["dense.bias"] = weight[:, :, 0].T, bias
    for i, context in enumerate(backbone.contexts):
        tensors[f"context{i}.depth"] = context.depth.weight.detach().numpy()[:, 0].T
        tensors[f"context{i}.depth_bias"] = context.depth.bias.detach().numpy()
        weight, bias = folded(context.point.weight, context.norm)
        tensors[f"context{i}.point"], tensors[f"context{i}.bias"] = weight[:, :, 0].T, bias
    return tensors


def network_tensors(sound, scene, catalogue_mean, catalogue_scale):
    """Both branches, and what brings the catalogue's embedding to the same scale in all dimensions."""
    tensors = {"catalogue.mean": catalogue_mean, "catalogue.scale": catalogue_scale}
    for name, network in (("sound", sound), ("scene", scene)):
        tensors.update({f"{name}.{k}": v for k, v in branch_tensors(network).items()})
    return {k: np.ascontiguousarray(v, np.float32) for k, v in tensors.items()}


def read(path):
    """(header as a dictionary, tensors) of a weights file."""
    with open(path, "rb") as f:
        data = f.read()
    magic, form, architecture, kind, model, version, count, size, digest, parent = struct.unpack_from("<8sII16s32sIIQQQ", data)
    if magic != b"SONDEWTS" or form != FORMAT or size != len(data) or digest != xxhash.xxh64_intdigest(data[128:], 0):
        raise ValueError(f"{path} is not a whole weights file of format {FORMAT}")
    tensors = {}
    for i in range(count):
        name, text, d0, d1, d2, offset, length = struct.unpack_from("<32sI3IQQ", data, 128 + 64 * i)
        raw = data[offset:offset + length]
        tensors[name.rstrip(b"\0").decode()] = raw if text else np.frombuffer(raw, "<f4").reshape(d0, d1, d2).squeeze()
    header = {"kind": kind.rstrip(b"\0").decode(), "architecture": architecture, "version": version, "hash": digest,
              "parent": parent}
    return header, tensors
