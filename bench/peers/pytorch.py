# SPDX-License-Identifier: MIT
"""usage: pytorch.py THREADS

The workloads of ours.cpp in PyTorch, by the same protocol: lines on standard input, one line of answer each.

  WORKLOAD:SETTING STEPS         microseconds a step
  check WORKLOAD:SETTING FOLDER  the losses of the steps that ours.cpp took with FOLDER's weights and data, the
                                 first step's Gram matrix or affinities, or the outputs, as JSON; writes
                                 FOLDER/weights.f32 in LibTorch's order
  settings WORKLOAD              JSON: {group: [setting, ...]}; within a group the fastest counts

A setting is a list of words with dots between them: foreach or fused (Adam), last (channels last), heads (the nine
heads as one layer), compiled or autotuned (torch.compile of forward and losses, its mode), batched (all per-task
gradients by one vectorised backward pass), frozen (a frozen script)."""

import functools
import json
import operator
import pathlib
import random
import struct
import sys
import time

import torch
from torch import nn
from torch.nn import functional

BATCHES, CHECK_STEPS, TASKS = 4, 5, 9
WORDS = {"eager", "foreach", "fused", "last", "heads", "compiled", "autotuned", "batched", "frozen"}


class LeNet(nn.Module):
    names = [f"{layer}.{kind}" for layer in ("trunk.0", "trunk.3", "trunk.6", "left", "right")
             for kind in ("weight", "bias")]
    heads = 2

    def __init__(self, channels):
        super().__init__()
        self.shape = (channels, 28, 28)
        self.trunk = nn.Sequential(nn.Conv2d(channels, 10, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(10, 20, 5),
                                   nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(320, 50), nn.ReLU())
        self.left, self.right = nn.Linear(50, 10), nn.Linear(50, 10)

    def forward(self, x):
        shared = self.trunk(x)
        return self.left(shared), self.right(shared)

    def losses(self, x, y):
        return [functional.cross_entropy(output, target) for output, target in zip(self(x), y)]

    def total(self, x, y):
        left, right = self.losses(x, y)
        return left + right

    @staticmethod
    def targets(rows):
        return list(rows[:, :, 0].long())

    @staticmethod
    def random_targets(samples):
        return torch.randint(10, (2, samples, 1)).float()


def mask(weight, task):
    """half of the weights, as ours.cpp has it"""
    outputs, inputs = weight.shape
    place = 31 * torch.arange(outputs)[:, None] + 17 * torch.arange(inputs) + 7 * task
    return (place // 2 % 2 == 0).float()


class Mlp(nn.Module):
    names = [f"{layer}.{kind}" for layer in ("trunk.0", "trunk.2", *map(str, range(TASKS)))
             for kind in ("weight", "bias")]
    heads = TASKS

    def __init__(self, inputs, fused=False):
        super().__init__()
        self.shape = (inputs,)
        self.fused = fused
        self.trunk = nn.Sequential(nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())
        self.head = nn.Linear(128, TASKS) if fused else nn.ModuleList(nn.Linear(128, 1) for _ in range(TASKS))

    def forward(self, x):
        shared = self.trunk(x)
        return self.head(shared) if self.fused else [head(shared) for head in self.head]

    def masked_losses(self, x, y, tasks):
        if not hasattr(self, "masks"):
            self.masks = [[mask(self.trunk[layer].weight, t) for layer in (0, 2)] for t in range(TASKS)]
        losses = []
        for t in tasks:
            hidden = x
            for layer, on in zip((self.trunk[0], self.trunk[2]), self.masks[t]):
                hidden = functional.relu(functional.linear(hidden, layer.weight * on, layer.bias))
            losses.append(functional.binary_cross_entropy_with_logits(self.head[t](hidden), y[t]))
        return losses

    def losses(self, x, y):
        if self.fused:
            return functional.binary_cross_entropy_with_logits(self(x), y, reduction="none").mean(0)
        return [functional.binary_cross_entropy_with_logits(output, target) for output, target in zip(self(x), y)]

    # The losses with other weights of the trunk; with one layer for all heads, of many at once : (sets, ...).
    def losses_at(self, parameters, x, y):
        hidden = x
        if self.fused:
            hidden = x.expand(len(parameters[0]), *x.shape)
            for weight, bias in zip(parameters[::2], parameters[1::2]):
                hidden = functional.relu(torch.baddbmm(bias.unsqueeze(1), hidden, weight.transpose(1, 2)))
            return functional.binary_cross_entropy_with_logits(self.head(hidden), y.expand(len(hidden), *y.shape),
                                                               reduction="none").mean(1)
        for weight, bias in zip(parameters[::2], parameters[1::2]):
            hidden = functional.relu(functional.linear(hidden, weight, bias))
        return torch.stack([functional.binary_cross_entropy_with_logits(head(hidden), target)
                            for head, target in zip(self.head, y)])

    def total(self, x, y):
        if self.fused:  # the mean over samples and tasks, times the tasks, is the sum of the tasks' means
            return TASKS * functional.binary_cross_entropy_with_logits(self(x), y)
        return functools.reduce(operator.add, self.losses(x, y))

    def targets(self, rows):
        return rows[:, :, 0].T.contiguous() if self.fused else [row.clone() for row in rows]

    @staticmethod
    def random_targets(samples):
        return torch.randint(2, (TASKS, samples, 1)).float()


class Picture(nn.Module):
    """one task, whose target is a picture of `side` by `side` pixels"""
    heads = 1

    def targets(self, rows):
        return rows.view(-1, 1, self.side, self.side).clone()

    def random_targets(self, samples):
        return torch.randn(1, samples, self.side * self.side)


class SuperResolution(Picture):
    names = [f"{layer}.{kind}" for layer in ("trunk.0", "trunk.2", "picture") for kind in ("weight", "bias")]
    shape, side = (1, 48, 48), 48

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 32, 3, padding=1),
                                    nn.ReLU(), nn.Conv2d(32, 1, 3, padding=1))

    def forward(self, x):
        return self.layers(x)

    def total(self, x, y):
        return functional.mse_loss(self(x), y)


