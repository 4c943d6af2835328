# SPDX-License-Identifier: MIT
"""usage: compare.py --ours PROGRAM [--libtorch PROGRAM] --work FOLDER --flags TEXT [option]...

What scripts/bench.sh runs once everything is built; see there for the options. For each workload it starts ours,
PyTorch (pytorch.py by this interpreter, eager and compiled in processes of their own) and LibTorch, all on the same
cores, and lets them take turns: a round is some hundred milliseconds of each, in processes that stay alive. The first
round has every setting of a peer, later ones those within a quarter of the group's best. Reported are medians over the
rounds, and the most memory that a process of one workload and setting held. The variables of OPENBLAS, OMP, MKL, ATEN,
malloc and the like are unset, but for the number of threads and the variants below."""

import argparse
import json
import math
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import threading
import time

WORKLOADS = ["lenet_b64", "lenet_b256", "mlp_plain", "mlp_pcgrad", "mlp_pcgrad_libmtl", "mlp_lookahead",
             "mlp_first_order", "mlp_masked_1", "mlp_masked_9", "sr_cnn", "sr_fsrcnn", "predict_1", "odd_lenet",
             "odd_mlp", "odd_mlp_pcgrad"]
COMPILED_IF_QUICK = ["lenet_b64", "mlp_plain", "predict_1"]  # compiling takes longer than measuring
QUICK_SECONDS = 240  # then every workload that is left gets the fewest rounds, and nothing is compiled
LIBTORCH = ["adam", "fused", "last"]
NEAR = 1.25  # settings this close to their group's best are measured in every round
SLOWER = 0.1  # how much of its share of the peak a workload may lose against what is stored
FEWEST = 3  # rounds, however little time there is
TOLERANCE = 1e-4
LIMIT = 300  # seconds that an answer may take; compiling is the longest
# The allocator gives no large block back to the system, so that none has to be faulted in anew; the narrower
# registers, which are faster on some processors.
VARIANTS = {"": {}, "kept heap": {"MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "2000000000",
                                  "MALLOC_TOP_PAD_": "67108864"}, "avx2": {"ATEN_CPU_CAPABILITY": "avx2"}}


class Failed(Exception):
    pass


class Program:
    """a process that answers a line with a line"""

    def __init__(self, command, config, variables=None):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(
            ("OPENBLAS_", "OMP_", "MKL_", "GOTO_", "ATEN_", "DNNL_", "ONEDNN_", "KMP_", "MALLOC_", "LD_PRELOAD"))}
        threads = str(config.threads)
        environment |= {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads,
                        "TORCHINDUCTOR_CACHE_DIR": str(config.work / "compiled"), "TORCHINDUCTOR_COMPILE_THREADS": "1",
                        "PYTHONDONTWRITEBYTECODE": "1"} | (variables or {})
        self.log = open(config.work / "peers.log", "a")
        self.process = subprocess.Popen(
            ["taskset", "-c", ",".join(map(str, config.cores)), *map(str, command), threads], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment)

    def ask(self, line):
        clock = threading.Timer(LIMIT, self.process.kill)
        clock.start()
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        finally:
            clock.cancel()
        if not answer:
            raise Failed(f"no answer to \"{line}\" (status {self.process.poll()}, {self.log.name})")
        if answer.startswith("error"):
            raise Failed(answer.removeprefix("error "))
        return answer

    def microseconds(self, what, steps):
        found = float(self.ask(f"{what} {steps}"))
        if not (math.isfinite(found) and found > 0):
            raise Failed(f"{what} took {found} microseconds")
        return found

    def megabytes(self):
        """the most that it has held so far"""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return round(int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1024, 1)

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()


class Entry:
    """one setting of one program"""

    def __init__(self, program, group, what, variant, setting):
        self.program, self.group, self.what, self.variant = program, group, what, variant
        self.label = ", ".join(filter(None, (setting.replace(".", " "), variant)))
        self.times, self.steps, self.megabytes = [], 0, 0.0

    def prepare(self, seconds):
        steps = 4
        self.program.microseconds(self.what, steps)  # may allocate and compile
        while (found := self.program.microseconds(self.what, steps)) * steps < 2e4:
            steps *= 4
        self.steps = 4 * max(1, round(seconds * 1e6 / found / 4))
        # A process that served other workloads says nothing of this one's.
        self.megabytes = None if self.variant else self.program.megabytes()

    def measure(self):
        self.times.append(self.program.microseconds(self.what, self.steps))

    @property
    def median(self):
        return statistics.median(self.times)


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def pytorch(config, variables=None):
    return Program([sys.executable, pathlib.Path(__file__).with_name("pytorch.py")], config, variables)


