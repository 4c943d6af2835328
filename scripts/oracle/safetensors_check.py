# SPDX-License-Identifier: MIT
"""usage: safetensors_check.py PROGRAM FOLDER

Does PyPI's safetensors read what mtlx writes, and mtlx what it writes? PROGRAM is safetensors_copy, built; files go to
FOLDER. Needs NumPy, PyTorch and safetensors."""

import pathlib
import subprocess
import sys

import numpy
from safetensors import safe_open
from safetensors.numpy import load_file, save_file


def run(*arguments):
    return subprocess.run(arguments, capture_output=True, text=True)


def same(a, b):
    return a.keys() == b.keys() and all(
        a[k].dtype == b[k].dtype and a[k].shape == b[k].shape and a[k].tobytes() == b[k].tobytes() for k in a
    )


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    theirs, ours = str(folder / "theirs.safetensors"), str(folder / "ours.safetensors")
    draw = numpy.random.default_rng(1)
    single, double = numpy.float32, numpy.float64
    cases = {
        "float": ({"a": draw.normal(size=(3, 5)).astype(single)}, None),
        "double": ({"a.b": draw.normal(size=7), "a.c": draw.normal(size=(2, 1, 3))}, {"made by": "NumPy"}),
        "mixed, odd sizes": ({"x": numpy.arange(3, dtype=single), "y": numpy.arange(5, dtype=double)}, None),
        "one number, no numbers": ({"one": numpy.array(1.5, single), "none": numpy.zeros((0, 4), double)}, None),
        "nothing": ({}, None),
        "names": ({'q"\\/\n\u00fc\U0001f600': numpy.ones(2, single)}, {'k"\u20ac': "\t\\"}),
        "not finite": ({"a": numpy.array([numpy.nan, numpy.inf, -numpy.inf, -0.0], single)}, None),
        "large": ({f"layer.{i}.weight": draw.normal(size=(40, 50)).astype(single) for i in range(30)}, None),
    }
    cases["bytes"] = ({"a": numpy.arange(256, dtype=numpy.uint8), "b": numpy.ones((1, 3), single)}, None)
    for name, (tensors, metadata) in cases.items():
        save_file(tensors, theirs, metadata)
        done = run(program, theirs, ours)
        if done.returncode != 0:
            sys.exit(f"{name}: {done.stderr}")
        if not same(tensors, load_file(ours)):
            sys.exit(f"{name}: other tensors come back")
        with safe_open(ours, "np") as file:
            if (file.metadata() or {}) != (metadata or {}):
                sys.exit(f"{name}: other metadata come back: {file.metadata()}")

    for kind in (numpy.float16, numpy.int64, numpy.int8, numpy.bool_):
        save_file({"a": numpy.ones(4, kind)}, theirs)
        done = run(program, theirs, ours)
        if done.returncode != 1 or "only F32, F64 and U8 are read" not in done.stderr:
            sys.exit(f"{kind}: expected a refusal, got {done}")

    done = run(program, ours)
    found = load_file(ours)
    shapes = {
        "trunk.0.weight": (2, 1, 3, 3), "trunk.0.bias": (2,), "trunk.2.0.weight": (2, 2, 1, 1), "trunk.2.0.bias": (2,),
        "trunk.3.weight": (4, 32), "trunk.3.bias": (4,), "left.weight": (3, 4), "left.bias": (3,),
        "right.weight": (1, 4), "right.bias": (1,),
    }  # fmt: skip
    if {name: tensor.shape for name, tensor in found.items()} != shapes:
        sys.exit(f"a model's weights have other names or shapes: {[(n, t.shape) for n, t in found.items()]}")
    # PyTorch loads them into the model of the same layers, and answers the same.
    import torch
    from torch import nn

    class Residual(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    model = nn.ModuleDict({
        "trunk": nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), Residual(nn.Conv2d(2, 2, 1)), nn.Linear(32, 4)),
        "left": nn.Linear(4, 3), "right": nn.Linear(4, 1)})
    model.load_state_dict({name: torch.from_numpy(tensor.copy()) for name, tensor in found.items()}, strict=True)
    answers = [[float(x) for x in line.split(" ")] for line in done.stdout.splitlines()]
    with torch.no_grad():
        x = torch.tensor([(i * 7 % 11 - 5) / 4 for i in range(36)]).reshape(1, 1, 6, 6)
        hidden = model["trunk"][3](model["trunk"][:3](x).flatten(1))
        theirs = [model["left"](hidden).softmax(1)[0].tolist(), model["right"](hidden)[0].tolist()]
    worst = max(abs(a - b) for ours, other in zip(answers, theirs) for a, b in zip(ours, other))
    if [len(row) for row in answers] != [3, 1] or not worst < 1e-5:
        sys.exit(f"PyTorch answers {theirs}, mtlx {answers}")
    print(f"safetensors: {len(cases)} files both ways, 4 refused, a model of {len(shapes)} tensors")


if __name__ == "__main__":
    main()
