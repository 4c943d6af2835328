# SPDX-License-Identifier: MIT
"""Writes tests/nn/span_oracle.inc: what seqeval, which counts as conlleval does, says of tagged sentences.

usage: scripts/oracle/spans.py > tests/nn/span_oracle.inc

Needs seqeval; the test that reads the file does not. A class is a letter: a is O, b B-0, c I-0, d B-1 and so on; a blank is
between sentences.
"""

import random

import seqeval.metrics
from importlib.metadata import version

TYPES = 3
NAMES = ["O"] + [f"{prefix}-{kind}" for kind in range(TYPES) for prefix in "BI"]


def wild(random_, length):
    """Any tag after any: I after O, after another type, at a sentence's start."""
    return [random_.randrange(len(NAMES)) for _ in range(length)]


def sound(random_, length):
    """Spans as annotators write them."""
    tags = []
    while len(tags) < length:
        kind = random_.randrange(-2, TYPES)
        tags += [0] if kind < 0 else [2 * kind + 1] + [2 * kind + 2] * random_.randrange(3)
    return tags[:length]


def noisy(random_, tags):
    return [random_.randrange(len(NAMES)) if random_.random() < 0.2 else tag for tag in tags]


def text(sentences):
    return " ".join("".join(chr(ord("a") + tag) for tag in sentence) for sentence in sentences)


def main():
    cases = []
    for seed in range(8):
        random_ = random.Random(seed)
        lengths = [random_.randrange(1, 9) for _ in range(12)]
        draw = sound if seed % 2 else wild
        target = [draw(random_, length) for length in lengths]
        answer = [noisy(random_, tags) for tags in target] if seed < 6 else [wild(random_, n) for n in lengths]
        cases.append((target, answer))
    cases.append(([[0, 0], [0]], [[0, 0], [1]]))
    cases.append(([[0, 0], [0]], [[0, 0], [0]]))
    print("// SPDX-License-Identifier: MIT")
    print(f"// Written by scripts/oracle/spans.py with seqeval {version('seqeval')}.")
    print("struct SpanCase {\n  std::string_view target, answer;\n  double f1;\n};")
    print("inline constexpr SpanCase span_cases[] = {")
    for target, answer in cases:
        truth, said = ([[NAMES[tag] for tag in tags] for tags in sentences] for sentences in (target, answer))
        f1 = seqeval.metrics.f1_score(truth, said, zero_division=0)
        print(f'    {{"{text(target)}",\n     "{text(answer)}", {f1:.17g}}},')
    print("};")


if __name__ == "__main__":
    main()
