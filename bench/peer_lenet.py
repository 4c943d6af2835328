# SPDX-License-Identifier: MIT
"""usage: peer_lenet.py BENCHMARK [ROUNDS]        compare (scripts/peer.sh does it all)
       peer_lenet.py measure THREADS BATCH...   measure PyTorch alone, a JSON line for each of its settings

Samples a second that LeNet28 with two heads trains at: bench_peer_lenet and PyTorch in turn, round after round, each
round in new processes, pinned to as many cores as they have threads. A measurement is the median of five means over at
least 0.3 s, after warming up; a figure of the table is the median over rounds. PyTorch's best setting is the one with
the lowest median in this run; OPENBLAS, OMP and MKL variables are unset but for the number of threads."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

BATCHES, REPEATS, SECONDS = 32, 5, 0.3


def measure(threads, sizes):
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
    for size in sizes:
        for name, setting in settings:
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


def run_ours(benchmark, threads, sizes, cores):
    """{batch: (seconds a step, FLOP/s, share of the peak, megabytes)}"""
    found = {}
    for size in sizes:
        text = subprocess.run(
            pinned(threads, cores) + [benchmark, f"--benchmark_filter=batch:{size}/threads:{threads}/",
                                      f"--benchmark_min_time={SECONDS}", f"--benchmark_repetitions={REPEATS}",
                                      "--benchmark_report_aggregates_only=true", "--benchmark_format=json"],
            env=environment(threads), check=True, capture_output=True, text=True).stdout
        for row in json.loads(text)["benchmarks"]:
            if row["aggregate_name"] == "median":
                found[size] = (row["real_time"] * 1e-6 / BATCHES, row["FLOP/s"], row["peak share"], row["megabytes"])
    return found


def run_peer(threads, sizes, cores):
    text = subprocess.run(pinned(threads, cores) + [sys.executable, __file__, "measure", str(threads)]
                          + [str(size) for size in sizes],
                          env=environment(threads), check=True, capture_output=True, text=True)
    sys.stderr.write("".join(line + "\n" for line in text.stderr.splitlines() if line.startswith("peer:")))
    return [json.loads(line) for line in text.stdout.splitlines() if line.startswith("{")]


def row(name, size, threads, seconds, rest=""):
    middle = statistics.median(seconds)
    print(f"{name:42} {size:5} {threads:7} {middle * 1e6:9.0f} {min(seconds) * 1e6:8.0f}-{max(seconds) * 1e6:<8.0f}"
          f"{size / middle:10.0f}  {rest}")


def compare(benchmark, rounds):
    cores = sorted(os.sched_getaffinity(0))
    # The last core: the first one serves most interrupts.
    cores.reverse()
    sizes = [64, 256]
    plan = [1] + ([2] if len(cores) > 1 else [])
    ours, peers, facts, memory = {}, {}, {}, {}
    for number in range(rounds):
        for threads in plan:
            for size, (seconds, flops, share, megabytes) in run_ours(benchmark, threads, sizes, cores).items():
                ours.setdefault((threads, size), []).append(seconds)
                facts.setdefault((threads, size), []).append((flops, share, megabytes))
            for found in run_peer(threads, sizes, cores):
                key = threads, found["batch"]
                peers.setdefault(key, {}).setdefault(found["name"], []).append(found["seconds"])
                memory[key] = found["megabytes"]
        print(f"peer: round {number + 1} of {rounds}, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    print(f"{'':42} batch threads   us/step   least-most   samples/s")
    for key in sorted(ours):
        threads, size = key
        best = min(peers[key].items(), key=lambda item: statistics.median(item[1]))[0]
        ratio = statistics.median(peers[key][best]) / statistics.median(ours[key])
        each = [b / a for a, b in zip(ours[key], peers[key][best])]
        flops, share, megabytes = (statistics.median(column) for column in zip(*facts[key]))
        row("mtlx", size, threads, ours[key],
            f"{ratio:.2f} x PyTorch's best ({min(each):.2f}-{max(each):.2f} by round), {flops / 1e9:.0f} GFLOP/s, "
            f"{100 * share:.0f} % of the peak, {megabytes:.0f} MB")
        for name, seconds in peers[key].items():
            row("PyTorch " + name, size, threads, seconds, "<- best" if name == best else "")
    print(f"PyTorch's process held up to {max(memory.values()):.0f} MB")


def main():
    if len(sys.argv) > 3 and sys.argv[1] == "measure":
        measure(int(sys.argv[2]), [int(size) for size in sys.argv[3:]])
    elif len(sys.argv) in (2, 3):
        compare(str(pathlib.Path(sys.argv[1]).resolve()), int(sys.argv[2]) if len(sys.argv) == 3 else 5)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
