# SPDX-License-Identifier: MIT
"""Writes tests/data/image_oracle.inc: pictures as Pillow writes and reads them, resized by OpenCV, PyTorch and the formulas of
MATLAB's imresize, filtered by OpenCV; blur kernels by the formulas of Real-ESRGAN's authors, in NumPy.

usage: scripts/oracle/images.py > tests/data/image_oracle.inc
       scripts/oracle/images.py --check tests/data/image_oracle.inc

--check computes all numbers anew and compares (to 2e-6: OpenCV works in float), and has Pillow read the stored files. Needs
OpenCV (pip: opencv-python-headless), Pillow, PyTorch and SciPy; the test that reads the file does not.
"""

import io
import re
import sys

import cv2
import numpy as np
import torch
from PIL import Image
from scipy.special import j1

HEIGHT, WIDTH = 9, 13


def picture(height=HEIGHT, width=WIDTH):
    y, x = np.mgrid[:height, :width]
    return (((7 * y + 13 * x + 5 * y * x) % 32) / 31).astype(np.float32)


def colours(height, width):
    """Smooth, so that JPEG keeps it: (height, width, 3) bytes."""
    y, x = np.mgrid[:height, :width]
    return np.stack([128 + 90 * np.sin(x / 5), 128 + 90 * np.cos(y / 6), 8 * x + 4 * y], 2).round().astype(np.uint8)


def keys(x, a):
    t = np.abs(x)
    return np.where(t <= 1, (a + 2) * t**3 - (a + 3) * t**2 + 1,
                    np.where(t < 2, a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a, 0))


def imresize_matrix(size, to, cubic):
    """One side of MATLAB's imresize: kernel stretched where a picture is made smaller, borders mirrored."""
    scale = to / size
    shrink = min(scale, 1)
    reach = 2 if cubic else 1
    matrix = np.zeros((to, size))
    mirror = np.concatenate([np.arange(size), np.arange(size)[::-1]])
    for i in range(to):
        u = (i + 0.5) / scale - 0.5
        j = np.arange(int(np.floor(u - reach / shrink)), int(np.ceil(u + reach / shrink)) + 1)
        x = shrink * (u - j)
        weights = keys(x, -0.5) if cubic else np.maximum(1 - np.abs(x), 0)
        weights /= weights.sum()
        np.add.at(matrix[i], mirror[j % (2 * size)], weights)
    return matrix


def imresize(image, height, width, cubic):
    rows = imresize_matrix(image.shape[0], height, cubic)
    return rows @ image.astype(float) @ imresize_matrix(image.shape[1], width, cubic).T


def resized():
    image = picture()
    for name, code in (("bilinear", cv2.INTER_LINEAR), ("bicubic", cv2.INTER_CUBIC)):
        for height, width in ((5, 4), (20, 31), (4, 29)):
            result = cv2.resize(image, (width, height), interpolation=code)
            again = torch.nn.functional.interpolate(torch.from_numpy(image)[None, None], size=(height, width), mode=name,
                                                    align_corners=False)[0, 0].numpy()
            assert np.abs(result - again).max() < 2e-6, (name, np.abs(result - again).max())
            yield f"{name}_{height}_{width}", result
    for height, width in ((5, 4), (20, 31), (3, 1)):
        tensor = torch.from_numpy(image)[None, None]
        result = torch.nn.functional.interpolate(tensor, size=(height, width), mode="area")[0, 0].numpy()
        if (height, width) == (3, 1):  # a whole part of the sides
            assert np.abs(result - cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)).max() < 2e-6
        yield f"area_{height}_{width}", result
    yield "nearest_5_29", cv2.resize(image, (29, 5), interpolation=cv2.INTER_NEAREST)
    # Pillow cuts kernels at the borders, where MATLAB mirrors: within, the two are one.
    large = picture(40, 60)
    for cubic, code in ((False, Image.Resampling.BILINEAR), (True, Image.Resampling.BICUBIC)):
        inner = np.s_[3:-3, 3:-3]
        ours = imresize(large, 10, 15, cubic)
        assert np.abs(ours[inner] - np.asarray(Image.fromarray(large).resize((15, 10), code))[inner]).max() < 1e-6
        name = "bicubic" if cubic else "bilinear"
        for height, width in ((5, 4), (20, 31), (3, 26)):
            yield f"antialiased_{name}_{height}_{width}", imresize(image, height, width, cubic)


def grid(size):
    axis = np.arange(size) - size // 2
    return np.meshgrid(axis, axis)


