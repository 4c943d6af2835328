# SPDX-License-Identifier: MIT
"""Writes tests/optim/optimizer_oracle.inc: 50 steps of PyTorch's optimizers and schedules, in double.

usage: scripts/oracle/optimizers.py > tests/optim/optimizer_oracle.inc

Needs PyTorch; the test that reads the file does not. Start and gradients are eighths, exact on either side.
"""

import warnings

import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import lr_scheduler as schedulers
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

warnings.simplefilter("ignore")  # SequentialLR's own use of a deprecated argument

SIZE, STEPS, KEPT = 9, 50, (1, 2, 10, 50)
EPOCH = 5  # steps of an epoch, for the schedules


def start(i):
    return ((i * 5) % 7 - 3) / 4


def gradient(step, i):
    return ((step * 7 + i * 13) % 17 - 8) / 8 * (0 if i == 3 else 1)


def loss(epoch):
    """A loss that falls, stands, rises and falls a little: what a plateau schedule looks at."""
    return (1.0, 0.75, 0.75, 0.8125, 0.74999, 0.75, 0.5, 0.5, 0.625, 0.5)[epoch % 10] - (epoch // 10) / 16


class Weights(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.p = torch.nn.Parameter(torch.tensor([start(i) for i in range(SIZE)], dtype=torch.float64))


def run(make, clip=lambda p: None, schedule=None, average=None):
    model = Weights()
    optimizer = make([model.p])
    scheduler = schedule(optimizer) if schedule else None
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(average)) if average else None
    kept = []
    for step in range(1, STEPS + 1):
        model.p.grad = torch.tensor([gradient(step, i) for i in range(SIZE)], dtype=torch.float64)
        clip([model.p])
        optimizer.step()
        if scheduler:
            scheduler.step()
        if averaged:
            averaged.update_parameters(model)
        if step in KEPT:
            kept.append((averaged.module if averaged else model).p.detach().tolist())
    return kept


def rates(make, every_step):
    """The factor on the learning rate in each of 50 steps."""
    optimizer = torch.optim.SGD([torch.zeros(1, dtype=torch.float64, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    found = []
    for step in range(STEPS):
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if every_step or (step + 1) % EPOCH == 0:
            scheduler.step()
    return found


def plateau_rates(**options):
    """The factor in each of 50 epochs, at the losses of `loss`."""
    optimizer = torch.optim.SGD([torch.zeros(1, dtype=torch.float64, requires_grad=True)], lr=1.0)
    scheduler = schedulers.ReduceLROnPlateau(optimizer, eps=0, **options)
    found = []
    for epoch in range(STEPS):
        found.append(float(optimizer.param_groups[0]["lr"]))
        scheduler.step(loss(epoch))
    return found


def one_cycle(o, **options):
    return schedulers.OneCycleLR(o, max_lr=1.0, total_steps=STEPS, cycle_momentum=False, **options)


def warm_up(o, steps, start_factor, then):
    linear = schedulers.LinearLR(o, start_factor=start_factor, total_iters=steps)
    return schedulers.SequentialLR(o, [linear, then(o)], milestones=[steps])


def cosine(o, steps=STEPS, floor=0.0):
    return schedulers.CosineAnnealingLR(o, T_max=steps, eta_min=floor * o.defaults["lr"])


def sgd(**options):
    return lambda p: torch.optim.SGD(p, **options)


def adam_w(p):
    return torch.optim.AdamW(p, lr=1e-2, betas=(0.8, 0.99), weight_decay=0.1)


CASES = {
    "sgd_plain": run(sgd(lr=0.1)),
    "sgd_momentum": run(sgd(lr=0.05, momentum=0.9)),
    "sgd_decay": run(sgd(lr=0.05, momentum=0.8, weight_decay=0.1)),
    "sgd_dampening": run(sgd(lr=0.05, momentum=0.8, dampening=0.25, weight_decay=0.1)),
    "sgd_nesterov": run(sgd(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1)),
    "adam_default": run(lambda p: torch.optim.Adam(p, lr=1e-3)),
    "adam_decay": run(lambda p: torch.optim.Adam(p, lr=1e-2, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1)),
    "adam_w_default": run(lambda p: torch.optim.AdamW(p)),
    "adam_w_decay": run(adam_w),
    "rms_prop_default": run(lambda p: torch.optim.RMSprop(p)),
    "rms_prop_momentum": run(
        lambda p: torch.optim.RMSprop(p, lr=5e-3, alpha=0.9, eps=1e-6, weight_decay=0.1, momentum=0.8)
    ),
    "rms_prop_centred": run(lambda p: torch.optim.RMSprop(p, lr=5e-3, alpha=0.9, eps=1e-2, centered=True)),
    "rms_prop_centred_momentum": run(
        lambda p: torch.optim.RMSprop(p, lr=5e-3, alpha=0.8, eps=1e-2, weight_decay=0.1, momentum=0.5, centered=True)
    ),
    "adagrad_default": run(lambda p: torch.optim.Adagrad(p)),
    "adagrad_decay": run(
        lambda p: torch.optim.Adagrad(p, lr=0.1, lr_decay=0.05, weight_decay=0.1, initial_accumulator_value=0.5)
    ),
    "clipped_norm": run(sgd(lr=0.05, momentum=0.9), clip=lambda p: clip_grad_norm_(p, 1.75)),
    "clipped_value": run(sgd(lr=0.05, momentum=0.9), clip=lambda p: clip_grad_value_(p, 0.375)),
    "clipped_both": run(
        lambda p: torch.optim.Adagrad(p, lr=0.1), clip=lambda p: (clip_grad_norm_(p, 1.75), clip_grad_value_(p, 0.375))
    ),
    "averaged_sgd": run(sgd(lr=0.05, momentum=0.9), average=0.9),
    "averaged_adam": run(lambda p: torch.optim.Adam(p, lr=1e-2), average=0.99),
    "nested": run(
        adam_w,
        clip=lambda p: clip_grad_norm_(p, 1.75),
        schedule=lambda o: warm_up(o, 8, 0.25, lambda o: cosine(o, STEPS - 8, 0.05)),
        average=0.9,
    ),
}

# The schedules of 50 steps, an epoch of 5.
RATES = {
    "step_rates": rates(lambda o: schedulers.StepLR(o, step_size=3, gamma=0.5), every_step=False),
    "multi_step_rates": rates(lambda o: schedulers.MultiStepLR(o, milestones=[2, 3, 7], gamma=0.25), every_step=False),
    "cosine_rates": rates(cosine, every_step=True),
    "cosine_floor_rates": rates(lambda o: cosine(o, floor=0.125), every_step=True),
    "one_cycle_rates": rates(one_cycle, every_step=True),
    "one_cycle_options_rates": rates(
        lambda o: one_cycle(o, pct_start=0.45, div_factor=10.0, final_div_factor=100.0), every_step=True
    ),
    "warm_up_rates": rates(
        lambda o: warm_up(o, 7, 1 / 3, lambda o: schedulers.ConstantLR(o, factor=1.0)), every_step=True
    ),
    "warm_up_cosine_rates": rates(
        lambda o: warm_up(o, 10, 0.25, lambda o: cosine(o, STEPS - 10, 0.05)), every_step=True
    ),
    "plateau_rates": plateau_rates(factor=0.5, patience=2),
    "plateau_options_rates": plateau_rates(factor=0.25, patience=1, threshold=0.05, cooldown=2, min_lr=0.02),
}

print("// SPDX-License-Identifier: MIT")
print(f"// Written by scripts/oracle/optimizers.py with PyTorch {torch.__version__}: parameters after steps")
print(f"// {', '.join(map(str, KEPT))}; factors on the learning rate in {STEPS} steps.")


def row(numbers, first_lead, lead, end):
    for first in range(0, len(numbers), 4):
        text = ", ".join(f"{x:.17g}" if x != 0 else "0.0" for x in numbers[first : first + 4])
        print(f"{lead if first else first_lead}{text}{end if first + 4 >= len(numbers) else ','}")


for name, rows in CASES.items():
    print(f"inline constexpr double {name}[{len(KEPT)}][{SIZE}] = {{")
    for numbers in rows:
        row(numbers, "    {", "     ", "},")
    print("};")
for name, numbers in RATES.items():
    print(f"inline constexpr double {name}[{STEPS}] = {{")
    row(numbers, "    ", "    ", ",")
    print("};")
