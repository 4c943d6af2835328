# SPDX-License-Identifier: MIT
"""usage: peer_lenet.py BENCHMARK ROUNDS THREADS   compare, on one thread up to THREADS (scripts/peer.sh does it all)
       peer_lenet.py measure THREADS BATCH [SETTING]...   PyTorch alone: a JSON line for each setting (all)

Samples a second that LeNet28 with two heads trains at: bench_peer_lenet and PyTorch in turn, round after round, each
round in new processes, pinned to as many cores as they have threads. A measurement is the median of five means over at
least 0.3 s, after warming up; a time in the table is the median over rounds. The first round tries every setting of
PyTorch, later ones those that were within a quarter of the best. A ratio is the median over rounds of the round's best
setting against mtlx. OPENBLAS, OMP and MKL variables are unset but for the number of threads."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

BATCHES, REPEATS, SECONDS = 32, 5, 0.3
NEAR = 1.25  # settings this close to the best are measured in every round


def measure(threads, size, names):
    import torch
    from torch import nn
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(True)

    class LeNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk = nn.Sequential(
                nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(10, 20, 5), nn.MaxPool2d(2), nn.ReLU(),
                nn.Flatten(), nn.Linear(320, 50), nn.ReLU())
            self.left, self.right = nn.Linear(50, 10), nn.Linear(50, 10)

        def forward(self, x):
            shared = self.trunk(x)
            return self.left(shared), self.right(shared)

    def loss(model, x, left, right):
        a, b = model(x)
        return nn.functional.cross_entropy(a, left) + nn.functional.cross_entropy(b, right)

    def time_setting(name, size, adam, layout=torch.contiguous_format, mode=None):
        torch.manual_seed(1)
        x = torch.randn(BATCHES, size, 1, 28, 28).unbind()
        x = [batch.to(memory_format=layout) for batch in x]
        left, right = torch.randint(10, (2, BATCHES, size))
        model = LeNet().to(memory_format=layout)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, **adam)
        forward = loss if mode is None else torch.compile(loss, mode=mode)

        def epoch():
            begin = time.perf_counter()
            for i in range(BATCHES):
                forward(model, x[i], left[i], right[i]).backward()
                optimizer.step()
                optimizer.zero_grad()
            return time.perf_counter() - begin

        epoch()
        means = []
        for _ in range(REPEATS):
            epochs, seconds = 0, 0
            while seconds < SECONDS:
                seconds += epoch()
                epochs += 1
            means.append(seconds / epochs / BATCHES)
        import resource
        print(json.dumps({"name": name, "batch": size, "threads": threads, "seconds": statistics.median(means),
                          "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)

    settings = [("eager", {"adam": {}}), ("eager, foreach Adam", {"adam": {"foreach": True}}),
                ("eager, fused Adam", {"adam": {"fused": True}}),
                ("channels last, fused Adam", {"adam": {"fused": True}, "layout": torch.channels_last})]
    if hasattr(torch, "compile"):
        fused, last = {"fused": True}, torch.channels_last
        settings += [("compiled, fused Adam", {"adam": fused, "mode": "default"}),
                     ("compiled, channels last, fused Adam", {"adam": fused, "layout": last, "mode": "default"}),
                     ("compiled max-autotune, fused Adam", {"adam": fused, "mode": "max-autotune"})]
    for name, setting in settings:
        if names and name not in names:
            continue
        try:
            time_setting(name, size, **setting)
        except Exception as error:  # an old PyTorch knows fewer settings, and compiling needs a compiler
            print(f"peer: {name}, batch {size}: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)
        if hasattr(torch, "compiler"):
            torch.compiler.reset()


def environment(threads):
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith(("OPENBLAS_", "OMP_", "MKL_", "GOTO_", "ATEN_", "DNNL_", "ONEDNN_"))}
    return clean | {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}


def pinned(threads, cores):
    return ["taskset", "-c", ",".join(map(str, cores[:threads]))]


def run_ours(benchmark, threads, size, cores):
    """seconds a step, FLOP/s, share of the peak, megabytes"""
    text = subprocess.run(
        pinned(threads, cores) + [benchmark, f"--benchmark_filter=batch:{size}/threads:{threads}/",
                                  f"--benchmark_min_time={SECONDS}", f"--benchmark_repetitions={REPEATS}",
                                  "--benchmark_report_aggregates_only=true", "--benchmark_format=json"],
        env=environment(threads), check=True, capture_output=True, text=True).stdout
    found = next(row for row in json.loads(text)["benchmarks"] if row["aggregate_name"] == "median")
    return found["real_time"] * 1e-6 / BATCHES, found["FLOP/s"], found["peak share"], found["megabytes"]


def run_peer(threads, size, cores, names):
    command = [sys.executable, __file__, "measure", str(threads), str(size), *names]
    text = subprocess.run(pinned(threads, cores) + command, env=environment(threads), check=True, capture_output=True,
                          text=True)
    sys.stderr.write("".join(line + "\n" for line in text.stderr.splitlines() if line.startswith("peer:")))
    return [json.loads(line) for line in text.stdout.splitlines() if line.startswith("{")]


def row(name, size, threads, seconds, rest=""):
    middle = statistics.median(seconds)
    print(f"{name:42} {size:5} {threads:7} {middle * 1e6:9.0f} {min(seconds) * 1e6:8.0f}-{max(seconds) * 1e6:<8.0f}"
          f"{size / middle:10.0f}  {rest}")


def compare(benchmark, rounds, most_threads):
    cores = sorted(os.sched_getaffinity(0))
    cores.reverse()  # the first one serves most interrupts
    keys = [(threads, size) for threads in (1, 2) if threads <= most_threads for size in (64, 256)]
    ours, facts, peers = {key: [] for key in keys}, {key: [] for key in keys}, {key: {} for key in keys}
    names, memory = {key: [] for key in keys}, 0
    for number in range(rounds):
        for key in keys:
            seconds, *rest = run_ours(benchmark, *key, cores)
            ours[key].append(seconds)
            facts[key].append(rest)
            found = run_peer(*key, cores, names[key])
            for one in found:
                peers[key].setdefault(one["name"], []).append(one["seconds"])
                memory = max(memory, one["megabytes"])
            best = min(one["seconds"] for one in found)
            names[key] = names[key] or [one["name"] for one in found if one["seconds"] < NEAR * best]
            print(f"peer: round {number + 1} of {rounds}, {key[0]} threads, batch {key[1]}, load "
                  f"{os.getloadavg()[0]:.1f}: {seconds * 1e6:.0f} and {best * 1e6:.0f} us", file=sys.stderr, flush=True)
    print(f"{'':42} batch threads   us/step   least-most   samples/s")
    for key in keys:
        threads, size = key
        best = min(names[key], key=lambda name: statistics.median(peers[key][name]))
        # Round by round, so that what slows one round down slows both sides: PyTorch's best of the round against ours.
        each = [min(of_round) / a for a, of_round in zip(ours[key], zip(*(peers[key][name] for name in names[key])))]
        flops, share, megabytes = (statistics.median(column) for column in zip(*facts[key]))
        row("mtlx", size, threads, ours[key],
            f"{statistics.median(each):.2f} x PyTorch's best ({min(each):.2f}-{max(each):.2f} by round), "
            f"{flops / 1e9:.0f} GFLOP/s, {100 * share:.0f} % of the peak, {megabytes:.0f} MB")
        for name, seconds in peers[key].items():
            row("PyTorch " + name, size, threads, seconds, "<- best" if name == best else "")
    print(f"PyTorch's process held up to {memory:.0f} MB")


def main():
    if len(sys.argv) > 3 and sys.argv[1] == "measure":
        measure(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
    elif len(sys.argv) == 4:
        compare(str(pathlib.Path(sys.argv[1]).resolve()), int(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
