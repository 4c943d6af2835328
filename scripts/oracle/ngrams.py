# SPDX-License-Identifier: MIT
"""Writes tests/data/ngram_oracle.inc: what scikit-learn's HashingVectorizer makes of texts, and its MurmurHash3.

usage: scripts/oracle/ngrams.py > tests/data/ngram_oracle.inc

Needs scikit-learn; the test that reads the file does not.
"""

from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.utils import murmurhash3_32

TEXTS = ["", "C", "CCO", "aaaaaaaa", "CC(=O)Oc1ccccc1C(=O)O", "C[C@H](N)C(=O)[O-].[Na+]", "Größe µm ★", "a b\tc"]
# features, shortest and longest run, alternate sign
OPTIONS = [(7, 1, 1, True), (16, 1, 3, True), (13, 2, 4, False), (1, 1, 2, True)]


def literal(text):
    """As C++; an octal escape has at most three digits, so that what follows can't join it."""
    return '"' + "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\' else f"\\{b:03o}"
                         for b in text.encode()) + '"'


def main():
    print("// SPDX-License-Identifier: MIT")
    print("// Written by scripts/oracle/ngrams.py with scikit-learn.")
    print("inline constexpr std::string_view ngram_texts[] = {")
    for text in TEXTS:
        print(f"    {literal(text)},")
    print("};\n// Of each text, seeds 0 and 42.\ninline constexpr std::uint32_t ngram_hashes[][2] = {")
    for text in TEXTS:
        print("    {" + ", ".join(f"{murmurhash3_32(text.encode(), seed, positive=True)}U" for seed in (0, 42)) + "},")
    print("};")
    for features, shortest, longest, sign in OPTIONS:
        vectorizer = HashingVectorizer(analyzer="char", lowercase=False, norm=None, n_features=features,
                                       ngram_range=(shortest, longest), alternate_sign=sign)
        print(f"inline constexpr float ngrams_{features}[][{features}] = {{")
        for row in vectorizer.transform(TEXTS).toarray():
            print("    {" + ", ".join(f"{x:g}" for x in row) + "},")
        print("};")


if __name__ == "__main__":
    main()
