# SPDX-License-Identifier: MIT
"""Writes tests/balancing/loss_weights_oracle.inc: the weights that balancers which go by losses give, in 12 steps.

usage: scripts/oracle/loss_weights.py > tests/balancing/loss_weights_oracle.inc

Needs PyTorch; the test that reads the file does not. Each method is its published objective, a weight the derivative by
a loss that autograd finds, and what a method trains is trained by torch.optim.Adam. Losses and gradients are dyadic
numbers, exact on either side. A task that has no labels in a step has weight 0 here.
"""

import itertools

import torch

TASKS, STEPS, EPOCH, COORDINATES = 4, 12, 4, 3
RATE = 0.025
torch.set_default_dtype(torch.float64)


def present(step):
    return [t for t in range(TASKS) if not (t == 1 and step in (5, 6)) and not (t == 3 and step == 0)]


def loss(step, task):
    return ((step * 5 + task * 7) % 11 + 1) / 8 * (1, 8, 0.125, 2)[task]


def loss_after(step, task):
    return loss(step, task) * (1 + ((step * 3 + task * 5) % 7 - 4) / 8)


def gradient(step, task, coordinate):
    return ((step * 7 + task * 13 + coordinate * 5) % 17 - 8) / 8 * (1, 4, 0.25, 2)[task]


def losses(step):
    return torch.tensor([loss(step, t) for t in present(step)], requires_grad=True)


def row(step, weights):
    full = [0.0] * TASKS
    for t, w in zip(present(step), weights):
        full[t] = w.item() if isinstance(w, torch.Tensor) else w
    return full


def objective(function):
    """Weights of an objective without memory: function(losses, step)."""
    rows = []
    for step in range(STEPS):
        values = losses(step)
        rows.append(row(step, torch.autograd.grad(function(values, step), values)[0]))
    return rows


def trained(function, start=0.0):
    """Weights of an objective with one trained number a task: function(losses, numbers)."""
    numbers = [torch.nn.Parameter(torch.tensor(start)) for _ in range(TASKS)]
    adam = torch.optim.Adam(numbers, lr=RATE)
    rows = []
    for step in range(STEPS):
        values = losses(step)
        adam.zero_grad(set_to_none=True)
        function(values, torch.stack([numbers[t] for t in present(step)])).backward()
        rows.append(row(step, values.grad))
        adam.step()
    return rows


def epoch_means(epoch):
    means = {}
    for t in range(TASKS):
        seen = [loss(s, t) for s in range(epoch * EPOCH, (epoch + 1) * EPOCH) if t in present(s)]
        means[t] = sum(seen) / len(seen)
    return means


def dynamic_weight_average():
    rows = []
    for step in range(STEPS):
        epoch, tasks = step // EPOCH, present(step)
        rates = torch.ones(len(tasks))
        if epoch >= 2:
            last, before = epoch_means(epoch - 1), epoch_means(epoch - 2)
            rates = torch.tensor([last[t] / before[t] for t in tasks])
        rows.append(row(step, len(tasks) * torch.softmax(rates / 2, 0)))
    return rows


def tchebycheff(mu):
    nadir = epoch_means(0)

    def function(values, step):
        if step < EPOCH:
            return values.log().sum()
        scaled = torch.stack([v / nadir[t] for v, t in zip(values, present(step))])
        return len(scaled) * mu * torch.logsumexp(scaled.log() / mu, 0)

    return objective(function)


def plain_tchebycheff(mu, weight, reference):
    def function(values, step):
        tasks = present(step)
        w = torch.tensor([weight[t] for t in tasks]) if weight else torch.full((len(tasks),), 1 / len(tasks))
        return mu * torch.logsumexp(w * (values - torch.tensor([reference[t] for t in tasks])) / mu, 0)

    return objective(function)


def famo(minimum=(0, 0, 0, 0)):
    numbers = [torch.nn.Parameter(torch.tensor(0.0)) for _ in range(TASKS)]
    adam = torch.optim.Adam(numbers, lr=RATE, weight_decay=1e-3)
    rows = []
    for step in range(STEPS):
        tasks, values = present(step), losses(step)
        least = torch.tensor([float(minimum[t]) for t in tasks])
        z = torch.softmax(torch.stack([numbers[t] for t in tasks]), 0)
        distance = values - least + 1e-8
        c = (z / distance).sum().detach()
        rows.append(row(step, torch.autograd.grad(((z.detach() * distance.log()) / c).sum(), values)[0]))
        after = torch.tensor([loss_after(step, t) for t in tasks]) - least + 1e-8
        delta = distance.detach().log() - after.log()
        adam.zero_grad(set_to_none=True)
        z.backward(delta)  # the gradient of z · delta
        adam.step()
    return rows


