# SPDX-License-Identifier: MIT
"""usage: peer.py [--json FILE] [--seconds S] [--only MODE] [--device cuda|cpu] [--smoke]

Microseconds that PyTorch takes for a training step on a GPU: gathering a batch from 8192 samples that lie there,
forward, one loss a task and their sum, backward, Adam (fused, lr 1e-3). Batches 64, 256 and 4096 of

  lenet  LeNet28 with two heads of ten classes, cross-entropy each
  mlp    64-128-128 with ReLU and nine binary heads, cross-entropy on logits each; also with the nine heads as one layer

in these modes:

  eager            as written
  graph            the whole step as one CUDA graph; only the batch's indices are copied in
  compile          torch.compile of gather, forward, losses and backward; the optimizer is eager
  compile_graph    the compiled step as one CUDA graph

each with float32 everywhere ("tf32": false) and with TF32 allowed for matrix products and convolutions. cuDNN picks its
algorithms by trial (benchmark), and gradients are dropped between steps, not zeroed. A time is the median of seven
rounds of at least 50 steps between two device events, after 35 steps of warming up, after which the loss must be the
one that the eager mode got to. What fails is recorded with its error. Compiling stops when S seconds (140) would be
passed. The file is written anew after every row. --smoke: few and small, to see whether it runs."""

import argparse
import gc
import json
import os
import pathlib
import statistics
import sys
import time
import warnings

import torch
from torch import nn

CLASSES, BINARY, WIDTH = 10, 9, 64
SETUP, WARM, ROWS = 3, 32, 128  # steps before capturing, after it; stored batches
DEFAULT, AUTOTUNE = "default", "max-autotune-no-cudagraphs"


class LeNet(nn.Module):
    settings = {"contiguous": {}, "channels last": {"last": True}}

    def __init__(self, samples, last=False):
        super().__init__()
        # Easily learned, so that a step that learns nothing is seen: noise, and a picture for each class in each half.
        x, pictures = torch.randn(samples, 1, 28, 28), torch.randn(2, CLASSES, 1, 28, 14)
        left, right = torch.randint(CLASSES, (2, samples))
        x += torch.cat((pictures[0][left], pictures[1][right]), 3)
        self.register_buffer("x", x)
        self.register_buffer("left_label", left)
        self.register_buffer("right_label", right)
        self.trunk = nn.Sequential(nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(10, 20, 5),
                                   nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(320, 50), nn.ReLU())
        self.left, self.right = nn.Linear(50, CLASSES), nn.Linear(50, CLASSES)
        if last:
            self.to(memory_format=torch.channels_last)

    def forward(self, index):
        shared = self.trunk(self.x.index_select(0, index))
        return (nn.functional.cross_entropy(self.left(shared), self.left_label.index_select(0, index))
                + nn.functional.cross_entropy(self.right(shared), self.right_label.index_select(0, index)))


