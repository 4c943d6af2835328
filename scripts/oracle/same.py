# SPDX-License-Identifier: MIT
"""usage: same.py STORED FOUND TOLERANCE

Are two texts the same but for their numbers, and these at most TOLERANCE apart (relative above 1, else absolute)?"""

import pathlib
import re
import sys

NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    stored, found = (pathlib.Path(path).read_text() for path in sys.argv[1:3])
    tolerance = float(sys.argv[3])
    if NUMBER.sub("0", stored) != NUMBER.sub("0", found):
        sys.exit(f"{sys.argv[1]}: another text")
    pairs = zip(map(float, NUMBER.findall(stored)), map(float, NUMBER.findall(found)))
    deviation = max(abs(a - b) / max(1, abs(a)) for a, b in pairs)
    print(f"{sys.argv[1]}: at most {deviation:.1e} from what is stored, {tolerance:.0e} allowed")
    sys.exit(not deviation <= tolerance)


if __name__ == "__main__":
    main()