def libtorch_settings(workload):
    if workload == "mlp_pcgrad_libmtl":
        return []
    return [setting for setting in LIBTORCH if not (
        setting == "fused" and workload == "predict_1" or setting == "last" and "mlp" in workload)]


def apart(ours, theirs):
    """{"losses"|"gram"|"affinities"|"outputs": numbers}: the largest difference, over the largest number or 1"""
    (kind, a), = ours.items()
    b = theirs.get(kind, [])
    if len(a) != len(b) or not a:
        raise Failed(f"ours has {len(a)} {kind}, the peer {len(b)}")
    if not all(map(math.isfinite, a + b)):
        return math.inf
    # A Gram matrix has a scale of its own, and small numbers; so have affinities.
    scale = max(map(abs, a)) if kind in ("gram", "affinities") else max(1.0, *map(abs, a))
    return max(abs(x - y) for x, y in zip(a, b)) / scale


def check(config):
    """Do all do the same work? From the same weights and data, the same losses, gradients or outputs."""
    good, peers = True, {"pytorch": pytorch(config)}
    ours = Program([config.ours], config)
    if config.libtorch:
        peers["libtorch"] = Program([config.libtorch], config)
    for workload in config.only:
        folder = config.work / "check" / workload
        folder.mkdir(parents=True, exist_ok=True)
        wanted = json.loads(ours.ask(f"check {workload} {folder}"))
        groups = json.loads(peers["pytorch"].ask(f"settings {workload}"))
        settings = {"pytorch": [setting for group in groups.values() for setting in group
                                if not any(word in setting for word in ("compiled", "autotuned", "frozen"))],
                    "libtorch": libtorch_settings(workload)}
        for name, peer in peers.items():
            for setting in settings[name]:
                try:
                    distance = apart(wanted, json.loads(peer.ask(f"check {workload}:{setting} {folder}")))
                    what = f"{next(iter(wanted))} {distance:.1e} apart, {TOLERANCE:.0e} allowed"
                except Failed as error:
                    distance, what = math.inf, str(error)
                same = distance <= TOLERANCE
                good &= same
                say(f"check: {workload}, {name} {setting}: {what}: {'good' if same else 'FAILED'}")
    for program in (ours, *peers.values()):
        program.end()
    return good


class Pool:
    """the programs that run: those that serve every workload, and those of one workload, whose memory is its own"""

    def __init__(self):
        self.kept, self.own = {}, []

    def start(self, make, key=None):
        if key is None:
            self.own.append(make())
            return self.own[-1]
        if key in self.kept and self.kept[key].process.poll() is not None:
            self.kept.pop(key).end()
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def end_own(self):
        while self.own:
            self.own.pop().end()

    def end(self):
        self.end_own()
        while self.kept:
            self.kept.popitem()[1].end()


def entries_of(workload, config, pool, errors, late):
    """ours first, then each peer's settings, warmed up"""
    start = pool.start
    ours = start(lambda: Program([config.ours], config))
    about = json.loads(ours.ask(f"about {workload}"))
    wanted = [Entry(ours, "mtlx", workload, "", "")]
    found = []
    for variant, variables in VARIANTS.items():
        if config.quick and variant == "avx2":
            continue
        eager = start(lambda: pytorch(config, variables), variant and "pytorch " + variant or None)
        groups = json.loads(eager.ask(f"settings {workload}"))
        for group, settings in groups.items():
            if "compiled" in group or "frozen" in group:
                continue
            wanted += [Entry(eager, group, f"{workload}:{setting}", variant, setting) for setting in settings]
        if config.libtorch and libtorch_settings(workload):
            native = start(lambda: Program([config.libtorch], config, variables),
                           variant and "libtorch " + variant or None)
            for setting in libtorch_settings(workload):
                wanted.append(Entry(native, "libtorch", f"{workload}:{setting}", variant, setting))
    if not late and (not config.quick or workload in COMPILED_IF_QUICK):
        compiled = start(lambda: pytorch(config))
        for group, settings in groups.items():
            if "compiled" not in group and "frozen" not in group:
                continue
            for setting in settings:
                if not (config.quick and "autotuned" in setting):
                    wanted.append(Entry(compiled, group, f"{workload}:{setting}", "", setting))
    for entry in wanted:
        try:
            entry.prepare(config.seconds)
            found.append(entry)
        except Failed as error:
            if entry.group == "mtlx":
                raise
            errors.append(f"{workload}, {entry.group}, {entry.label}: {error}")
            say(errors[-1])
    return about, found


