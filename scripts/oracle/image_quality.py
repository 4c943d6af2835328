# SPDX-License-Identifier: MIT
"""Writes tests/nn/image_quality_oracle.inc: what piq says of pairs of pictures, in double.

usage: scripts/oracle/image_quality.py > tests/nn/image_quality_oracle.inc

Needs PyTorch, torchvision and piq; the test that reads the file does not. Pictures are multiples of 1/256, made on either side by
the formulas below. Luma is Y of BT.601 from 16/255 to 235/255. Where a metric refuses a size, -1 is stored.
"""

import importlib.metadata
import warnings

import piq
import torch

torch.set_default_dtype(torch.float64)  # else piq's DSS rounds to single precision
warnings.simplefilter("ignore")  # MDSI's about grey pictures

PAIRS = [
    ((3, 40, 56), 0),
    ((3, 37, 45), 0),
    ((3, 37, 46), 1),
    ((3, 48, 41), 2),
    ((3, 35, 64), 3),
    ((1, 33, 48), 0),
    ((1, 24, 37), 1),
    ((1, 31, 53), 2),
    ((3, 161, 176), 0),
    ((3, 163, 170), 1),
    ((1, 164, 161), 2),
    ((1, 170, 167), 3),
    ((3, 385, 392), 1),
    ((3, 645, 650), 0),
]


def triangle(n, half):
    return abs(n % (2 * half) - half)


def true(c, h, w):
    return triangle(5 * h + 2 * w, 97) + triangle(7 * w - 3 * h + 20 * c, 60) + 30 * ((h // 9 + w // 7 + c) % 2)


def other(c, h, w, kind):
    if kind == 0:  # noise
        return min(max(true(c, h, w) + (h * 31 + w * 17 + c * 7 + h * w) % 47 - 23, 0), 255)
    if kind == 1:  # blurred along the rows
        return sum(true(c, h, max(w + i, 0)) for i in range(-2, 3)) // 5
    if kind == 2:  # few levels
        return true(c, h, w) // 40 * 40
    return 255 - true(c, h, w)  # the negative


def picture(shape, formula):
    numbers = [[[formula(c, h, w) for w in range(shape[2])] for h in range(shape[1])] for c in range(shape[0])]
    return torch.tensor(numbers, dtype=torch.float64)[None] / 256


def luma(x):
    if x.shape[1] == 1:
        return x
    return ((65.481 * x[:, :1] + 128.553 * x[:, 1:2] + 24.966 * x[:, 2:]) + 16) / 255


def number(metric, x, y):
    try:
        return float(metric(x, y))
    except ValueError:
        return -1.0


def ssim(x, y):
    return piq.ssim(x, y, downsample=False)


def main():
    print("// SPDX-License-Identifier: MIT")
    print(f"// Written by scripts/oracle/image_quality.py with piq {importlib.metadata.version('piq')}:")
    print("// shape, kind, PSNR and that of luma, SSIM and that of luma within 4 pixels, MS-SSIM and that of luma, GMSD, MDSI,")
    print("// HaarPSI, DSS.")
    print("inline constexpr Pair pairs[] = {")
    for shape, kind in PAIRS:
        x = picture(shape, lambda c, h, w: other(c, h, w, kind))
        y = picture(shape, true)
        within = [luma(z)[:, :, 4:-4, 4:-4] for z in (x, y)]
        values = [
            number(piq.psnr, x, y),
            number(piq.psnr, luma(x), luma(y)),
            number(ssim, x, y),
            number(ssim, *within),
            number(piq.multi_scale_ssim, x, y),
            number(piq.multi_scale_ssim, luma(x), luma(y)),
            number(piq.gmsd, x, y),
            number(piq.mdsi, x, y),
            number(piq.haarpsi, x, y),
            number(piq.dss, x, y),
        ]
        print(f"    {{{{{', '.join(map(str, shape))}}}, {kind},")
        print("     {" + ", ".join(f"{v:.17g}" if v != -1 else "-1.0" for v in values[:5]) + ",")
        print("      " + ", ".join(f"{v:.17g}" if v != -1 else "-1.0" for v in values[5:]) + "}},")
    print("};")


if __name__ == "__main__":
    main()
