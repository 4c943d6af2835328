# SPDX-License-Identifier: MIT
"""Does TensorBoard read what a report wrote for it, and are its numbers those of curves.csv, conflicts.csv and runs.csv?

    events.py FOLDER      every FOLDER/*/tensorboard
"""

import csv
import glob
import os
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def single(text):
    """A number of the CSV as single precision may show it; none if the field is empty."""
    return None if text == "" else float(text)


def near(a, b):
    return abs(a - b) <= 1e-6 * max(abs(a), abs(b)) + 1e-30


def check(report):
    problems, compared = [], 0
    with open(os.path.join(report, "curves.csv"), newline="", encoding="utf-8") as file:
        curves = list(csv.DictReader(file))
    with open(os.path.join(report, "runs.csv"), newline="", encoding="utf-8") as file:
        runs = list(csv.DictReader(file))
    with open(os.path.join(report, "conflicts.csv"), newline="", encoding="utf-8") as file:
        conflicts = list(csv.DictReader(file))
    strategies = list(dict.fromkeys(run["strategy"] for run in runs))
    folders = {}
    for path in glob.glob(os.path.join(report, "tensorboard", "*", "*")):
        which, run = path.split(os.sep)[-2:]
        folders[(strategies[int(which.split("_")[0])], run)] = path
    if len(folders) != len(runs):
        problems.append(f"{len(runs)} runs and {len(folders)} folders")
    for run in runs:
        name = f"split{run['split']}_seed{run['seed']}"
        accumulator = EventAccumulator(folders[(run["strategy"], name)], size_guidance={"scalars": 0})
        accumulator.Reload()
        found = {(tag, e.step): e.value for tag in accumulator.Tags()["scalars"] for e in accumulator.Scalars(tag)}
        expected, tasks = {}, {}
        for row in curves:
            if (row["strategy"], row["split"], row["seed"]) != (run["strategy"], run["split"], run["seed"]):
                continue
            tasks[row["task"]] = row["metric"]
            for tag, column in (("loss", "loss"), ("validation_loss", "validation_loss"),
                                ("validation_" + row["metric"], "validation_metric"), ("weight", "weight"),
                                ("gradient_length", "gradient_length")):
                number = single(row[column])
                if number is not None:
                    expected[(f"{row['task']}/{tag}", int(row["epoch"]))] = number
        means = {}
        for row in conflicts:
            if (row["strategy"], row["split"], row["seed"]) != (run["strategy"], run["split"], run["seed"]):
                continue
            for tag, column in (("gradients/cosine", "cosine"), ("gradients/conflicts", "conflicts")):
                number = single(row[column])
                if number is not None:
                    means.setdefault((tag, int(row["epoch"])), []).append(number)
        expected.update((key, sum(numbers) / len(numbers)) for key, numbers in means.items())
        last = max((step for _, step in expected), default=0)
        for task, metric in tasks.items():
            number = single(run.get(f"{task} {metric}", ""))
            if number is not None:
                expected[(f"{task}/test_{metric}", last)] = number
        for key, number in expected.items():
            if key not in found or not near(found[key], number):
                problems.append(f"{run['strategy']} {name}: {key} is {found.get(key)} and must be {number}")
            compared += 1
        extra = [key for key in found if key not in expected]
        problems += [f"{run['strategy']} {name}: {key} has no place in a CSV file" for key in extra]
    if compared == 0:
        problems.append("there is nothing to compare")
    for problem in problems[:20]:
        print(f"FAILED: {report}: {problem}", file=sys.stderr)
    print(f"{os.path.basename(report)}: {compared} numbers read by TensorBoard, {len(problems)} problems")
    return not problems


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    reports = [os.path.dirname(path) for path in sorted(glob.glob(os.path.join(sys.argv[1], "*", "tensorboard")))]
    return 0 if reports and all([check(report) for report in reports]) else 1


if __name__ == "__main__":
    sys.exit(main())