def grad_norm(alpha):
    numbers = [torch.nn.Parameter(torch.tensor(0.0)) for _ in range(TASKS)]
    adam = torch.optim.Adam(numbers, lr=RATE)
    first, rows = {}, []
    for step in range(STEPS):
        tasks, values = present(step), losses(step).detach()
        for t in tasks:
            first.setdefault(t, loss(step, t))
        w = len(tasks) * torch.softmax(torch.stack([numbers[t] for t in tasks]), 0)
        rows.append(row(step, w))
        g = torch.tensor([[gradient(step, t, k) for k in range(COORDINATES)] for t in tasks])
        lengths = w * g.norm(dim=1)
        rates = values / torch.tensor([first[t] for t in tasks])
        target = (lengths.mean() * (rates / rates.mean()) ** alpha).detach()
        adam.zero_grad(set_to_none=True)
        (lengths - target).abs().sum().backward()
        adam.step()
    return rows


def excess_risk(rate):
    squares = torch.zeros(TASKS, COORDINATES)
    w, first, rows = torch.ones(TASKS), {}, []
    for step in range(STEPS):
        tasks = present(step)
        for t in tasks:
            g = torch.tensor([gradient(step, t, k) for k in range(COORDINATES)])
            squares[t] += g**2
            excess = (g**2 / (squares[t] + 1e-7).sqrt()).sum()
            if t in first:
                w[t] *= torch.exp(rate * excess / first[t])
            else:
                first[t] = excess
                w[t] *= torch.exp(torch.tensor(rate))
        shares = torch.stack([w[t] for t in tasks])
        rows.append(row(step, len(tasks) * shares / shares.sum()))
    return rows


def clustered(numbers, groups):
    """Each number's group mean, of all ways to make groups the one with the least squares."""
    best = None
    for labels in itertools.product(range(groups), repeat=len(numbers)):
        means = {}
        for label in set(labels):
            members = [x for x, mine in zip(numbers, labels) if mine == label]
            means[label] = sum(members) / len(members)
        cost = sum((x - means[mine]) ** 2 for x, mine in zip(numbers, labels))
        if best is None or cost < best[0]:
            best = cost, [means[mine] for mine in labels]
    return best[1]


def go4_align(groups, step_size):
    p, rows = torch.ones(TASKS), []
    for step in range(STEPS):
        tasks, values = present(step), losses(step).detach()
        for t, value in zip(tasks, values):
            p[t] *= torch.exp(-step_size * value)
        shares = torch.stack([p[t] for t in tasks])
        w = shares / shares.sum() * values.sum() / values
        rows.append(row(step, clustered(w.tolist(), groups)))
    return rows


CASES = {
    "log_loss": objective(lambda l, step: l.log().sum()),
    "geometric_mean": objective(lambda l, step: l.prod() ** (1 / len(l))),
    "uncertainty": trained(lambda l, s: (torch.exp(-s) * l / 2 + s / 2).sum()),
    "uncertainty_from_minus_half": trained(lambda l, s: (torch.exp(-s) * l / 2 + s / 2).sum(), -0.5),
    "imtl_l": trained(lambda l, s: (torch.exp(s) * l - s).sum()),
    "dynamic_weight_average": dynamic_weight_average(),
    "smooth_tchebycheff": tchebycheff(1.0),
    "smooth_tchebycheff_sharp": tchebycheff(0.25),
    "plain_tchebycheff": plain_tchebycheff(1.0, None, (0, 0, 0, 0)),
    "plain_tchebycheff_options": plain_tchebycheff(0.5, (1, 0.25, 4, 2), (0.125, 0.5, 0, 0.25)),
    "famo": famo(),
    "famo_above_minimum": famo((-0.5, 0, -1, -2)),
    "grad_norm": grad_norm(1.5),
    "grad_norm_even": grad_norm(0.0),
    "excess_risk": excess_risk(0.01),
    "excess_risk_fast": excess_risk(1.0),
    "go4_align": go4_align(2, 1e-4),
    "go4_align_three": go4_align(3, 0.0625),
}

print("// SPDX-License-Identifier: MIT")
print(f"// Written by scripts/oracle/loss_weights.py with PyTorch {torch.__version__}: weights in {STEPS} steps.")
for name, rows in CASES.items():
    print(f"inline constexpr double {name}[{STEPS}][{TASKS}] = {{")
    for numbers in rows:
        print("    {" + ", ".join(f"{x:.17g}" if x != 0 else "0.0" for x in numbers) + "},")
    print("};")