class Fsrcnn(Picture):
    names = [f"trunk.0.{layer}.{kind}" for layers in ("01", "23", ("4.0.0", "4.0.1"), ("4.1.0", "4.1.1"), "56", "7")
             for layer, kinds in zip(layers, (("weight", "bias"), ("weight",))) for kind in kinds]
    shape, side = (1, 24, 24), 96

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, 5, padding=2), nn.PReLU(32), nn.Conv2d(32, 8, 1), nn.PReLU(8),
            nn.Conv2d(8, 8, 3, padding=1), nn.PReLU(8), nn.Conv2d(8, 8, 3, padding=1), nn.PReLU(8),
            nn.Conv2d(8, 32, 1), nn.PReLU(32),
            nn.ConvTranspose2d(32, 1, 9, stride=4, padding=4, output_padding=3))

    def forward(self, x):
        return self.layers(x) + functional.interpolate(x, scale_factor=4, mode="bilinear", align_corners=False)

    def total(self, x, y):
        return functional.l1_loss(self(x), y)


# name: (network, batch, how a step is made)
WORKLOADS = {
    "lenet_b64": (lambda fused: LeNet(1), 64, "plain"),
    "lenet_b256": (lambda fused: LeNet(1), 256, "plain"),
    "odd_lenet": (lambda fused: LeNet(3), 50, "plain"),
    "mlp_plain": (lambda fused: Mlp(64, fused), 128, "plain"),
    "mlp_pcgrad": (lambda fused: Mlp(64, fused), 128, "gram"),
    "mlp_pcgrad_libmtl": (lambda fused: Mlp(64, fused), 128, "projections"),
    "mlp_lookahead": (lambda fused: Mlp(64, fused), 128, "lookahead"),
    "mlp_first_order": (lambda fused: Mlp(64, fused), 128, "first order"),
    "mlp_masked_1": (lambda fused: Mlp(64, fused), 128, "turns"),
    "mlp_masked_9": (lambda fused: Mlp(64, fused), 128, "masked"),
    "odd_mlp": (lambda fused: Mlp(37, fused), 50, "plain"),
    "odd_mlp_pcgrad": (lambda fused: Mlp(37, fused), 50, "gram"),
    "sr_cnn": (lambda fused: SuperResolution(), 16, "plain"),
    "sr_fsrcnn": (lambda fused: Fsrcnn(), 16, "plain"),
    "predict_1": (lambda fused: LeNet(1), 64, "predict"),
}


