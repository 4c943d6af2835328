# SPDX-License-Identifier: MIT
"""Writes tests/sharing/fusion_oracle.inc: cross-stitch, sluice and attention networks in PyTorch, for one sample, in double.

usage: scripts/oracle/sharing_fusion.py > tests/sharing/fusion_oracle.inc

Needs PyTorch; the tests that read the file do not. Input and parameters are made on either side by the formulas below. For
each network: the outputs of tasks a, b, c (3, 2 and 1 numbers), and the gradient of phi = sum over tasks of (1, 2, ...) . z
at the flat vector of parameters, in the order of the network's for_each_parameter.
"""

import torch
from torch.nn import functional as F

TASKS = 3


def x(i):
    return ((i * 29) % 53 - 26) / 16


def parameter(i):
    return ((i * 37) % 101 - 50) / 64


class Flat:
    """Hands out the flat vector, one block after the other."""

    def __init__(self):
        self.vector = torch.tensor([parameter(i) for i in range(4096)], dtype=torch.float64, requires_grad=True)
        self.used = 0

    def take(self, *shape):
        size = torch.Size(shape).numel()
        self.used += size
        return self.vector[self.used - size : self.used].reshape(shape)

    def convolution(self, channels, filters, kernel):
        weight, bias = self.take(filters, channels, kernel, kernel), self.take(filters)
        return lambda h: F.conv2d(h, weight, bias, padding=kernel // 2)

    def dense(self, inputs, outputs):
        weight, bias = self.take(inputs, outputs), self.take(outputs)
        return lambda h: h.flatten(1) @ weight + bias

    def matrix(self, first, rows, groups, copies):
        """Rows `first` on of a stitch: `own`, then `others` without the diagonal : (rows, groups, copies)."""
        own, others = self.take(rows, copies), self.take(rows, groups - 1, copies)
        lines = []
        for i in range(rows):
            rest = list(others[i])
            rest.insert(first + i, own[i])
            lines.append(torch.stack(rest))
        return torch.stack(lines)

    def heads(self, hidden, before=lambda t: None):
        """What is each task's own: what `before` takes, then its head."""
        all = []
        for t in range(TASKS):
            own = before(t)
            if t == 1:
                one, two = self.dense(hidden, 4), self.dense(4, 2)
                head = lambda h, one=one, two=two: two(torch.tanh(one(h)))
            else:
                head = self.dense(hidden, 3 if t == 0 else 1)
            all.append((own, head))
        return all


def stitched(matrix, groups):
    """matrix : (rows, groups, copies) on groups of (1, channels, ...)."""
    h = torch.stack([g.flatten(2) if g.dim() > 2 else g.unsqueeze(2) for g in groups])  # (groups, 1, channels, pixels)
    y = torch.einsum("ijc,jbcp->ibcp", matrix.expand(-1, -1, h.shape[2]), h)
    return [row.reshape(groups[0].shape) for row in y]


def image():
    return torch.tensor([x(i) for i in range(16)], dtype=torch.float64).reshape(1, 1, 4, 4)


def trunk(flat, filters, width, dense_stages):
    convolution = flat.convolution(1, filters, 3)
    stages, inputs = [lambda h: F.max_pool2d(torch.tanh(convolution(h)), 2)], filters * 4
    for _ in range(dense_stages):
        dense = flat.dense(inputs, width)
        stages.append(lambda h, dense=dense: torch.tanh(dense(h)))
        inputs = width
    return stages


def cross_stitch(flat):
    trunks = [trunk(flat, 3, 5, 1) for _ in range(TASKS)]
    first = flat.matrix(0, TASKS, TASKS, 3)
    own = flat.heads(5, lambda t: flat.matrix(t, 1, TASKS, 5))
    h = stitched(first, [trunks[t][0](image()) for t in range(TASKS)])
    h = [trunks[t][1](h[t]) for t in range(TASKS)]
    return [head(stitched(row, h)[0]) for row, head in own]


def sluice(flat):
    groups = 2 * TASKS
    trunks = [trunk(flat, 2, 4, 2) for _ in range(TASKS)]
    matrices = [flat.matrix(0, groups, groups, 1) for _ in range(2)]
    own = flat.heads(4, lambda t: (flat.matrix(2 * t, 2, groups, 1), flat.take(2)))
    halves = lambda h: [half for trunk_h in h for half in trunk_h.chunk(2, dim=1)]
    whole = lambda h: [torch.cat(h[i : i + 2], dim=1) for i in range(0, len(h), 2)]
    h = [image()] * TASKS
    for k in range(2):
        h = whole(stitched(matrices[k], halves([trunks[t][k](h[t]) for t in range(TASKS)])))
    before = h
    h = halves([trunks[t][2](h[t]) for t in range(TASKS)])
    outputs = []
    for t, ((rows, beta), head) in enumerate(own):
        last = torch.cat(stitched(rows, h), dim=1)
        outputs.append(head(beta[0] * before[t] + beta[1] * last))
    return outputs


def subspaces(flat):
    """Omega of the same network: the squared inner products of neurons of different subspaces."""
    omega = 0
    for _ in range(TASKS):
        for neurons, inputs in ((2, 9), (4, 8), (4, 4)):
            # A convolution's weight has a neuron in a row, a Dense layer's in a column.
            weight = flat.take(neurons, inputs) if neurons == 2 else flat.take(inputs, neurons).T
            flat.take(neurons)
            one, two = weight.chunk(2)
            omega = omega + (one @ two.T).pow(2).sum()
    return omega


def mtan(flat):
    first = [flat.convolution(1, 3, 3), None, None]
    second = flat.convolution(3, 2, 3)
    first[1], first[2] = flat.convolution(2, 3, 1), flat.dense(12, 4)
    passing = [None, flat.convolution(2, 3, 1), flat.dense(12, 4)]
    masks = lambda t: [
        (flat.convolution(3, 2, 1), flat.convolution(2, 2, 1)),
        (flat.convolution(6, 3, 1), flat.convolution(3, 3, 1)),
        (flat.dense(8, 4), flat.dense(4, 4)),
    ]
    own = flat.heads(4, masks)
    begin = lambda layers, k, h: [
        lambda h: F.relu(layers[0](h)),
        lambda h: layers[1](F.max_pool2d(h, 2)),
        lambda h: torch.tanh(layers[2](h)),
    ][k](h)
    end = [lambda u: torch.tanh(second(u)), torch.tanh, lambda u: u]
    features = image()
    attended = [None] * TASKS
    for k in range(3):
        u = begin(first, k, features)
        features = end[k](u)
        for t, (layers, _) in enumerate(own):
            seen = u if k == 0 else torch.cat([u, begin(passing, k, attended[t])], dim=1)
            g, h = layers[k]
            attended[t] = torch.sigmoid(h(F.relu(g(seen)))) * features
    return [head(attended[t]) for t, (_, head) in enumerate(own)]


def print_numbers(name, numbers):
    rows = [", ".join(f"{v:.17g}" if v != 0 else "0.0" for v in numbers[i : i + 4]) for i in range(0, len(numbers), 4)]
    print(f"inline constexpr double {name}[] = {{\n    " + ",\n    ".join(rows) + "};")


def main():
    print("// SPDX-License-Identifier: MIT")
    print(f"// Written by scripts/oracle/sharing_fusion.py with PyTorch {torch.__version__}.")
    for network in (cross_stitch, sluice, mtan):
        flat = Flat()
        outputs = network(flat)
        phi = sum(z * (i + 1) for task in outputs for i, z in enumerate(task.flatten()))
        phi.backward()
        print_numbers(f"{network.__name__}_output", [v for task in outputs for v in task.flatten().tolist()])
        print_numbers(f"{network.__name__}_gradient", flat.vector.grad[: flat.used].tolist())
    flat = Flat()
    omega = subspaces(flat)
    omega.backward()
    print_numbers("sluice_omega", [omega.item()])
    print_numbers("sluice_omega_gradient", flat.vector.grad[: flat.used].tolist())


if __name__ == "__main__":
    main()
