# SPDX-License-Identifier: MIT
"""usage: peer.py fashion|yeast|tox21 [option]...

The studies of examples/ in PyTorch (and, for tables, scikit-learn), on the same samples: pairs, splits and validation
samples come from the same counter-based random numbers as in the library; first weights and batches are PyTorch's own.

fashion   examples/multi_fashion.cpp. --style says how it is written:
            libmtl  as LibMTL's Trainer does it: a DataLoader over a Dataset, a trainer for each single task, a meter that
                    is told of every batch, the validation set after every epoch
            lean    tensors in memory, indexed by batches; a fused Adam; single tasks in one pass over the data; losses are
                    read once an epoch
yeast     examples/08_study_of_your_csv.cpp; --data is its file
tox21     bench/studies/tox21.cpp; --data is its file
          Both: learning rates tried on the first split's validation samples, early stopping, the best epoch's weights; then
          scikit-learn's logistic regression, its C chosen on each split's validation samples.

--data PATH     the file, or Fashion-MNIST's folder
--seeds N       runs, or splits (fashion 3, tables 10)
--epochs N      (fashion 3, tables 60)
--rates R,R...  learning rates to try (fashion 1e-3 alone, tables 3e-4,1e-3,3e-3)
--limit N       fashion: pictures of each split (all)
--jobs N        fashion: trainings side by side, each on one thread (1, on as many threads as --threads says)
--threads N     of one training (2)
--workers N     of the DataLoader (LibMTL's examples have 2)
--only NAME     single or hard
--json FILE     all runs, for against.py. Tables: what is there already, of the same settings, is not trained again.
"""

import argparse
import csv
import gzip
import hashlib
import json
import multiprocessing
import pathlib
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

SPLIT, BUILD = 7, 8  # enum class Purpose in core/random.hpp
BATCH = {"fashion": 256, "yeast": 64, "tox21": 64}
PATIENCE = 8
TUNING_SEED = 1 << 32  # added to the study's first seed, as study::compare does


class Random:
    """core/random.hpp: Philox4x32-10, a stream for each (seed, purpose, stream)."""

    BLOCK = 1 << 16

    def __init__(self, seed, purpose, stream=0):
        self.key = [seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF]
        self.rest = [purpose, stream & 0xFFFFFFFF, stream >> 32]
        self.blocks, self.words, self.at = 0, np.empty(0, np.uint64), 0

    def more(self):
        low = np.uint64(0xFFFFFFFF)
        counter = [np.arange(self.blocks, self.blocks + self.BLOCK, dtype=np.uint64)]
        counter += [np.full(self.BLOCK, word, np.uint64) for word in self.rest]
        key = list(self.key)
        for _ in range(10):
            a, b = counter[0] * np.uint64(0xD2511F53), counter[2] * np.uint64(0xCD9E8D57)
            counter = [b >> np.uint64(32) ^ counter[1] ^ np.uint64(key[0]), b & low,
                       a >> np.uint64(32) ^ counter[3] ^ np.uint64(key[1]), a & low]
            key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
        self.blocks += self.BLOCK
        self.words = np.concatenate([self.words[self.at:], np.stack(counter, 1).reshape(-1)])
        self.at = 0

    def below(self, bound):
        while True:
            if self.at == len(self.words):
                self.more()
            product = int(self.words[self.at]) * bound
            self.at += 1
            if (product & 0xFFFFFFFF) >= (1 << 32) % bound:
                return product >> 32

    def permutation(self, size):
        order = list(range(size))
        for left in range(size, 1, -1):
            other = self.below(left)
            order[left - 1], order[other] = order[other], order[left - 1]
        return order


def split(samples, fraction, seed):
    """data::split: two parts, each in the order of `samples`."""
    first = int(fraction * len(samples) + 0.5)
    order = Random(seed, SPLIT).permutation(len(samples))
    return [samples[i] for i in sorted(order[:first])], [samples[i] for i in sorted(order[first:])]


def parts(size, seed, validation, test):
    """study::Splits: what is trained, validated and tested on."""
    rest, tested = split(list(range(size)), 1 - test, seed)
    trained, validated = split(rest, 1 - validation, ~seed & (1 << 64) - 1)
    return trained, validated, tested


# Multi-Fashion.


