"""Writes trained models, one after the other, the way the plugin reads them:

    export.py network OUT.weights MODEL.pt...
    export.py tempogram OUT.weights MODEL.pt...
"""
import sys

import numpy as np
import torch

TEMPOGRAM = ('mean', 'spread', 'l1.weight', 'l1.bias', 'l2.weight', 'l2.bias', 'l3.weight', 'l3.bias', 't1.weight', 't1.bias',
             't2.weight', 't2.bias')


def network_parts(state):
    """In the order of struct model in plugins/tempo_meter/network.c."""
    parts = [state['c0.weight'].transpose(2, 1, 0), state['c0.bias']]
    for i in range(sum(1 for k in state if k.startswith('l.') and k.endswith('weight'))):
        parts += [state[f'l.{i}.weight'].transpose(2, 1, 0), state[f'l.{i}.bias']]
    return parts + [state['g'][:, :, 0], state['o.weight'][:, :, 0], state['o.bias'], state['t0.weight'][:, :, 0].T,
                    state['t0.bias'], state['t1.weight'], state['t1.bias']]


def main():
    kind, name, models = sys.argv[1], sys.argv[2], sys.argv[3:]
    with open(name, 'wb') as out:
        out.write({'network': b'sondeTM1', 'tempogram': b'sondeTG1'}[kind])
        for model in models:
            state = {k: v.numpy() for k, v in torch.load(model, map_location='cpu').items()}
            for part in network_parts(state) if kind == 'network' else [state[k] for k in TEMPOGRAM]:
                out.write(np.ascontiguousarray(part, dtype='<f4').tobytes())


if __name__ == '__main__':
    main()
