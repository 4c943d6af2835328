# SPDX-License-Identifier: MIT
"""usage: report.py WORK FOLDER   (scripts/gpu_check.sh calls it)

Makes FOLDER/report.txt and FOLDER/report.json from what the stages left in WORK: facts.tsv, stages.tsv, logs, step.json
(ours) and peer.json (PyTorch). A ratio is PyTorch's time over ours: how many times as fast ours is."""

import json
import pathlib
import re
import sys

GOALS = {"eager": (5, "_b64"), "best": (1.2, ""), "one after another": (8, "")}
LOG_LINES = 40


def lines(path):
    return [line.split("\t") for line in path.read_text().splitlines()] if path.exists() else []


def load(path, complaints):
    """the file's object, {} without a file"""
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text())
        found = found["peers"] if path.name == "peer.json" and "peers" in found else found
        timed = [row for row in found["rows"] if "us" in row]
        if not all(isinstance(row["workload"], str) and row["us"] > 0 for row in timed):
            raise ValueError("a time that is not positive")
        return found
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        complaints.append(f"{path.name} is not as expected: {type(error).__name__}: {error}")
        return {}


def fastest(rows):
    return min(rows, key=lambda row: row["us"], default=None)


def compare(ours, peers):
    """a dictionary for each workload of ours"""
    timed = [row for row in peers.get("rows", []) if "us" in row]
    own = {}
    for row in ours.get("rows", []):
        if "us" in row and (row["workload"] not in own or row["us"] < own[row["workload"]]):
            own[row["workload"]] = row["us"]
    found = []
    for workload, us in own.items():
        many = re.fullmatch(r"(.+)_models(\d+)", workload)
        single, times = (many[1], int(many[2])) if many else (workload, 1)
        rows = [row for row in timed if row["workload"] == single]
        failed = sum("us" not in row and row["workload"] == single and not row["tf32"] for row in peers.get("rows", []))
        one = {"workload": workload, "us": us, "peers": {}, "failed": failed}
        float32 = [row for row in rows if not row["tf32"]]
        # One fused head is another program than nine heads; the best may be it, the plain eager one may not.
        eager = [row for row in float32 if row["mode"] == "eager"]
        choices = {"eager": fastest([row for row in eager if "fused head" not in row["setting"]]),
                   "eager, one fused head": fastest([row for row in eager if "fused head" in row["setting"]]),
                   "best": fastest(float32), "best with TF32": fastest([row for row in rows if row["tf32"]])}
        for name, row in choices.items():
            if row:
                one["peers"][name] = {"us": round(times * row["us"], 2), "ratio": round(times * row["us"] / us, 3),
                                      "mode": row["mode"], "setting": row["setting"]}
        if many and single in own:
            one["peers"]["one after another"] = {"us": round(times * own[single], 2), "mode": "ours", "setting": "",
                                                 "ratio": round(times * own[single] / us, 3)}
        found.append(one)
    return found


def judge(comparison):
    goals = []
    for one in comparison:
        many = "one after another" in one["peers"] or "_models" in one["workload"]
        for name, (least, ending) in GOALS.items():
            if name in one["peers"] and one["workload"].endswith(ending) and many == (name == "one after another"):
                ratio = one["peers"][name]["ratio"]
                goals.append({"workload": one["workload"], "against": name, "wanted": least, "found": ratio,
                              "reached": ratio >= least, "failed": one["failed"] if name != "one after another" else 0})
    return goals


def why_not_comparable(ours, peers):
    if peers.get("smoke"):
        return "PyTorch's times are from a run with --smoke"
    devices = {row["device"] for row in ours.get("rows", []) if "device" in row}
    if devices and peers:
        devices.add(peers.get("device", "unknown"))
        if not all(device.startswith(min(devices, key=len)) for device in devices):
            return f"not on the same device: {', '.join(sorted(devices))}"
    return ""


def text(report, work):
    yield "mtlx on a GPU"
    for name, value in report["facts"].items():
        yield f"  {name:10} {value}"
    for side in ("ours", "peers"):
        about = {name: value for name, value in report[side].items() if name != "rows" and value != ""}
        if about:
            yield f"  {side:10} " + ", ".join(f"{name} {value}" for name, value in about.items())
    yield from ("", "stages")
    for one in report["stages"]:
        yield f"  {one['stage']:20} {one['outcome']:8} {one['seconds']:7.1f} s  {one['why']}".rstrip()
    for complaint in report["complaints"]:
        yield f"  {complaint}"
    if report["comparison"]:
        yield from ("", "microseconds a step; the ratio is how many times as fast ours is")
    for one in report["comparison"]:
        yield f"  {one['workload']:20} {one['us']:11.1f}  ours"
        for name, peer in one["peers"].items():
            what = ", ".join(filter(None, (peer["mode"], peer["setting"])))
            yield f"  {'':20} {peer['us']:11.1f}  {peer['ratio']:6.2f} x  {name} ({what})"
    if report["goals"]:
        yield from ("", "goals")
    for one in report["goals"]:
        yield (f"  {one['workload']:20} {one['found']:6.2f} of {one['wanted']:4} x {one['against']:18} "
               f"{'reached' if one['reached'] else 'MISSED'}"
               + (f", but {one['failed']} of PyTorch's settings failed" if one["failed"] else ""))
    if report["peers"].get("rows"):
        yield from ("", "PyTorch, microseconds a step")
    for row in report["peers"].get("rows", []):
        what = f"{row['us']:11.1f}" if "us" in row else f"{'':11} {row.get('error', '')[:150]}"
        yield (f"  {row['workload']:12} {row['mode']:17} {row['setting']:42} {'TF32' if row['tf32'] else 'float32':8}"
               f"{what}")
    for one in report["stages"]:
        log = work / f"{one['stage']}.log"
        if one["outcome"] == "skipped" or not log.exists():
            continue
        kept = log.read_text(errors="replace").splitlines()
        if not kept:
            continue
        yield from ("", f"==== {one['stage']}: the last {min(len(kept), LOG_LINES)} of {len(kept)} lines")
        yield from kept[-LOG_LINES:]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    work, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    complaints = []
    report = {"facts": {name: value for name, value in lines(work / "facts.tsv")},
              "stages": [{"stage": name, "outcome": outcome, "seconds": float(seconds), "why": why}
                         for name, outcome, seconds, why in lines(work / "stages.tsv")],
              "ours": load(work / "step.json", complaints), "peers": load(work / "peer.json", complaints)}
    passed = {one["stage"] for one in report["stages"] if one["outcome"] == "passed"}
    for stage, side in (("bench", "ours"), ("peers", "peers")):
        if stage in passed and not report[side].get("rows"):
            complaints.append(f"{stage} passed and left no times")
    useless = why_not_comparable(report["ours"], report["peers"])
    if useless:
        complaints.append(f"{useless}: no ratios to PyTorch")
    report["complaints"] = complaints
    report["comparison"] = compare(report["ours"], {} if useless else report["peers"])
    report["goals"] = judge(report["comparison"])
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    found = "\n".join(text(report, work)) + "\n"
    (folder / "report.txt").write_text(found)
    print(found.split("\n==== ")[0], end="")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