class Mlp(nn.Module):
    settings = {"nine heads": {}, "one fused head": {"fused": True}}

    def __init__(self, samples, fused=False):
        super().__init__()
        x = torch.randn(samples, WIDTH)
        self.register_buffer("x", x)
        self.register_buffer("label", (x @ torch.randn(WIDTH, BINARY) > 0).float())
        self.trunk = nn.Sequential(nn.Linear(WIDTH, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())
        self.fused = fused
        self.heads = nn.Linear(128, BINARY) if fused else nn.ModuleList(nn.Linear(128, 1) for _ in range(BINARY))

    def forward(self, index):
        shared = self.trunk(self.x.index_select(0, index))
        label = self.label.index_select(0, index)
        loss = nn.functional.binary_cross_entropy_with_logits
        if self.fused:  # the mean over samples and tasks, times the tasks, is the sum of the tasks' means
            return BINARY * loss(self.heads(shared), label)
        return sum(loss(head(shared)[:, 0], label[:, task]) for task, head in enumerate(self.heads))


NETWORKS = {"lenet": LeNet, "mlp": Mlp}


class Clock:
    """seconds between start() and stop(), by device events where there is a device"""

    def __init__(self, cuda):
        self.events = [torch.cuda.Event(enable_timing=True) for _ in range(2)] if cuda else None

    def start(self):
        if self.events:
            torch.cuda.synchronize()
            self.events[0].record()
        else:
            self.begin = time.perf_counter()

    def stop(self):
        if not self.events:
            return time.perf_counter() - self.begin
        self.events[1].record()
        torch.cuda.synchronize()
        return self.events[0].elapsed_time(self.events[1]) * 1e-3


def allow_tf32(allowed):
    torch.set_float32_matmul_precision("high" if allowed else "highest")
    torch.backends.cudnn.allow_tf32 = allowed  # on unless one says no


def batches(samples, size):
    """SETUP + ROWS rows of indices: shuffled passes over the samples, one after another"""
    passes = (SETUP + ROWS) * size // samples + 1
    order = torch.cat([torch.randperm(samples) for _ in range(passes)])
    return order[:(SETUP + ROWS) * size].view(-1, size)


class Bench:
    def __init__(self, device, smoke):
        self.device, self.cuda = device, device == "cuda"
        self.samples = 256 if smoke else 8192
        self.rounds, self.steps, self.round_seconds = (3, 4, 0) if smoke else (7, 50, 0.03)
        self.losses = {}

    def measure(self, network, size, setting, tf32, mode, compiled=None):
        """microseconds a step"""
        if self.cuda:
            allow_tf32(tf32)
        torch.manual_seed(1)
        kind = NETWORKS[network]
        model = kind(self.samples, **kind.settings[setting]).to(self.device)
        order = batches(self.samples, size).to(self.device)
        graph = "graph" in mode
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True, capturable=graph)
        forward = model if compiled is None else torch.compile(model, mode=compiled, dynamic=False, fullgraph=True)

        def step(index):
            forward(index).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

        with torch.no_grad():
            seen = torch.arange(min(256, self.samples), device=self.device)
            first = model(seen).item()
        calls = list(order[SETUP:].unbind())
        if graph:
            static = order[SETUP].clone()
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for index in order[:SETUP].unbind():
                    step(index)
            torch.cuda.current_stream().wait_stream(side)
            whole = torch.cuda.CUDAGraph()
            with torch.cuda.graph(whole, stream=side):
                step(static)

            def call(index):
                static.copy_(index)
                whole.replay()
        else:
            call = step
            for index in order[:SETUP].unbind():
                step(index)
        for index in calls[:WARM]:
            call(index)
        if self.cuda:
            torch.cuda.synchronize()
        with torch.no_grad():
            self.same_loss((network, size, setting, tf32), mode, first, model(seen).item())

        clock = Clock(self.cuda)

        def run(count):
            clock.start()
            for i in range(count):
                call(calls[i % len(calls)])
            return clock.stop() / count

        guess = min(run(self.steps) for _ in range(2))
        count = max(self.steps, min(2000, int(self.round_seconds / guess)))
        return statistics.median(run(count) for _ in range(self.rounds)) * 1e6

    def same_loss(self, key, mode, first, last):
        if mode == "eager":
            if not last < first:
                raise RuntimeError(f"the loss went from {first:.6f} to {last:.6f}")
            self.losses[key] = last
        elif key in self.losses:
            wanted = self.losses[key]
            if not abs(last - wanted) <= 0.15 * (first - wanted):
                raise RuntimeError(f"the loss went from {first:.6f} to {last:.6f}, eagerly to {wanted:.6f}")
        else:
            raise RuntimeError("no eager run to compare the loss with")


def reset():
    if hasattr(torch, "compiler"):
        torch.compiler.reset()
    gc.collect()


def plan(cuda, smoke):
    """(network, batch, setting, tf32, [(mode, compile mode)]), what matters most first"""
    sizes, precisions = ((8,), (False,)) if smoke else ((64, 256, 4096), (False, True) if cuda else (False,))
    plain = [(network, size, setting, tf32) for tf32 in precisions for size in sizes for network in NETWORKS
             for setting in NETWORKS[network].settings]
    rows = [(*key, [("eager", None)]) for key in plain]
    if cuda and not smoke:
        rows += [(*key, [("graph", None)]) for key in plain]
    kinds = ((LeNet, "lenet", 0), (Mlp, "mlp", 0), (Mlp, "mlp", 1))
    if smoke:
        return rows + [("lenet", 8, "contiguous", False, [("compile", DEFAULT)]),
                       ("mlp", 8, "one fused head", False, [("compile", DEFAULT)])]
    # Autotuning takes a minute each: the quick form of all comes first.
    return rows + [(name, size, list(kind.settings)[setting], tf32, [("compile", how), ("compile_graph", how)])
                   for how in (DEFAULT, AUTOTUNE) for tf32 in precisions for size in sizes
                   for kind, name, setting in kinds]