def idx(path):
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    sides = [int.from_bytes(raw[4 + 4 * i:8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * len(sides)).reshape(sides)


def photos(folder, name, limit):
    return tuple(idx(pathlib.Path(folder, f"{name}-{kind}-ubyte.gz"))[:limit] for kind in ("images-idx3", "labels-idx1"))


def pairs(pictures, labels, stream):
    """data::pair_up: 36 x 36, two rounds, seed 1."""
    n = len(labels)
    random = Random(1, BUILD, stream)
    left = np.arange(2 * n) % n
    right = np.fromiter((random.below(n - 1) for _ in range(2 * n)), np.int64, 2 * n)
    right += right >= left
    both = np.zeros((2 * n, 36, 36), np.uint8)
    both[:, :28, :28] = pictures[left]
    both[:, 6:34, 6:34] = np.maximum(both[:, 6:34, 6:34], pictures[right])
    return both, np.stack([labels[left], labels[right]], 1).astype(np.int64)


class Fashion:
    """Training, validation and test tensors, as data::multi_fashion_parts pairs them: the last tenth of the photos apart."""

    def __init__(self, folder, limit):
        x, y = photos(folder, "train", limit)
        first = len(y) - int(0.1 * len(y) + 0.5)
        train, validation = pairs(x[:first], y[:first], 0), pairs(x[first:], y[first:], 2)
        mean, deviation = train[0].mean() / 255, train[0].std() / 255
        test = pairs(*photos(folder, "t10k", limit), 1)

        def tensors(x, y):
            return torch.from_numpy((x[:, None] / np.float32(255) - mean.astype(np.float32)) /
                                    deviation.astype(np.float32)).float(), torch.from_numpy(y)
        self.train, self.validation, self.test = tensors(*train), tensors(*validation), tensors(*test)


def trunk():
    return nn.Sequential(nn.Conv2d(1, 10, 9), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(10, 20, 5), nn.MaxPool2d(2),
                         nn.ReLU(), nn.Flatten(), nn.Linear(500, 50), nn.ReLU())


class Hard(nn.Module):
    def __init__(self, tasks):
        super().__init__()
        self.trunk, self.heads = trunk(), nn.ModuleList(nn.Linear(50, 10) for _ in tasks)

    def forward(self, x):
        shared = self.trunk(x)
        return [head(shared) for head in self.heads]


class Single(nn.Module):
    def __init__(self, tasks):
        super().__init__()
        self.networks = nn.ModuleList(Hard([task]) for task in tasks)

    def forward(self, x):
        return [network(x)[0] for network in self.networks]


def accuracy(model, x, y):
    model.eval()
    with torch.inference_mode():
        right = sum(torch.stack([z.argmax(1) for z in model(a)], 1).eq(b).sum(0)
                    for a, b in zip(x.split(1000), y.split(1000)))
    return (right / len(x)).tolist()


def lean(data, name, seed, epochs, rate):
    torch.manual_seed(seed)
    model = (Single if name == "single" else Hard)([0, 1])
    adam = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    x, y = data.train
    loss = 0.0
    for epoch in range(epochs):
        model.train()
        for samples in torch.randperm(len(x)).split(BATCH["fashion"]):
            a, b = x[samples], y[samples]
            each = [functional.cross_entropy(z, b[:, t]) for t, z in enumerate(model(a))]
            adam.zero_grad()
            sum(each).backward()
            adam.step()
            loss = sum(each).detach()
        validated = accuracy(model, *data.validation)
        print(f"{name}, seed {seed}, epoch {epoch + 1}: last loss {float(loss):.4f}, validation "
              f"{' '.join(f'{v:.4f}' for v in validated)}", file=sys.stderr, flush=True)
    return validated, accuracy(model, *data.test)


class Pairs(torch.utils.data.Dataset):
    """a sample and its labels by task, as LibMTL's data sets give them"""

    def __init__(self, x, y, tasks):
        self.x, self.y, self.tasks = x, y, tasks

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], {task: self.y[i, task] for task in self.tasks}


class Meter:
    """of each task, mean loss and accuracy, told of every batch"""

    def __init__(self, tasks):
        self.tasks, self.count = tasks, 0
        self.loss, self.right = dict.fromkeys(tasks, 0.0), dict.fromkeys(tasks, 0)

    def update(self, losses, outputs, labels):
        for task in self.tasks:
            size = len(labels[task])
            self.loss[task] += losses[task].item() * size
            self.right[task] += outputs[task].argmax(1).eq(labels[task]).sum().item()
        self.count += size

    def accuracy(self):
        return {task: self.right[task] / self.count for task in self.tasks}


def trainer(data, tasks, seed, epochs, rate):
    """LibMTL's Trainer with hard parameter sharing and equal weights."""
    torch.manual_seed(seed)
    model = Hard(tasks)
    adam = torch.optim.Adam(model.parameters(), lr=rate)
    loaders = {name: torch.utils.data.DataLoader(Pairs(*getattr(data, name), tasks), BATCH["fashion"],
                                                 shuffle=name == "train", num_workers=WORKERS) for name in ("train", "validation", "test")}

    def losses_of(x, labels):
        outputs = dict(zip(tasks, model(x)))
        return outputs, {task: functional.cross_entropy(outputs[task], labels[task]) for task in tasks}

    def evaluate(name):
        meter = Meter(tasks)
        model.eval()
        with torch.no_grad():
            for x, labels in loaders[name]:
                outputs, losses = losses_of(x, labels)
                meter.update(losses, outputs, labels)
        return meter.accuracy()

    for epoch in range(epochs):
        model.train()
        meter = Meter(tasks)
        for x, labels in loaders["train"]:
            outputs, losses = losses_of(x, labels)
            meter.update(losses, outputs, labels)
            adam.zero_grad(set_to_none=False)
            sum(losses.values()).backward()
            adam.step()
        validated = evaluate("validation")
        print(f"tasks {tasks}, seed {seed}, epoch {epoch + 1}: training {meter.accuracy()}, validation {validated}",
              file=sys.stderr, flush=True)
    return validated, evaluate("test")


def libmtl(data, name, seed, epochs, rate):
    groups = [[0], [1]] if name == "single" else [[0, 1]]
    validated, tested = {}, {}
    for tasks in groups:
        for to, found in zip((validated, tested), trainer(data, tasks, seed, epochs, rate)):
            to.update(found)
    return [[found[task] for task in (0, 1)] for found in (validated, tested)]


DATA = None  # of a forked process
WORKERS = 2


def fashion_run(job):
    style, name, seed, epochs, rate = job
    begin = time.monotonic()
    validated, tested = {"lean": lean, "libmtl": libmtl}[style](DATA, name, seed, epochs, rate)
    return {"candidate": name, "seed": seed, "rate": rate, "validation": validated, "metrics": tested,
            "seconds": time.monotonic() - begin}


def fashion(config):
    global DATA
    DATA = Fashion(config.data or "/usr/share/datasets/fashion-mnist", config.limit)
    names = [config.only] if config.only else ["single", "hard"]

    def run(jobs):
        if config.jobs < 2:
            return [fashion_run(job) for job in jobs]
        torch.set_num_threads(1)
        with multiprocessing.get_context("fork").Pool(config.jobs) as pool:
            return pool.map(fashion_run, jobs, chunksize=1)
    rates = config.rates or [1e-3]
    chosen = dict.fromkeys(names, rates[0])
    if len(rates) > 1:
        tries = run([(config.style, name, TUNING_SEED + 1, config.epochs or 3, rate) for name in names for rate in rates])
        for name in names:
            chosen[name] = max((t for t in tries if t["candidate"] == name), key=lambda t: sum(t["validation"]))["rate"]
    return run([(config.style, name, seed, config.epochs or 3, chosen[name])
                for seed in range(1, (config.seeds or 3) + 1) for name in names])


# Tables.


def ngrams(texts):
    """data::ngrams with signs and logarithms"""
    from sklearn.feature_extraction.text import HashingVectorizer
    vectorizer = HashingVectorizer(analyzer="char", lowercase=False, norm=None, n_features=1024, ngram_range=(1, 4))
    counts = vectorizer.transform(texts).toarray().astype(np.float32)
    return np.sign(counts) * np.log1p(np.abs(counts))


def table(name, path):
    open_it = gzip.open if str(path).endswith(".gz") else open
    with open_it(path, "rt") as file:
        head, *rows = csv.reader(file)
    if name == "yeast":
        targets = [c for c, title in enumerate(head) if title.startswith("label")]
        x = np.array([[float(cell) for c, cell in enumerate(row) if c not in targets] for row in rows], np.float32)
    else:
        targets = range(12)
        x = ngrams([row[head.index("smiles")] for row in rows])
    y = np.array([[float(row[c]) if row[c] else np.nan for c in targets] for row in rows], np.float32)
    return x, y, [head[c] for c in targets]


class Mlps(nn.Module):
    """in-128-64-1 for each task, or with the first two layers shared; PyTorch's own first weights. The networks of the
    single tasks are computed side by side; Adam and the losses' sum keep them apart."""

    def __init__(self, inputs, tasks, shared):
        super().__init__()

        def uniform(trunks, fan_in, outputs):
            bound = fan_in ** -0.5
            return (nn.Parameter(torch.empty(trunks, fan_in, outputs).uniform_(-bound, bound)),
                    nn.Parameter(torch.empty(trunks, 1, outputs).uniform_(-bound, bound)))
        trunks = 1 if shared else tasks
        self.w1, self.b1 = uniform(trunks, inputs, 128)
        self.w2, self.b2 = uniform(trunks, 128, 64)
        self.w3, self.b3 = uniform(tasks, 64, 1)

    def forward(self, x):
        z = x.expand(len(self.w1), *x.shape)
        for w, b in ((self.w1, self.b1), (self.w2, self.b2)):
            z = functional.dropout(torch.relu(torch.baddbmm(b, z, w)), 0.25, self.training)
        return torch.baddbmm(self.b3, z.expand(len(self.w3), *z.shape[1:]), self.w3)[:, :, 0].T


def losses(outputs, y):
    there = ~torch.isnan(y)
    each = functional.binary_cross_entropy_with_logits(outputs, torch.nan_to_num(y), reduction="none") * there
    return each.sum(0) / there.sum(0).clamp(min=1)


def aucs(scores, y):
    from sklearn.metrics import roc_auc_score
    found = []
    for t in range(y.shape[1]):
        there = ~np.isnan(y[:, t])
        both = 0 < y[there, t].sum() < there.sum()
        found.append(float(roc_auc_score(y[there, t], scores[there, t])) if both else None)
    return found


def standardised(x, trained):
    mean, deviation = x[trained].mean(0, dtype=np.float64), x[trained].std(0, dtype=np.float64)
    return ((x - mean) / np.where(deviation > 0, deviation, 1)).astype(np.float32)


def mlp_run(x, y, seed, split_seed, shared, rate, epochs, batch):
    """(validation loss, test AUCs with one best epoch for all tasks, with each task's own)"""
    trained, validated, tested = parts(len(x), split_seed, 0.25, 0.2)
    x, y = torch.from_numpy(standardised(x, trained)), torch.from_numpy(y)
    trained, validated, tested = map(torch.tensor, (trained, validated, tested))
    torch.manual_seed(seed)
    model = Mlps(x.shape[1], y.shape[1], shared)
    adam = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    best, best_each, since = np.inf, np.full(y.shape[1], np.inf), 0
    scores_each = np.zeros((len(tested), y.shape[1]))
    for _ in range(epochs):
        model.train()
        for batch_samples in torch.randperm(len(trained)).split(batch):
            samples = trained[batch_samples]
            adam.zero_grad()
            losses(model(x[samples]), y[samples]).sum().backward()
            adam.step()
        model.eval()
        with torch.inference_mode():
            loss = losses(model(x[validated]), y[validated]).numpy()
            outputs = model(x[tested]).numpy()
        better = loss < best_each
        best_each[better], scores_each[:, better] = loss[better], outputs[:, better]
        since += 1
        if loss.mean() < best:
            best, scores, since = loss.mean(), outputs, 0
        if since >= PATIENCE:
            break
    truth = y[tested].numpy()
    return float(best), aucs(scores, truth), aucs(scores_each, truth)


def logistic_run(x, y, split_seed):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    trained, validated, tested = parts(len(x), split_seed, 0.25, 0.2)
    x = standardised(x, trained)
    scores = np.zeros((len(tested), y.shape[1]))
    for t in range(y.shape[1]):
        fit, judge = ([i for i in rows if not np.isnan(y[i, t])] for rows in (trained, validated))
        found = []
        for c in (1e-3, 1e-2, 1e-1):
            model = LogisticRegression(C=c, max_iter=300).fit(x[fit], y[fit, t])
            found.append((log_loss(y[judge, t], model.predict_proba(x[judge])[:, 1], labels=[0, 1]), c, model))
        scores[:, t] = min(found)[2].decision_function(x[tested])
    return aucs(scores, y[tested])


def write(config, runs, **more):
    if config.json:
        part = pathlib.Path(config.json + ".partial")
        part.write_text(json.dumps({"study": config.study, "runs": runs, **more}) + "\n")
        part.replace(config.json)


def tables(config, name):
    x, y, _ = table(name, config.data)
    epochs, rates = config.epochs or 60, config.rates or [3e-4, 1e-3, 3e-3]
    # What decides the results: a file of other settings is refused, not gone on with.
    settings = {"epochs": epochs, "rates": rates, "data": hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest(),
                "torch": torch.__version__}
    kept = {"settings": settings, "tries": [], "runs": []}
    if config.json and pathlib.Path(config.json).exists():
        kept = {**kept, "settings": None, **json.loads(pathlib.Path(config.json).read_text())}
        if kept["settings"] != settings:
            sys.exit(f"{config.json} is of {kept['settings']}, and not of {settings}: move it away")
    tries, runs = kept["tries"], kept["runs"]
    wanted = range(1, (config.seeds or 10) + 1)

    def keep(*new):
        for run in new:
            known = [value for value in run["metrics"] if value is not None]
            print(f"{run['candidate']}, seed {run['seed']}: mean AUC {sum(known) / len(known):.4f}", file=sys.stderr,
                  flush=True)
        runs.extend(new)
        write(config, runs, settings=settings, tries=tries)

    def there(candidate):
        return {run["seed"] for run in runs if run["candidate"] == candidate}

    def best_rate(candidate):
        for rate in rates if len(rates) > 1 else []:
            if any(t["candidate"] == candidate and t["rate"] == rate for t in tries):
                continue
            loss = mlp_run(x, y, TUNING_SEED + 1, 1, candidate == "hard", rate, epochs, BATCH[name])[0]
            tries.append({"candidate": candidate, "rate": rate, "validation": loss})
            keep()
        found = {t["rate"]: t["validation"] for t in tries if t["candidate"] == candidate}
        return min(rates, key=lambda rate: found.get(rate, 0))
    for candidate in [config.only] if config.only else ["single", "hard"]:
        rate = best_rate(candidate)
        for seed in wanted:
            if seed in there(candidate):
                continue
            begin = time.monotonic()
            _, together, each = mlp_run(x, y, seed, seed, candidate == "hard", rate, epochs, BATCH[name])
            of_seed = {"seed": seed, "rate": rate, "seconds": time.monotonic() - begin}
            new = [{"candidate": candidate, **of_seed, "metrics": together}]
            if candidate == "single":
                new.append({"candidate": "single, each task's own best epoch", **of_seed, "metrics": each})
            keep(*new)
    for seed in wanted:
        if seed not in there("logistic regression"):
            begin = time.monotonic()
            metrics = logistic_run(x, y, seed)
            keep({"candidate": "logistic regression", "seed": seed, "rate": None, "metrics": metrics,
                  "seconds": time.monotonic() - begin})
    return runs


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("study", choices=["fashion", "yeast", "tox21"])
    parser.add_argument("--style", choices=["libmtl", "lean"], default="libmtl")
    parser.add_argument("--data")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--rates", type=lambda text: [float(word) for word in text.split(",")])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", choices=["single", "hard"])
    parser.add_argument("--json")
    config = parser.parse_args()
    if config.study != "fashion" and not config.data:
        parser.error(f"{config.study} needs --data")
    global WORKERS
    WORKERS = config.workers
    torch.set_num_threads(config.threads)
    torch.set_flush_denormal(True)
    begin = time.monotonic()
    runs = fashion(config) if config.study == "fashion" else tables(config, config.study)
    seconds = time.monotonic() - begin
    for candidate in dict.fromkeys(run["candidate"] for run in runs):
        means = [np.mean([m for m in run["metrics"] if m is not None]) for run in runs if run["candidate"] == candidate]
        rate = {run["rate"] for run in runs if run["candidate"] == candidate}
        print(f"{candidate}: mean over tasks {np.mean(means):.4f} +- {np.std(means, ddof=1) if len(means) > 1 else 0:.4f}"
              f" over {len(means)} runs" + (f", learning rate {rate.pop():g}" if rate != {None} else ""))
    print(f"{seconds:.1f} s, torch {torch.__version__}")
    if config.study == "fashion":
        write(config, runs)


if __name__ == "__main__":
    main()
