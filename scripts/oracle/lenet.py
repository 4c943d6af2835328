# SPDX-License-Identifier: MIT
"""The LeNets of tests/training/oracle_lenet.hpp in PyTorch, parameters in mtlx's order, and what dump.cpp wrote."""

import pathlib

import numpy
import torch
from torch import nn


def one_thread():
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(True)


class LeNet(nn.Module):
    """Two heads on a shared trunk, for pictures of 28 x 28 or 36 x 36."""

    def __init__(self, side):
        super().__init__()
        kernel = {28: 5, 36: 9}[side]
        places = ((side - kernel + 1) // 2 - 4) // 2
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 10, kernel), nn.MaxPool2d(2), nn.ReLU(),
            nn.Conv2d(10, 20, 5), nn.MaxPool2d(2), nn.ReLU(),
            nn.Flatten(), nn.Linear(20 * places * places, 50), nn.ReLU())
        self.heads = nn.ModuleList([nn.Linear(50, 10), nn.Linear(50, 10)])

    def forward(self, x):
        shared = self.trunk(x)
        return [head(shared) for head in self.heads]

    def load_flat(self, flat):
        """flat: mtlx's parameters, layer by layer, weight and bias; a dense weight is (inputs, outputs) there."""
        at = 0
        with torch.no_grad():
            for parameter in self.parameters():
                numbers = torch.from_numpy(flat[at:at + parameter.numel()].copy())
                at += parameter.numel()
                if parameter.dim() == 2:
                    numbers = numbers.reshape(parameter.shape[::-1]).T
                parameter.copy_(numbers.reshape(parameter.shape))
        if at != len(flat):
            raise ValueError(f"{len(flat)} parameters, and this LeNet has {at}")


class Dump:
    """A folder that dump.cpp wrote."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        about = dict(line.split() for line in (self.folder / "about").read_text().splitlines())
        self.side = int(about["side"])
        self.batch_size = int(about["batch_size"])
        self.mean, self.deviation = float(about["mean"]), float(about["deviation"])
        self.parameters = numpy.fromfile(self.folder / "parameters", numpy.float32)

    def inputs(self, name):
        """(n, 1, side, side) bytes."""
        return torch.from_numpy(numpy.fromfile(self.folder / f"{name}_inputs", numpy.uint8)).view(
            -1, 1, self.side, self.side)

    def labels(self, name):
        """(n, 2): left, right."""
        return torch.from_numpy(numpy.fromfile(self.folder / f"{name}_labels", numpy.uint8)).view(-1, 2).long()

    def normalised(self, inputs, dtype):
        return inputs.to(dtype) * (1 / 255 / self.deviation) - self.mean / self.deviation