def measure(workload, config, pool, peaks, errors, begin, until):
    try:
        about, entries = entries_of(workload, config, pool, errors, time.monotonic() > until)
        memory = {entry.group: entry.megabytes for entry in reversed(entries) if not entry.variant}
        ours = entries[0]
        rounds = 0
        while rounds < config.rounds and (rounds < FEWEST or time.monotonic() < until):
            peak = Program([config.ours], config)
            peaks.append(float(peak.ask("peak")))
            peak.end()
            for entry in list(entries):
                try:
                    entry.measure()
                except Failed as error:
                    if entry is ours:
                        raise
                    errors.append(f"{workload}, {entry.group}, {entry.label}: {error}")
                    say(errors[-1])
                    entries.remove(entry)
            rounds += 1
            if rounds == 1:
                best = {group: min(entry.times[0] for entry in entries if entry.group == group)
                        for group in {entry.group for entry in entries}}
                entries = [entry for entry in entries if entry.times[0] <= NEAR * best[entry.group]]
        ours.megabytes = ours.program.megabytes()
    finally:
        pool.end_own()
    say(f"{workload}: {rounds} rounds, load {os.getloadavg()[0]:.1f}, {time.monotonic() - begin:.0f} s so far")
    fastest = {}
    for entry in entries[1:]:
        if entry.group not in fastest or entry.median < fastest[entry.group].median:
            fastest[entry.group] = entry
    plain = [fastest[group] for group in ("pytorch", "libtorch") if group in fastest]
    if not plain:
        raise Failed(f"{workload}: no peer could be timed")
    peer = min(plain, key=lambda entry: entry.median)
    by_round = [min(times) / mine for mine, *times in zip(ours.times, *(entry.times for entry in plain))]
    return {
        "workload": workload, "ours_us": ours.median,
        "peers": {group: entry.median for group, entry in fastest.items()},
        "ratio": peer.median / ours.median, "peak_fraction": None, "resident_mb": ours.megabytes,
        "rounds": rounds, "ratio_least_most": [min(by_round), max(by_round)], "operations": about["operations"],
        "parameters": about["parameters"], "batch": about["batch"],
        "least_most_us": {entry.group: [min(entry.times), max(entry.times)] for entry in (ours, *fastest.values())},
        "settings": {group: entry.label for group, entry in fastest.items()},
        # A process's settings add up: its first one is what one alone holds.
        "peers_resident_mb": {group: memory.get(group) for group in fastest},
    }