def facts(device):
    found = {"torch": torch.__version__, "python": sys.version.split()[0]}
    if device == "cuda":
        found |= {"device": torch.cuda.get_device_name(), "cuda": torch.version.cuda,
                  "cudnn": torch.backends.cudnn.version()}
    else:
        found |= {"device": "processor", "threads": torch.get_num_threads()}
    return found


def table(rows):
    print(f"{'workload':12} {'mode':17} {'setting':42} {'tf32':5} {'us a step':>10}")
    for row in sorted(rows, key=lambda row: (row["workload"], row["tf32"], row.get("us", float("inf")))):
        what = f"{row['us']:10.1f}" if "us" in row else row["error"][:100]
        print(f"{row['workload']:12} {row['mode']:17} {row['setting']:42} {'yes' if row['tf32'] else 'no':5} {what}")


def main():
    begin = time.monotonic()
    parser = argparse.ArgumentParser(usage=__doc__.removeprefix("usage: "))
    parser.add_argument("--json")
    parser.add_argument("--seconds", type=float, default=140)
    parser.add_argument("--only", help="modes that begin so, and eager, which the others are checked against")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--smoke", action="store_true")
    wanted = parser.parse_args()
    if wanted.device == "cuda":
        if not torch.cuda.is_available():
            sys.exit(f"mtlx: PyTorch {torch.__version__} sees no GPU here")
        torch.backends.cudnn.benchmark = True
    warnings.simplefilter("ignore")  # compiling warns about TF32 whichever way one decides

    bench = Bench(wanted.device, wanted.smoke)
    report = facts(wanted.device) | {"smoke": wanted.smoke, "optimizer": "Adam, fused", "samples": bench.samples}
    rows = report["rows"] = []

    def write():
        report["seconds"] = round(time.monotonic() - begin, 1)
        if wanted.json:
            new = pathlib.Path(wanted.json + ".new")
            new.write_text(json.dumps(report, indent=1) + "\n")
            os.replace(new, wanted.json)

    slowest = 0.0  # of the compiled ones: what the next one may take
    for network, size, setting, tf32, modes in plan(bench.cuda, wanted.smoke):
        compiled, started = modes[0][1], time.monotonic()
        for mode, compile_mode in modes:
            begun = time.monotonic()
            label = setting if compile_mode is None else f"{setting}, {compile_mode}"
            row = {"workload": f"{network}_b{size}", "mode": mode, "setting": label, "tf32": tf32}
            rows.append(row)
            left = wanted.seconds - (time.monotonic() - begin)
            try:
                if wanted.only and mode != "eager" and not mode.startswith(wanted.only):
                    raise TimeoutError("left out: not asked for")
                if left < (slowest if compiled and mode == modes[0][0] else 0.0):
                    raise TimeoutError(f"left out: {left:.0f} s were left")
                row["us"] = round(bench.measure(network, size, setting, tf32, mode, compile_mode), 2)
            except Exception as error:  # one mode's failure is that row's, the others go on
                row["error"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
                print(f"mtlx: {row['workload']}, {mode}, {label}: {row['error']}", file=sys.stderr, flush=True)
            row["took"] = round(time.monotonic() - begun, 1)
            write()
        if compiled:
            slowest = max(slowest, time.monotonic() - started)
            reset()
    write()
    table(rows)
    print(f"PyTorch {report['torch']}, {report['device']}: {len(rows)} rows in {report['seconds']} s")
    if not any("us" in row for row in rows):
        sys.exit("mtlx: nothing could be timed")


if __name__ == "__main__":
    main()
