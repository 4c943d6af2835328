# SPDX-License-Identifier: MIT
"""usage: gum_peer.py FOLDER [--alphas A,A...]

scikit-learn's logistic regression beside bench/studies/gum.cpp: for each token the same words, prefixes, suffixes and shapes,
each task alone, its alpha chosen on the dev file. Prints accuracy and, by seqeval, F1 of spans, on dev and test.

Needs scikit-learn and seqeval.
"""

import argparse
import gzip
import pathlib

import numpy as np
from seqeval.metrics import f1_score
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import SGDClassifier

TASKS = {"pos": 1, "chunk": 2, "entity": 3}


def sentences(folder, part):
    """Of (word, pos, chunk, entity)."""
    path = pathlib.Path(folder) / f"en_gum-free-{part}.conllu"
    with path.open() if path.exists() else gzip.open(f"{path}.gz", "rt", encoding="utf-8") as lines:
        found = [[]]
        for line in lines:
            cells = line.rstrip("\n").split("\t")
            if cells[0].isdigit():
                misc = dict(pair.split("=", 1) for pair in cells[9].split("|"))
                found[-1].append((cells[1], cells[3], misc["Chunk"], misc["NER"]))
            elif cells == [""]:
                found.append([])
    return [sentence for sentence in found if sentence]


def shape(word):
    kinds = ["X" if c.isupper() else "x" if c.islower() else "d" if c.isdigit() else c for c in word]
    return "".join(kind for i, kind in enumerate(kinds) if i == 0 or kinds[i - 1] != kind)


def features(sentence, at):
    seen = {}
    for place in range(-2, 3):
        word = sentence[at + place][0] if 0 <= at + place < len(sentence) else "<>"
        lower = word.lower()
        seen[f"word {place} {lower}"] = 1
        if abs(place) < 2:
            seen[f"shape {place} {shape(word)}"] = 1
            for n in range(1, 4):
                seen[f"prefix {place} {n} {lower[:n]}"] = seen[f"suffix {place} {n} {lower[-n:]}"] = 1
    return seen


def scores(text, task, answers):
    truth = [[token[TASKS[task]] for token in sentence] for sentence in text]
    answers = iter(answers)
    said = [[next(answers) for _ in sentence] for sentence in text]
    accuracy = np.mean([a == b for one, other in zip(truth, said) for a, b in zip(one, other)])
    return float(accuracy), None if task == "pos" else float(f1_score(truth, said))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--alphas", default="3e-6,1e-5,3e-5")
    arguments = parser.parse_args()
    text = {part: sentences(arguments.folder, part) for part in ("train", "dev", "test")}
    vectorizer = DictVectorizer(dtype=np.float32)
    x = {}
    for part, content in text.items():
        of_tokens = (features(sentence, i) for sentence in content for i in range(len(sentence)))
        x[part] = vectorizer.fit_transform(of_tokens) if part == "train" else vectorizer.transform(of_tokens)
        x[part].indices = x[part].indices.astype(np.int32)  # SGDClassifier takes no others
        x[part].indptr = x[part].indptr.astype(np.int32)
    for task, column in TASKS.items():
        y = [token[column] for sentence in text["train"] for token in sentence]
        best = None
        for alpha in map(float, arguments.alphas.split(",")):
            model = SGDClassifier(loss="log_loss", alpha=alpha, max_iter=8, tol=None, random_state=0).fit(x["train"], y)
            found = {part: scores(text[part], task, model.predict(x[part])) for part in ("dev", "test")}
            primary = found["dev"][task != "pos"]
            if best is None or primary > best[0]:
                best = primary, alpha, found
        print(task, f"alpha {best[1]:g}", *(f"{part}: accuracy {accuracy:.4f}" + (f", span F1 {f1:.4f}" if f1 else "")
                                            for part, (accuracy, f1) in best[2].items()), sep="; ", flush=True)


if __name__ == "__main__":
    main()
