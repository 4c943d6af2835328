# SPDX-License-Identifier: MIT
"""usage: lenet_adam.py [--check] DUMP STORED.csv

Trains in PyTorch what `dump DUMP steps 28` wrote: the same parameters to begin with, the same batches in the same
order, the sum of both tasks' cross-entropies, Adam as it is, one thread. Writes every step's losses, in float and in
double, to STORED.csv; with --check it compares them with those that are there instead, and writes nothing."""

import csv
import io
import pathlib
import platform
import sys

import numpy
import torch

import lenet

# Other versions and processors add up in another order: room for that, and for nothing else. In float Adam makes a step
# of full size from a gradient that is nothing but rounding, so only the first steps can be compared.
TOLERANCE = {"float": 1e-5, "double": 1e-10}
STEPS = {"float": 20, "double": None}


def losses(dump, dtype):
    model = lenet.LeNet(dump.side).to(dtype)
    model.load_flat(dump.parameters)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    inputs, labels = dump.normalised(dump.inputs("train"), dtype), dump.labels("train")
    found = []
    for x, y in zip(inputs.split(dump.batch_size), labels.split(dump.batch_size)):
        each = [torch.nn.functional.cross_entropy(z, y[:, t]) for t, z in enumerate(model(x))]
        optimizer.zero_grad()
        sum(each).backward()
        optimizer.step()
        found.append([loss.item() for loss in each])
    return numpy.array(found)


def text(columns, side):
    out = io.StringIO()
    out.write(f"# LeNet for {side} x {side}, hard sharing, equal weights, Adam 1e-3: the losses of the first steps.\n"
              f"# scripts/oracle/lenet_adam.py with Python {platform.python_version()}, torch {torch.__version__}, "
              f"numpy {numpy.__version__}\n"
              "step,left_float,right_float,left_double,right_double\n")
    for step, row in enumerate(numpy.hstack(columns)):
        out.write(f"{step}," + ",".join(f"{value:.9g}" for value in row[:2]) + ","
                  + ",".join(f"{value:.17g}" for value in row[2:]) + "\n")
    return out.getvalue()


def main():
    arguments = sys.argv[1:]
    check = "--check" in arguments
    if check:
        arguments.remove("--check")
    if len(arguments) != 2:
        sys.exit(__doc__)
    lenet.one_thread()
    dump, path = lenet.Dump(arguments[0]), pathlib.Path(arguments[1])
    found = [losses(dump, torch.float32), losses(dump, torch.float64)]
    apart = numpy.abs(found[0] / found[1] - 1).max()
    print(f"LeNet{dump.side}: {len(found[0])} steps, PyTorch's float and double are at most {apart:.1e} apart")
    if not check:
        path.write_text(text(found, dump.side))
        print(f"written: {path}")
        return
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    stored = numpy.array([[float(value) for value in row[1:]] for row in list(csv.reader(lines))[1:]])
    failed = False
    for name, values, expected in zip(("float", "double"), found, (stored[:, :2], stored[:, 2:])):
        same = values.shape == expected.shape
        deviation = numpy.abs(values / expected - 1)[:STEPS[name]].max() if same else float("inf")
        good = deviation <= TOLERANCE[name]
        failed |= not good
        print(f"{name}, {STEPS[name] or len(values)} steps: at most {deviation:.1e} from {path.name}, "
              f"{TOLERANCE[name]:.0e} allowed: " + ("good" if good else "FAILED"))
    sys.exit(failed)


if __name__ == "__main__":
    main()
