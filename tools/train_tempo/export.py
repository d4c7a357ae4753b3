"""Writes trained models, one after the other, the way plugins/tempo_meter/network.c reads them:

    export.py OUT MODEL.pt...
"""
import sys

import numpy as np
import torch

MAGIC = b'sondeTM1'


def parts_of(name):
    state = {k: v.double().numpy() for k, v in torch.load(name, map_location='cpu').items()}
    layers = sum(1 for k in state if k.startswith('l.') and k.endswith('weight'))
    parts = [state['c0.weight'].transpose(2, 1, 0), state['c0.bias']]
    for i in range(layers):
        parts += [state[f'l.{i}.weight'].transpose(2, 1, 0), state[f'l.{i}.bias']]
    parts += [state['g'][:, :, 0], state['o.weight'][:, :, 0], state['o.bias'], state['t0.weight'][:, :, 0].T,
              state['t0.bias'], state['t1.weight'], state['t1.bias']]
    return parts


def main():
    with open(sys.argv[1], 'wb') as out:
        out.write(MAGIC)
        for name in sys.argv[2:]:
            for part in parts_of(name):
                out.write(np.ascontiguousarray(part, dtype='<f4').tobytes())


if __name__ == '__main__':
    main()
