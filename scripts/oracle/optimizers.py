# SPDX-License-Identifier: MIT
"""Writes tests/optim/optimizer_oracle.inc: 50 steps of PyTorch's SGD and Adam, in double.

usage: scripts/oracle/optimizers.py > tests/optim/optimizer_oracle.inc

Needs PyTorch; the test that reads the file does not. Start and gradients are eighths, exact on either side.
"""

import torch

SIZE, STEPS, KEPT = 9, 50, (1, 2, 10, 50)


def start(i):
    return ((i * 5) % 7 - 3) / 4


def gradient(step, i):
    return ((step * 7 + i * 13) % 17 - 8) / 8 * (0 if i == 3 else 1)


def run(make):
    p = torch.tensor([start(i) for i in range(SIZE)], dtype=torch.float64, requires_grad=True)
    optimizer = make([p])
    kept = []
    for step in range(1, STEPS + 1):
        p.grad = torch.tensor([gradient(step, i) for i in range(SIZE)], dtype=torch.float64)
        optimizer.step()
        if step in KEPT:
            kept.append(p.detach().tolist())
    return kept


CASES = {
    "sgd_plain": lambda p: torch.optim.SGD(p, lr=0.1),
    "sgd_momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "sgd_decay": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, weight_decay=0.1),
    "adam_default": lambda p: torch.optim.Adam(p, lr=1e-3),
    "adam_decay": lambda p: torch.optim.Adam(p, lr=1e-2, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1),
}

print("// SPDX-License-Identifier: MIT")
print(f"// Written by scripts/oracle/optimizers.py with PyTorch {torch.__version__}: parameters after steps")
print(f"// {', '.join(map(str, KEPT))}.")
for name, make in CASES.items():
    print(f"inline constexpr double {name}[{len(KEPT)}][{SIZE}] = {{")
    for row in run(make):
        for first in range(0, SIZE, 4):
            numbers = ", ".join(f"{x:.17g}" if x != 0 else "0.0" for x in row[first : first + 4])
            lead = "    {" if first == 0 else "     "
            print(f"{lead}{numbers}{'},' if first + 4 >= SIZE else ','}")
    print("};")