def settings(name):
    if name == "predict_1":
        return {"pytorch": ["eager", "last"], "pytorch_compiled": ["compiled"], "pytorch_frozen": ["frozen"]}
    if WORKLOADS[name][2] in ("projections", "turns", "masked"):
        return {"pytorch": ["foreach", "fused"]}
    if WORKLOADS[name][2] in ("gram", "lookahead", "first order"):
        return {"pytorch": ["foreach", "fused"], "pytorch_fused_head_batched": ["heads.batched.fused"]}
    if "mlp" in name:
        return {"pytorch": ["foreach", "fused"], "pytorch_fused_head": ["heads.foreach", "heads.fused"],
                "pytorch_compiled": ["compiled.fused", "autotuned.fused"],
                "pytorch_fused_head_compiled": ["heads.compiled.fused", "heads.autotuned.fused"]}
    return {"pytorch": ["fused", "last.fused", "foreach"],
            "pytorch_compiled": ["compiled.fused", "last.compiled.fused", "last.autotuned.fused"]}


def flat(tensors):
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


class Workload:
    def __init__(self, name, words=()):
        make, self.batch, self.kind = WORKLOADS[name]
        self.words = set(words)
        if not self.words <= WORDS:
            raise ValueError(f"no setting {words}")
        self.layout = torch.channels_last if "last" in self.words else torch.contiguous_format
        self.model = make("heads" in self.words)
        if "last" in self.words:
            self.model.to(memory_format=self.layout)
        self.parameters = list(self.model.parameters())
        self.own = 2 if "heads" in self.words else 2 * self.model.heads
        self.shared = self.parameters[:-self.own]
        self.adam = torch.optim.Adam(self.parameters, lr=1e-3, foreach="foreach" in self.words or None,
                                     fused="fused" in self.words or None)
        compiled = self.words & {"compiled", "autotuned"}
        mode = "max-autotune-no-cudagraphs" if "autotuned" in self.words else None
        self.total = torch.compile(self.model.total, mode=mode, dynamic=False) if compiled else self.model.total
        if self.kind == "predict":
            self.model.eval()
        samples = BATCHES * self.batch
        self.data(torch.randn(samples, *self.model.shape), self.model.random_targets(samples))
        self.step = {"plain": self.plain, "gram": self.batched if "batched" in self.words else self.gram,
                     "lookahead": self.affine, "first order": self.affine, "projections": self.projections,
                     "turns": self.turns, "masked": self.masked,
                     "predict": None}[self.kind]
        self.predictor = self.model
        if self.kind == "predict" and compiled:
            self.predictor = torch.compile(self.model, dynamic=False)
        if "frozen" in self.words:
            script = torch.jit.freeze(torch.jit.trace(self.model, self.one))
            self.predictor = torch.jit.optimize_for_inference(script)

    def data(self, x, y):
        self.x = [part.clone() for part in x.split(self.batch)]
        self.y = [self.model.targets(part) for part in y.split(self.batch, 1)]
        self.one = x[:1].clone()
        if len(self.model.shape) == 3:
            self.x = [part.to(memory_format=self.layout) for part in self.x]
            self.one = self.one.to(memory_format=self.layout)

    def microseconds(self, steps):
        if self.kind == "predict":
            with torch.inference_mode():
                begin = time.perf_counter()
                for _ in range(steps):
                    self.predictor(self.one)
                return (time.perf_counter() - begin) / steps * 1e6
        begin = time.perf_counter()
        for i in range(steps):
            self.turn = i % BATCHES
            self.step(self.x[i % BATCHES], self.y[i % BATCHES])
        return (time.perf_counter() - begin) / steps * 1e6

    def plain(self, x, y):
        loss = self.total(x, y)
        loss.backward()
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        return loss.detach()

    # Each task with its own mask over the trunk: all in a step, or one.
    def masked(self, x, y, tasks=range(TASKS)):
        loss = functools.reduce(operator.add, self.model.masked_losses(x, y, tasks))
        loss.backward()
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        return loss.detach()

    def turns(self, x, y):
        return self.masked(x, y, [self.turn])

    # PCGrad with Gram matrix: one task's gradient after another, the projections on their inner products alone.
    def rows(self, x, y, losses=None):
        losses, rows = self.model.losses(x, y) if losses is None else losses, []
        for t, loss in enumerate(losses):
            own = self.parameters[len(self.shared) + 2 * t:len(self.shared) + 2 * t + 2]
            found = torch.autograd.grad(loss, self.shared + own, retain_graph=t + 1 < len(losses))
            for parameter, gradient in zip(own, found[-2:]):
                parameter.grad = gradient
            rows.append(flat(found[:-2]))
        return torch.stack(rows)

    def gram(self, x, y):
        self.update(self.combine(self.rows(x, y)))

    # All tasks' gradients by one backward pass over a batch of them.
    def batched_rows(self, x, y, losses=None):
        losses = self.model.losses(x, y) if losses is None else losses
        found = torch.autograd.grad(losses, self.parameters, torch.eye(TASKS), is_grads_batched=True)
        for parameter, gradient in zip(self.parameters[-2:], found[-2:]):
            parameter.grad = gradient.sum(0)
        return torch.cat([gradient.reshape(TASKS, -1) for gradient in found[:-2]], 1)

    def batched(self, x, y):
        self.update(self.combine(self.batched_rows(x, y)))

    @staticmethod
    def combine(rows):
        gram, weights = (rows @ rows.T).tolist(), [0.0] * TASKS
        for i in range(TASKS):
            c = [0.0] * TASKS
            c[i] = 1.0
            for j in random.sample(range(TASKS), TASKS):
                if j == i:
                    continue
                inner = sum(map(operator.mul, c, gram[j]))
                if inner < 0:
                    c[j] -= inner / gram[j][j]
            weights = list(map(operator.add, weights, c))
        return torch.tensor(weights) @ rows

    # A step with affinities: the tasks' gradients serve both them and the update.
    def affine(self, x, y):
        _, rows = self.affinities(x, y)
        self.update(rows.sum(0))

    def affinities(self, x, y, rate=1e-3):
        """(affected task, acting task), by trying each task's step or to first order; and the tasks' gradients"""
        losses = self.model.losses(x, y)
        before = losses.detach() if self.model.fused else torch.stack([loss.detach() for loss in losses])
        rows = (self.batched_rows if "batched" in self.words else self.rows)(x, y, losses)
        if self.kind == "first order":
            return rate * (rows @ rows.T) / before.unsqueeze(1), rows
        with torch.no_grad():
            if "batched" in self.words:
                found, at = [], 0
                for parameter in self.shared:
                    gradients = rows[:, at:at + parameter.numel()].view(TASKS, *parameter.shape)
                    found.append(torch.add(parameter, gradients, alpha=-rate))
                    at += parameter.numel()
                after = self.model.losses_at(found, x, y)
            else:
                sizes = [parameter.numel() for parameter in self.shared]
                after = []
                for row in rows:
                    gradients = [part.view_as(parameter) for part, parameter in zip(row.split(sizes), self.shared)]
                    after.append(self.model.losses_at(torch._foreach_add(self.shared, gradients, alpha=-rate), x, y))
                after = torch.stack(after)
            return 1 - after.T / before.unsqueeze(1), rows

    # PCGrad as LibMTL goes about it: a flat gradient a task, and projections of the flat gradients themselves.
    def flat_rows(self, x, y):
        losses, rows = self.model.losses(x, y), []
        for t, loss in enumerate(losses):
            loss.backward(retain_graph=t + 1 < len(losses))
            rows.append(flat([parameter.grad for parameter in self.shared]))
            for parameter in self.shared:
                parameter.grad.zero_()
        return torch.stack(rows)

    @staticmethod
    def project(rows):
        projected = rows.clone()
        for i in range(TASKS):
            for j in random.sample(range(TASKS), TASKS):
                if j == i:
                    continue
                inner = torch.dot(projected[i], rows[j])
                if inner < 0:
                    projected[i] -= inner * rows[j] / (rows[j].norm().pow(2) + 1e-8)
        return projected.sum(0)

    def projections(self, x, y):
        self.update(self.project(self.flat_rows(x, y)))

    def update(self, direction):
        at = 0
        for parameter in self.shared:
            parameter.grad = direction[at:at + parameter.numel()].view_as(parameter)
            at += parameter.numel()
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)