def gaussian_form(size, sigma_x, sigma_y, rotation):
    x, y = grid(size)
    u = np.array([[np.cos(rotation), -np.sin(rotation)], [np.sin(rotation), np.cos(rotation)]])
    inverse = np.linalg.inv(u @ np.diag([sigma_x**2, sigma_y**2]) @ u.T)
    points = np.stack([x, y], 2)
    return np.einsum("yxi,ij,yxj->yx", points, inverse, points)


def sinc(size, cutoff):
    x, y = grid(size)
    r = np.hypot(x, y)
    with np.errstate(divide="ignore", invalid="ignore"):
        kernel = cutoff * j1(cutoff * r) / (2 * np.pi * r)
    kernel[size // 2, size // 2] = cutoff**2 / (4 * np.pi)
    return kernel


def kernels():
    """In the order of the enumeration Blur."""
    size = 7
    round_form, long_form = gaussian_form(size, 1.3, 1.3, 0), gaussian_form(size, 2.5, 0.8, 0.7)
    found = [np.exp(-0.5 * round_form), np.exp(-0.5 * long_form), np.exp(-0.5 * round_form**0.6),
             np.exp(-0.5 * long_form**2.5), 1 / (1 + round_form**1.7), 1 / (1 + long_form**1.7), sinc(size, 2.1)]
    return [kernel / kernel.sum() for kernel in found] + [sinc(21, 0.9) / sinc(21, 0.9).sum()]


def files():
    image = colours(11, 14)
    grey = image[:, :, 0]
    for name, kind, pixels, options in (("png", "PNG", image, {}), ("grey_png", "PNG", grey, {}),
                                        ("palette_png", "PNG", None, {}), ("bmp", "BMP", image, {}),
                                        ("jpeg", "JPEG", image, {"quality": 90}),
                                        ("progressive_jpeg", "JPEG", image, {"quality": 95, "progressive": True})):
        made = Image.fromarray(image).quantize(16) if pixels is None else Image.fromarray(pixels)
        stream = io.BytesIO()
        made.save(stream, kind, **options)
        yield name, stream.getvalue()


def read(data):
    """As Pillow reads it: (channels, height, width)."""
    image = Image.open(io.BytesIO(data))
    pixels = np.asarray(image.convert("RGB") if image.mode == "P" else image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def arrays():
    for name, values in resized():
        yield f"resized_{name}", values
    for i, kernel in enumerate(kernels()):
        yield f"blur_kernel_{i + 1}", kernel
    yield "filtered", cv2.filter2D(picture(), -1, kernels()[1].astype(np.float32), borderType=cv2.BORDER_REFLECT_101)


def rows(texts, end):
    line = "   "
    for text in texts:
        if len(line) + len(text) + 2 > 120:
            print(line)
            line = "   "
        line += f" {text},"
    print(line + end)


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--check":
        check(sys.argv[2])
        return
    print("// SPDX-License-Identifier: MIT")
    print("// Written by scripts/oracle/images.py.")
    for name, values in arrays():
        print(f"inline constexpr double {name}[] = {{")
        rows((f"{x:.8g}" for x in np.asarray(values).ravel()), "};")
    for name, data in files():
        print(f"inline constexpr unsigned char file_{name}[] = {{")
        rows((str(byte) for byte in data), "};")
        print(f"inline constexpr unsigned char pixels_{name}[] = {{")
        rows((str(value) for value in read(data).ravel()), "};")


def check(path):
    with open(path, encoding="utf-8") as stream:
        stored = dict(re.findall(r"(\w+)\[\] = \{(.*?)\};", stream.read(), re.S))
    numbers = {name: np.array([float(x) for x in text.replace("\n", " ").split(",") if x.strip()])
               for name, text in stored.items()}
    worst = 0.0
    names = set()
    for name, values in arrays():
        names.add(name)
        worst = max(worst, np.abs(numbers[name] - np.asarray(values, float).ravel()).max())
    for name in stored:
        if name.startswith("file_"):
            names |= {name, "pixels_" + name[5:]}
            pixels = read(bytes(numbers[name].astype(np.uint8)))
            assert np.array_equal(pixels.ravel(), numbers["pixels_" + name[5:]]), name
    print(f"{path}: at most {worst:.1e} from what is stored, 2e-06 allowed")
    sys.exit(not (worst <= 2e-6 and names == set(stored)))


if __name__ == "__main__":
    main()
