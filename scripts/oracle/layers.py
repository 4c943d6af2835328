# SPDX-License-Identifier: MIT
"""Writes tests/nn/layer_oracle.inc: outputs and gradients of PyTorch's layers, for one sample, in double.

usage: scripts/oracle/layers.py > tests/nn/layer_oracle.inc

Needs PyTorch; the tests that read the file do not. Inputs, parameters and output gradients are eighths, made on either
side by the formulas below. A case is a name, the shape of a sample and a module; parameters lie one after the other, in
PyTorch's order. tests/nn/layer_oracle.hpp compares.
"""

import torch
from torch import nn


def x(i):
    return ((i * 7) % 25 - 12) / 4


def dy(i):
    return ((i * 5) % 13 - 6) / 8


def parameter(i):
    return ((i * 3) % 11 - 4) / 8


CASES = {
    # activations
    "leaky_relu": ((25,), nn.LeakyReLU()),
    "leaky_relu_20": ((25,), nn.LeakyReLU(0.2)),
    "p_relu": ((3, 2, 4), nn.PReLU(3)),
    "sigmoid": ((25,), nn.Sigmoid()),
    "gelu": ((25,), nn.GELU()),
    "gelu_tanh": ((25,), nn.GELU(approximate="tanh")),
    "silu": ((25,), nn.SiLU()),
    "softplus": ((25,), nn.Softplus()),
    # pooling
    "avg_pool2d_2": ((2, 6, 5), nn.AvgPool2d(2)),
    "avg_pool2d_3_2_1": ((2, 6, 5), nn.AvgPool2d(3, 2, 1)),
    "avg_pool2d_2_3": ((2, 6, 5), nn.AvgPool2d(2, 3)),
    "global_avg_pool": ((2, 3, 5), nn.AdaptiveAvgPool2d(1)),
    # shapes
    "pixel_shuffle_2": ((8, 2, 3), nn.PixelShuffle(2)),
    "upsample_2": ((2, 3, 2), nn.Upsample(scale_factor=2)),
    "upsample_bilinear_2": ((2, 3, 2), nn.Upsample(scale_factor=2, mode="bilinear")),
    "upsample_bilinear_3": ((1, 1, 3), nn.Upsample(scale_factor=3, mode="bilinear")),
    "upsample_bilinear_4": ((1, 5, 2), nn.Upsample(scale_factor=4, mode="bilinear")),
    # norms
    "layer_norm_row": ((7,), nn.LayerNorm(7)),
    "layer_norm_image": ((2, 3, 2), nn.LayerNorm((2, 3, 2))),
    "group_norm_1": ((3, 1, 3), nn.GroupNorm(1, 3)),
    "group_norm_2": ((4, 2, 3), nn.GroupNorm(2, 4)),
    "group_norm_of_row": ((6, 1, 1), nn.GroupNorm(3, 6)),
    "instance_norm": ((3, 2, 2), nn.GroupNorm(3, 3)),
    # transposed convolutions
    "conv_transpose2d_3": ((2, 3, 2), nn.ConvTranspose2d(2, 3, 3)),
    "conv_transpose2d_4_2_1": ((3, 2, 3), nn.ConvTranspose2d(3, 2, 4, 2, 1)),
    "conv_transpose2d_3_2_1_1": ((2, 2, 3), nn.ConvTranspose2d(2, 1, 3, 2, 1, 1)),
    "conv_transpose2d_2_3_0_2": ((1, 2, 2), nn.ConvTranspose2d(1, 2, 2, 3, 0, 2)),
}


def numbers(formula, shape):
    return torch.tensor([formula(i) for i in range(shape.numel())], dtype=torch.float64).reshape(shape)


def run(shape, module):
    module = module.double()
    first = 0
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.tensor([parameter(first + i) for i in range(p.numel())]).reshape(p.shape))
            first += p.numel()
    sample = numbers(x, torch.Size((1, *shape))).requires_grad_()
    y = module(sample)
    y.backward(numbers(dy, y.shape))
    gradients = [p.grad.flatten() for p in module.parameters()] or [torch.empty(0)]
    return [t.detach().flatten().tolist() for t in (y, sample.grad, torch.cat(gradients))]


def print_values(name, parts):
    """A constant of C++ with these lists of numbers."""
    print(f"inline constexpr Values<{', '.join(str(len(part)) for part in parts)}> {name}{{")
    for part in parts:
        rows = [", ".join(f"{v:.17g}" if v != 0 else "0.0" for v in part[i : i + 4]) for i in range(0, len(part), 4)]
        print("    {" + ",\n     ".join(rows) + "},")
    print("};")


def main():
    print("// SPDX-License-Identifier: MIT")
    print(f"// Written by scripts/oracle/layers.py with PyTorch {torch.__version__}: y, dx and dp of one sample.")
    for name, case in CASES.items():
        print_values(name, run(*case))


if __name__ == "__main__":
    main()
