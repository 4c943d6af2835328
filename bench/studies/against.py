# SPDX-License-Identifier: MIT
"""usage: against.py STUDY.json PEER.json...

Are a study's baselines as good as the peers'? STUDY.json is in the folder of a report; PEER.json is peer.py's. For each
strategy, the difference of the mean over tasks, ours - theirs, with its 95 % interval: over pairs of runs on the same
split with Nadeau and Bengio's correction where each run has a split of its own, else Welch's."""

import json
import math
import pathlib
import sys

import numpy as np
from scipy import stats

NAMES = {"single": "single-task", "hard": "hard sharing", "single, each task's own best epoch": "single-task",
         "logistic regression": "single-task"}


def welch(a, b):
    va, vb = np.var(a, ddof=1) / len(a), np.var(b, ddof=1) / len(b)
    degrees = (va + vb) ** 2 / (va ** 2 / (len(a) - 1) + vb ** 2 / (len(b) - 1))
    return np.mean(a) - np.mean(b), stats.t.ppf(0.975, degrees) * math.sqrt(va + vb)


def corrected(a, b, test_to_train):
    d = np.subtract(a, b)
    error = math.sqrt((1 / len(d) + test_to_train) * np.var(d, ddof=1))
    return d.mean(), stats.t.ppf(0.975, len(d) - 1) * error


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    study = json.loads(pathlib.Path(sys.argv[1]).read_text())
    place = {candidate["name"]: c for c, candidate in enumerate(study["candidates"])}
    print("| PyTorch or scikit-learn | ours | theirs | ours - theirs | 95 % interval | runs |\n|---|---:|---:|---:|---|---:|")
    for path in sys.argv[2:]:
        peer = json.loads(pathlib.Path(path).read_text())
        for name in dict.fromkeys(run["candidate"] for run in peer["runs"]):
            theirs = {run["seed"]: run["metrics"] for run in peer["runs"] if run["candidate"] == name}
            ours = {run["seed"]: run["metrics"] for run in study["runs"]
                    if run["candidate"] == place[NAMES[name]] and run["error"] is None}

            def mean(metrics, seed):
                """Over the tasks that both have a number for."""
                there = [t for t, value in enumerate(theirs.get(seed, metrics)) if value is not None
                         and ours.get(seed, metrics)[t] is not None]
                return float(np.mean([metrics[t] for t in there]))
            if study["test_to_train"] > 0:
                seeds = sorted(ours.keys() & theirs.keys())
                a, b = ([mean(of[seed], seed) for seed in seeds] for of in (ours, theirs))
                difference, half = corrected(a, b, study["test_to_train"])
            else:
                a, b = ([mean(metrics, None) for metrics in of.values()] for of in (ours, theirs))
                difference, half = welch(a, b)
            print(f"| {name} | {np.mean(a):.4f} | {np.mean(b):.4f} | {difference:+.4f} | {difference - half:+.4f} to "
                  f"{difference + half:+.4f} | {len(a)}, {len(b)} |")


if __name__ == "__main__":
    main()