def safetensors(path):
    """{name: tensor}; the format is eight bytes of length, a JSON header, and numbers"""
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    found = {}
    for name, about in json.loads(content[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = (8 + size + offset for offset in about["data_offsets"])
            found[name] = torch.frombuffer(bytearray(content[begin:end]), dtype=torch.float32).view(about["shape"])
    return found


def load(workload, tensors):
    """parameters by name from a model with one head a task"""
    names = workload.model.names
    if set(tensors) != set(names):
        raise ValueError(f"weights are {sorted(tensors)}, wanted {sorted(names)}")
    found = [tensors[name] for name in names]
    if "heads" in workload.words:
        own = found[-2 * TASKS:]
        found = found[:-2 * TASKS] + [torch.cat(own[::2]), torch.cat(own[1::2])]
    with torch.no_grad():
        for parameter, tensor in zip(workload.parameters, found, strict=True):
            if parameter.shape != tensor.shape:
                raise ValueError(f"wanted {tuple(parameter.shape)} where {tuple(tensor.shape)} is")
            parameter.copy_(tensor)


def check(what, folder):
    folder, workload = pathlib.Path(folder), workload_of(what)
    model = workload.model
    load(workload, safetensors(folder / "weights.safetensors"))
    if "heads" not in workload.words:
        (folder / "weights.f32").write_bytes(flat(workload.parameters).detach().numpy().tobytes())
    x, y = (torch.frombuffer(bytearray((folder / file).read_bytes()), dtype=torch.float32)
            for file in ("inputs.f32", "targets.f32"))
    x = x.view(-1, *model.shape)
    workload.data(x, y.view(model.heads, len(x), -1))
    if workload.kind == "predict":
        with torch.inference_mode():
            outputs = workload.predictor(workload.one)
            return {"outputs": [number for output in outputs for number in output.softmax(1)[0].tolist()]}
    if workload.kind in ("plain", "turns", "masked"):
        losses = []
        # In turns, Adam moves here what the step's task doesn't own.
        for i in range(1 if workload.kind == "turns" else CHECK_STEPS):
            workload.turn = i % BATCHES
            losses.append(workload.step(workload.x[i], workload.y[i]).item())
        return {"losses": losses}
    first = workload.x[0], workload.y[0]
    if workload.kind in ("lookahead", "first order"):
        # Longer steps than those that are timed: the affinities stand out from the losses' rounding.
        return {"affinities": workload.affinities(*first, rate=0.1)[0].flatten().tolist()}
    if workload.kind == "projections":
        rows = workload.flat_rows(*first)
        # Both ways to the same direction, tasks in the same order.
        random.seed(1)
        direction = workload.project(rows)
        random.seed(1)
        apart = (direction - workload.combine(rows)).norm() / direction.norm()
        if not apart < 1e-4:
            raise ValueError(f"PCGrad on gradients and on their Gram matrix are {apart:.1e} apart")
    else:
        rows = (workload.batched_rows if "batched" in workload.words else workload.rows)(*first)
    return {"gram": (rows @ rows.T).flatten().tolist()}


def workload_of(what):
    name, _, words = what.partition(":")
    return Workload(name, words.split(".") if words else ["eager"])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    torch.set_num_threads(int(sys.argv[1]))
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    random.seed(1)
    workloads = {}
    for line in sys.stdin:
        what, argument, *rest = line.rstrip("\n").split(" ", 2)
        try:
            if what == "settings":
                answer = json.dumps(settings(argument))
            elif what == "check":
                answer = json.dumps(check(argument, rest[0]))
            else:
                if what not in workloads:
                    workloads[what] = workload_of(what)
                answer = f"{workloads[what].microseconds(int(argument)):.6g}"
        except Exception as error:  # an old PyTorch knows fewer settings, and compiling needs a compiler
            answer = f"error {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        print(answer, flush=True)


if __name__ == "__main__":
    main()
