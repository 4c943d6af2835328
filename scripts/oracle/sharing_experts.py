# SPDX-License-Identifier: MIT
"""Writes tests/sharing/experts_oracle.inc: mixtures of experts and a learnt tree by PyTorch's autograd, in double.

usage: scripts/oracle/sharing_experts.py > tests/sharing/experts_oracle.inc

Needs PyTorch; the test that reads the file does not. One sample of 3 numbers, tasks a and b with 2 and 1 outputs. Number
i of the flat parameter vector is weight(i), exact on either side; parameters are taken from it in the order of
for_each_parameter, and the Dense layers' weights are (inputs, outputs). Kept: the outputs, and the gradient of
z_a0 + 2 z_a1 + 3 z_b0 (and, where there is one, of the penalty) by every parameter.
"""

import math

import torch
import torch.nn.functional as F

INPUT = torch.tensor([0.75, -0.5, 1.25], dtype=torch.float64)
SLOPES = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
OUTPUTS = {"a": 2, "b": 1}


def weight(i):
    return ((i * 7) % 23 - 11) / 16


class Parameters:
    """Hands out the flat vector's numbers in order, times a scale."""

    def __init__(self, scale):
        self.scale = scale
        self.leaves = []
        self.count = 0

    def take(self, *shape):
        size = math.prod(shape)
        numbers = [self.scale * weight(self.count + i) for i in range(size)]
        self.count += size
        leaf = torch.tensor(numbers, dtype=torch.float64).reshape(shape).requires_grad_()
        self.leaves.append(leaf)
        return leaf

    def dense(self, inputs, outputs):
        return self.take(inputs, outputs), self.take(outputs)

    def gradient(self):
        """By every number; 0 where the output does not depend on it."""
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.leaves]
        return torch.cat([g.flatten() for g in gradients]).tolist()


def apply(dense, x):
    return x @ dense[0] + dense[1]


def expert(dense, x):
    return torch.tanh(apply(dense, x))


def mixture(weights, experts):
    return sum(w * e for w, e in zip(weights, experts))


def ple(p):
    """Levels of (1 shared, 2 own) experts 3 -> 2 and (2 shared, 1 own) experts 2 -> 2."""
    first_shared = [p.dense(3, 2)]
    shared_gate = p.dense(3, 5)
    first_own = {}
    for t in OUTPUTS:
        first_own[t] = [p.dense(3, 2), p.dense(3, 2)]
    second_shared = [p.dense(2, 2), p.dense(2, 2)]
    z = []
    one = [expert(e, INPUT) for e in first_shared]
    own = {t: [expert(e, INPUT) for e in first_own[t]] for t in OUTPUTS}
    common = mixture(F.softmax(apply(shared_gate, INPUT), 0), one + own["a"] + own["b"])
    for t, outputs in OUTPUTS.items():
        gate, second_own, second_gate = p.dense(3, 3), p.dense(2, 2), p.dense(2, 3)
        head = p.dense(2, outputs)
        mine = mixture(F.softmax(apply(gate, INPUT), 0), one + own[t])
        two = [expert(e, common) for e in second_shared] + [expert(second_own, mine)]
        z.append(apply(head, mixture(F.softmax(apply(second_gate, mine), 0), two)))
    return torch.cat(z), 0


def cgc(p):
    """1 shared and 1 own expert; gates on tanh(Dense<2>)."""
    shared = p.dense(3, 2)
    z = []
    for outputs in OUTPUTS.values():
        own, front, gate, head = p.dense(3, 2), p.dense(3, 2), p.dense(2, 2), p.dense(2, outputs)
        g = F.softmax(apply(gate, torch.tanh(apply(front, INPUT))), 0)
        z.append(apply(head, mixture(g, [expert(shared, INPUT), expert(own, INPUT)])))
    return torch.cat(z), 0


def smooth_step(t):
    return torch.where(t <= -0.5, 0 * t, torch.where(t >= 0.5, 0 * t + 1, -2 * t**3 + 1.5 * t + 0.5))