def busy():
    """how many cores others keep busy, while this waits"""
    def ticks():
        numbers = [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return sum(numbers), numbers[3] + numbers[4]
    before = ticks()
    time.sleep(1)
    total, idle = (now - then for now, then in zip(ticks(), before))
    return round(os.cpu_count() * (1 - idle / max(total, 1)), 2)


def facts(config):
    import torch
    cpu = dict(line.split(":", 1) for line in pathlib.Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
               if ":" in line)
    cpu = {name.strip(): value.strip() for name, value in cpu.items()}
    return {"processor": f"{cpu.get('model name', platform.machine())}, family {cpu.get('cpu family', '?')} model "
                         f"{cpu.get('model', '?')}, {os.cpu_count()} cores",
            "busy_before": busy(), "threads": config.threads, "quick": config.quick,
            "round_seconds": config.seconds, "flags": config.flags,
            "versions": {"torch": torch.__version__, "libtorch": torch.__version__ if config.libtorch else None,
                         "python": platform.python_version(), "capability": torch.backends.cpu.get_cpu_capability()
                         if hasattr(torch.backends, "cpu") else None}}


def table(report):
    print(f"processor: {report['processor']}; {report['threads']} thread(s); peak {report['peak_gflops']:.0f} GFLOP/s "
          "a core, measured between the rounds")
    print(f"mtlx: {report['flags']}")
    versions = report["versions"]
    print(f"peers: PyTorch {versions['torch']} ({versions['capability']}), Python {versions['python']}, "
          f"{'LibTorch of the same package' if versions['libtorch'] else 'no LibTorch'}; denormals flushed; fastest "
          "setting of each")
    if report["busy_before"] > 0.1:
        print(f"NOT QUIET: others kept {report['busy_before']:.1f} cores busy before the first round; these figures "
              "are worth little")
    print("ratio: the faster of pytorch (eager) and libtorch over mtlx, by round from least to most; others: that one "
          "over mtlx\n")
    print(f"{'workload':18} {'program':27} {'us/step':>10} {'least - most':>19} {'ratio':>6} {'by round':>13} "
          f"{'peak':>5} {'MB':>5}  setting")
    for row in report["rows"]:
        def line(first, name, us, ratio, by_round, peak, megabytes, setting):
            least, most = row["least_most_us"][name]
            print(f"{first:18} {name:27} {us:10.1f} {least:9.1f} -{most:8.1f} {ratio:6.2f} {by_round:>13} {peak:>5} "
                  f"{'' if megabytes is None else round(megabytes):>5}  {setting}".rstrip())
        least, most = row["ratio_least_most"]
        line(row["workload"], "mtlx", row["ours_us"], row["ratio"], f"{least:.2f} - {most:.2f}",
             f"{100 * row['peak_fraction']:.0f} %", row["resident_mb"], "")
        for name, us in row["peers"].items():
            line("", name, us, us / row["ours_us"], "", "", row["peers_resident_mb"][name], row["settings"][name])


def against(report, stored):
    """Prints how far each workload is from what is stored. True if none has become slower, by its share of the peak."""
    print(f"\n{'workload':18} {'ratio':>6} {'stored':>7} {'peak':>6} {'stored':>7}")
    good = True
    for row in report["rows"]:
        before = stored.get(row["workload"])
        if before is None:
            print(f"{row['workload']:18} {row['ratio']:6.2f} {'none':>7} {100 * row['peak_fraction']:4.0f} % {'none':>7}")
            continue
        slower = row["peak_fraction"] < (1 - SLOWER) * before["peak_fraction"]
        good = good and not slower
        print(f"{row['workload']:18} {row['ratio']:6.2f} {before['ratio']:7.2f} {100 * row['peak_fraction']:4.0f} % "
              f"{100 * before['peak_fraction']:5.0f} %{'  SLOWER' if slower else ''}")
    print("the same or faster" if good else f"slower: a share of the peak is more than {100 * SLOWER:.0f} % lower")
    return good


def main():
    parser = argparse.ArgumentParser(usage=__doc__.removeprefix("usage: "))
    parser.add_argument("--ours", type=pathlib.Path, required=True)
    parser.add_argument("--libtorch", type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--flags", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--against", type=pathlib.Path)
    parser.add_argument("--store", type=pathlib.Path)
    parser.add_argument("--threads", type=int, choices=(1, 2), default=1)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=WORKLOADS, metavar="WORKLOAD")
    config = parser.parse_args()
    config.seconds = 0.15 if config.quick else 0.3
    config.rounds = config.rounds or (5 if config.quick else 9)
    # The first core serves most interrupts.
    config.cores = sorted(os.sched_getaffinity(0), reverse=True)[:config.threads]
    if len(config.cores) < config.threads:
        sys.exit(f"bench: {config.threads} threads on {len(config.cores)} core")
    (config.work / "peers.log").unlink(missing_ok=True)
    begin, pool = time.monotonic(), Pool()
    try:
        if not check(config):
            sys.exit("bench: ours and a peer don't do the same work")
        if config.check:
            return
        report = facts(config)
        report["rows"], report["errors"], peaks = [], [], []
        share = [3 if workload in COMPILED_IF_QUICK else 1 for workload in config.only]
        for i, workload in enumerate(config.only):
            until = begin + QUICK_SECONDS * sum(share[:i + 1]) / sum(share) if config.quick else math.inf
            report["rows"].append(measure(workload, config, pool, peaks, report["errors"], begin, until))
    except Failed as error:
        sys.exit(f"bench: {error}")
    finally:
        pool.end()
    report["peak_gflops"] = max(peaks) / 1e9
    for row in report["rows"]:
        row["peak_fraction"] = row["operations"] / (row["ours_us"] * 1e-6) / (config.threads * max(peaks))
    report["seconds"] = round(time.monotonic() - begin, 1)
    if config.json:
        config.json.write_text(json.dumps(report, indent=1) + "\n")
    table(report)
    if config.store:
        kept = json.loads(config.store.read_text()) if config.store.exists() else {}
        kept.update({row["workload"]: {"ratio": round(row["ratio"], 2), "peak_fraction": round(row["peak_fraction"], 3)}
                     for row in report["rows"]})
        config.store.write_text("{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}"
                                                   for name, row in kept.items()) + "\n}\n")
    if config.against and not against(report, json.loads(config.against.read_text())):
        sys.exit(1)


if __name__ == "__main__":
    main()
