# SPDX-License-Identifier: MIT
"""Writes tests/nn/super_resolution_oracle.inc: networks for super-resolution in PyTorch, small ones, for one sample, in double.

usage: scripts/oracle/super_resolution.py > tests/nn/super_resolution_oracle.inc

Needs PyTorch; the test that reads the file does not. Inputs and output gradients are those of scripts/oracle/layers.py, parameters
an eighth of its. Of the parameters' gradients the inner product with their place's output gradient is stored. The head of the
file has the numbers of parameters of the networks in full size.
"""

import torch
from layers import dy, numbers, parameter, print_values, x
from torch import nn


class Skip(nn.Module):
    """A chain, and its input made larger, added up."""

    def __init__(self, *chain, scale=1):
        super().__init__()
        self.chain = nn.Sequential(*chain)
        self.scale = scale

    def forward(self, sample):
        base = sample
        if self.scale > 1:
            base = nn.functional.interpolate(sample, scale_factor=self.scale, mode="bilinear", align_corners=False)
        return base + self.chain(sample)


def conv(inputs, outputs, kernel=3):
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


def enlarge(scale, width, *between):
    step = [nn.PixelShuffle(2), *between]
    return [layer for _ in range(scale // 2) for layer in (conv(width, 4 * width), *step)]


def block(width):
    return Skip(conv(width, width), nn.ReLU(), conv(width, width))


def espcn(scale, channels=3, width=64):
    return nn.Sequential(
        conv(channels, width, 5), nn.Tanh(), conv(width, width // 2), nn.Tanh(),
        conv(width // 2, channels * scale**2), nn.PixelShuffle(scale),
    )  # fmt: skip


def fsrcnn(scale, channels=3, d=56, s=12, m=4):
    mapping = [layer for _ in range(m) for layer in (conv(s, s), nn.PReLU(s))]
    return nn.Sequential(
        conv(channels, d, 5), nn.PReLU(d), conv(d, s, 1), nn.PReLU(s), *mapping, conv(s, d, 1), nn.PReLU(d),
        nn.ConvTranspose2d(d, channels, 9, scale, 4, scale - 1),
    )  # fmt: skip


def edsr(scale, channels=3, width=64, blocks=16):
    body = Skip(*(block(width) for _ in range(blocks)), conv(width, width))
    return nn.Sequential(conv(channels, width), body, *enlarge(scale, width), conv(width, channels))


def msr_res_net(scale, channels=3, width=64, blocks=16):
    leaky = nn.LeakyReLU(0.1)
    return Skip(
        conv(channels, width), leaky, *(block(width) for _ in range(blocks)), *enlarge(scale, width, leaky),
        conv(width, width), leaky, conv(width, channels), scale=scale,
    )  # fmt: skip


CASES = {
    "espcn_4_1": ((1, 2, 3), espcn(4, 1, 4)),
    "fsrcnn_2_3": ((3, 2, 3), fsrcnn(2, 3, 6, 3, 2)),
    "fsrcnn_4_1": ((1, 1, 3), fsrcnn(4, 1, 6, 3, 2)),
    "edsr_2_3": ((3, 2, 3), edsr(2, 3, 4, 2)),
    "msr_res_net_4_1": ((1, 3, 2), msr_res_net(4, 1, 4, 2)),
    "msr_res_net_2_3": ((3, 2, 3), msr_res_net(2, 3, 4, 2)),
}

COUNTS = [f(scale, channels) for f in (espcn, fsrcnn, edsr, msr_res_net) for scale in (2, 4) for channels in (1, 3)]


def run(shape, module):
    module = module.double()
    first = 0
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.tensor([parameter(first + i) / 8 for i in range(p.numel())]).reshape(p.shape))
            first += p.numel()
    sample = numbers(x, torch.Size((1, *shape))).requires_grad_()
    y = module(sample)
    y.backward(numbers(dy, y.shape))
    gradient = torch.cat([p.grad.flatten() for p in module.parameters()])
    product = (gradient * numbers(dy, gradient.shape)).sum()
    return [t.detach().flatten().tolist() for t in (y, sample.grad, product)]


def main():
    print("// SPDX-License-Identifier: MIT")
    print(f"// Written by scripts/oracle/super_resolution.py with PyTorch {torch.__version__}: y, dx and <dp, dy> of one sample.")
    counts = [str(sum(p.numel() for p in module.parameters())) for module in COUNTS]
    print("// Parameters of Espcn, Fsrcnn, Edsr and MsrResNet at the scales 2 and 4, of 1 and 3 channels.")
    print(f"inline constexpr std::size_t parameters[] = {{{', '.join(counts[:8])},")
    print(f"                                             {', '.join(counts[8:])}}};")
    for name, case in CASES.items():
        print_values(name, run(*case))


if __name__ == "__main__":
    main()
