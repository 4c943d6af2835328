# SPDX-License-Identifier: MIT
"""Writes tests/nn/loss_oracle.inc: values and gradients of PyTorch's losses, in double.

usage: scripts/oracle/losses.py > tests/nn/loss_oracle.inc

Needs PyTorch; the tests that read the file do not. Logits and targets are quarters and tenths that either side makes.
"""

import torch
import torch.nn.functional as F

SAMPLES, OUTPUTS = 7, 4
WEIGHTS = (0.5, 2.0, 1.0, 3.0)


def grid(function):
    return torch.tensor([[function(s, i) for i in range(OUTPUTS)] for s in range(SAMPLES)], dtype=torch.float64)


z = grid(lambda s, i: ((s * 7 + i * 5 + s * i) % 23 - 11) / 4)
classes = torch.tensor([s * 3 % OUTPUTS for s in range(SAMPLES)])
labels = grid(lambda s, i: (s + i) % 2)
soft = grid(lambda s, i: (s * 3 + i) % 5 / 4)
numbers = grid(lambda s, i: ((s * 5 + i * 3) % 9 - 4) / 2)
weights = torch.tensor(WEIGHTS, dtype=torch.float64)


def focal(z, t, gamma, alpha):
    """Lin et al. 2017, eq. 5, as torchvision.ops.sigmoid_focal_loss computes it."""
    p = torch.sigmoid(z)
    right = p * t + (1 - p) * (1 - t)
    loss = F.binary_cross_entropy_with_logits(z, t, reduction="none") * (1 - right) ** gamma
    return loss * (alpha * t + (1 - alpha) * (1 - t)) if alpha >= 0 else loss


def softmax_focal(z, t, gamma):
    log_p = F.log_softmax(z, 1).gather(1, t[:, None])[:, 0]
    return -((1 - log_p.exp()) ** gamma) * log_p


CASES = {
    "smoothing_10": lambda z: F.cross_entropy(z, classes, label_smoothing=0.1, reduction="none"),
    "smoothing_0": lambda z: F.cross_entropy(z, classes, reduction="none"),
    "class_weights": lambda z: F.cross_entropy(z, classes, weight=weights, reduction="none"),
    "positive_weights": lambda z: F.binary_cross_entropy_with_logits(z, labels, pos_weight=weights, reduction="none"),
    "positive_weight_soft": lambda z: F.binary_cross_entropy_with_logits(
        z, soft, pos_weight=torch.tensor([3.0], dtype=torch.float64), reduction="none"
    ),
    "mean_absolute_error": lambda z: F.l1_loss(z, numbers, reduction="none"),
    "huber_1": lambda z: F.huber_loss(z, numbers, reduction="none"),
    "huber_half": lambda z: F.huber_loss(z, numbers, delta=0.5, reduction="none"),
    "smooth_l1_1": lambda z: F.smooth_l1_loss(z, numbers, reduction="none"),
    "smooth_l1_2": lambda z: F.smooth_l1_loss(z, numbers, beta=2.0, reduction="none"),
    "charbonnier": lambda z: torch.sqrt((z - numbers) ** 2 + 1e-3**2),
    "focal_2": lambda z: focal(z, labels, 2, 0.25),
    "focal_soft": lambda z: focal(z, soft, 1.5, 0.75),
    "focal_half": lambda z: focal(z, labels, 0.5, -1),
    "softmax_focal_2": lambda z: softmax_focal(z, classes, 2),
    "softmax_focal_half": lambda z: softmax_focal(z, classes, 0.5),
}


def written(numbers):
    return ", ".join(f"{x:.17g}" if x != 0 else "0.0" for x in numbers)


print("// SPDX-License-Identifier: MIT")
print(f"// Written by scripts/oracle/losses.py with PyTorch {torch.__version__}: each sample's loss, then its gradient.")
for name, loss in CASES.items():
    at = z.clone().requires_grad_()
    values = loss(at)
    values = values.sum(1) if values.dim() == 2 else values
    values.sum().backward()
    print(f"inline constexpr double {name}[{SAMPLES}][{1 + OUTPUTS}] = {{")
    for value, gradient in zip(values.tolist(), at.grad.tolist()):
        print(f"    {{{written([value])},")
        print(f"     {written(gradient)}}},")
    print("};")

# The mean over the samples, and what PyTorch's own mean is: by the sum of the targets' weights.
weighted = F.cross_entropy(z, classes, weight=weights).item()
print(f"inline constexpr double class_weights_mean = {weighted:.17g};")
