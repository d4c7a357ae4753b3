"""One branch of the shared network: log-mel frames, with or without their floors, in; one embedding every 8 frames (0.186 s) out.

The shapes here and the constants in plugins/features/branch.c are one definition: a change in one is a change in both,
and in ARCHITECTURE, which the weights file carries.
"""
import torch
from torch import nn

ARCHITECTURE = 2
BANDS = 64
STRIDE = 8  # log-mel frames per embedding frame
DIMENSIONS = 96

# (channels, stride in time, stride in frequency), kernels are 3 x 3
CONVOLUTIONS = [(16, 2, 2), (24, 1, 2), (48, 2, 2), (64, 2, 2), (96, 1, 2)]
# those of the network's teacher, which is wider and never ships
TEACHER = [(16, 2, 2), (24, 1, 2), (64, 2, 2), (96, 2, 2), (128, 1, 2)]
CONTEXTS = [1, 4]  # dilations of the temporal blocks, kernel 5


class Context(nn.Module):
    """Residual depthwise convolution over time (kernel 5) followed by a pointwise one."""

    def __init__(self, dilation):
        super().__init__()
        self.depth = nn.Conv1d(DIMENSIONS, DIMENSIONS, 5, padding=2 * dilation, dilation=dilation, groups=DIMENSIONS)
        self.point = nn.Conv1d(DIMENSIONS, DIMENSIONS, 1, bias=False)
        self.norm = nn.BatchNorm1d(DIMENSIONS)

    def forward(self, x):
        return torch.relu(x + self.norm(self.point(self.depth(x))))


class Backbone(nn.Module):
    def __init__(self, inputs, convolutions=None, dropout=0.2):
        super().__init__()
        convolutions = convolutions or CONVOLUTIONS
        channels = [inputs] + [o for o, _, _ in convolutions]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(i, o, 3, stride=(st, sf), padding=1, bias=False) for i, (o, st, sf) in zip(channels, convolutions))
        self.norms = nn.ModuleList(nn.BatchNorm2d(o) for o in channels[1:])
        self.flatten = nn.Conv1d(channels[-1] * 2, DIMENSIONS, 1, bias=False)
        self.flatten_norm = nn.BatchNorm1d(DIMENSIONS)
        self.contexts = nn.ModuleList(Context(d) for d in CONTEXTS)
        self.drop = nn.Dropout(dropout)

    def forward(self, x):
        """x: [batch, inputs, frames, BANDS], normalised, frames a multiple of STRIDE. Returns [batch, DIMENSIONS, frames/STRIDE]."""
        for convolution, norm in zip(self.convolutions, self.norms):
            x = torch.relu(norm(convolution(x)))
        x = x.permute(0, 3, 1, 2).flatten(1, 2)  # [batch, 2 bands * channels, time]: band-major
        x = self.drop(torch.relu(self.flatten_norm(self.flatten(x))))
        for context in self.contexts:
            x = context(x)
        return x