def selectors(codes, experts, bits):
    """(k, experts) from (k, bits)."""
    s = smooth_step(codes)
    rows = []
    for e in range(experts):
        ones = [(e >> (bits - 1 - j)) & 1 for j in range(bits)]
        rows.append(math.prod(s[:, j] if one else 1 - s[:, j] for j, one in enumerate(ones)))
    return torch.stack(rows, 1)


def d_select_k(p):
    """2 of 3 experts, codes that are parameters, entropy 0.5 and reach 0.25. At half the weights: no code is finished."""
    experts = [p.dense(3, 2) for _ in range(3)]
    z, penalty = [], 0
    for outputs in OUTPUTS.values():
        codes, choice, head = p.take(2, 2), p.take(2), p.dense(2, outputs)
        r = selectors(codes, 3, 2)
        z.append(apply(head, mixture(F.softmax(choice, 0) @ r, [expert(e, INPUT) for e in experts])))
        penalty = penalty - 0.5 * torch.special.xlogy(r, r).sum() + 0.25 * (1 / r.sum(1)).sum()
    return torch.cat(z), penalty


def d_select_k_of_sample(p):
    """2 of 4 experts, codes by a Dense layer."""
    experts = [p.dense(3, 2) for _ in range(4)]
    z = []
    for outputs in OUTPUTS.values():
        gate, head = p.dense(3, 6), p.dense(2, outputs)
        made = apply(gate, INPUT)
        g = F.softmax(made[4:], 0) @ selectors(made[:4].reshape(2, 2), 4, 2)
        z.append(apply(head, mixture(g, [expert(e, INPUT) for e in experts])))
    return torch.cat(z), 0


def philox(counter, key):
    counter, key = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [b >> 32 ^ counter[1] ^ key[0], b & 0xFFFFFFFF, a >> 32 ^ counter[3] ^ key[1], a & 0xFFFFFFFF]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return counter


def learning_to_branch(step, epoch, epochs):
    """2 nodes 3 -> 2, then 3 nodes 2 -> 2; straight through with the noise of that step."""

    def run(p):
        first = [p.dense(3, 2), p.dense(3, 2)]
        second = [p.dense(2, 2) for _ in range(3)]
        choice = p.take(3, 2)
        own = {t: (p.take(3), p.dense(2, outputs)) for t, outputs in OUTPUTS.items()}
        tau = epochs / 20 / math.sqrt(epoch + 1)
        block = 0

        def pick(logits):
            nonlocal block
            words = philox((0, block, step, 1), (5, 6))[: len(logits)]
            block += 1
            noise = torch.tensor([-math.log(-math.log((w + 0.5) / 2**32)) for w in words], dtype=torch.float64)
            soft = F.softmax((logits + noise) / tau, 0)
            hard = F.one_hot(soft.argmax(), len(logits)).double()
            return hard - soft.detach() + soft

        heads = {t: pick(own[t][0]) for t in OUTPUTS}
        nodes = [pick(row) for row in choice]
        one = [expert(e, INPUT) for e in first]
        two = [expert(e, mixture(d, one)) for e, d in zip(second, nodes)]
        return torch.cat([apply(own[t][1], mixture(heads[t], two)) for t in OUTPUTS]), 0

    return run


CASES = {
    "ple": ple,
    "cgc": cgc,
    "d_select_k": d_select_k,
    "d_select_k_of_sample": d_select_k_of_sample,
    "learning_to_branch_1": learning_to_branch(1, 2.5, 30),
    "learning_to_branch_2": learning_to_branch(2, 20, 30),
}


def rows(name, numbers):
    print(f"inline constexpr double {name}[]{{")
    for i in range(0, len(numbers), 4):
        print("    " + ", ".join(f"{v:.17g}" if v != 0 else "0.0" for v in numbers[i : i + 4]) + ",")
    print("};")


def main():
    print("// SPDX-License-Identifier: MIT")
    print(f"// Written by scripts/oracle/sharing_experts.py with PyTorch {torch.__version__}: outputs and gradients.")
    for name, case in CASES.items():
        p = Parameters(0.5 if case is d_select_k else 1)
        z, penalty = case(p)
        ((SLOPES * z).sum() + penalty).backward()
        rows(f"{name}_z", z.tolist())
        rows(f"{name}_gradient", p.gradient())


if __name__ == "__main__":
    main()
