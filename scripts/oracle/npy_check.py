# SPDX-License-Identifier: MIT
"""usage: npy_check.py NPY_COPY

Do data/npy.hpp and NumPy read what the other writes? NPY_COPY is scripts/oracle/npy_copy.cpp, built. Arrays of all types,
byte orders, memory orders, versions and many shapes are saved by NumPy, read and written anew there, and loaded here:
they must be equal bit by bit. Needs NumPy."""

import itertools
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

SHAPES = [(), (0,), (1,), (7,), (3, 4), (4, 0, 2), (2, 3, 5), (1, 1, 1, 1), (2, 1, 3, 2), (2,) * 6, (61, 83)]
READ = ["f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
REFUSED = ["f2", "c8", "c16", "S3", "U2", "M8[s]", "O", [("a", "f4"), ("b", "i2")]]


def array(dtype, shape, random):
    size = int(np.prod(shape, dtype=np.int64))
    if dtype.kind == "f":
        numbers = random.standard_normal(size) * 10.0 ** random.integers(-30, 30, size)
        numbers[::5] = np.resize([np.nan, np.inf, -np.inf, -0.0, 1e-45], numbers[::5].size)
    elif dtype.kind == "b":
        numbers = random.integers(0, 2, size)
    else:
        about = np.iinfo(dtype)
        numbers = random.integers(about.min, min(about.max, 2**63 - 1), size, dtype=dtype.newbyteorder("="), endpoint=True)
        numbers[:2] = np.resize([about.min, min(about.max, 2**63 - 1)], numbers[:2].size)
    return numbers.astype(dtype).reshape(shape)


def save(path, values, version):
    with open(path, "wb") as file:
        np.lib.format.write_array(file, values, version=version)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    random = np.random.default_rng(1)
    saved = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for kind, order, memory, version, shape in itertools.product(
            READ, "<>", "CF", [(1, 0), (2, 0), (3, 0)], SHAPES
        ):
            values = np.asarray(array(np.dtype(order + kind), shape, random), order=memory)
            save(folder / f"{len(saved)}.npy", values, version)
            saved.append(values)
        good = len(saved)
        for kind in REFUSED:
            np.save(folder / f"{len(saved)}.npy", np.zeros(3, dtype=kind))
            saved.append(None)
        np.save(folder / f"{len(saved)}.npy", np.array([2**63], dtype="u8"))
        saved.append(None)
        subprocess.run([sys.argv[1], name, str(len(saved))], check=True)

        for i, values in enumerate(saved):
            copy, error = folder / f"{i}.copy.npy", folder / f"{i}.error"
            if values is None:
                if copy.exists() or not error.read_text().startswith("mtlx: "):
                    sys.exit(f"array {i} was read, and must not be")
                continue
            what = f"array {i}: {values.dtype.str} {values.shape}"
            if error.exists():
                sys.exit(f"{what}: {error.read_text()}")
            back = np.load(copy)
            kept = "u1" if values.dtype == "u1" else f"f{values.dtype.itemsize}" if values.dtype.kind == "f" else "i8"
            if back.dtype != kept or back.shape != values.shape:
                sys.exit(f"{what} came back as {back.dtype.str} {back.shape}")
            if back.tobytes() != np.ascontiguousarray(values).astype(kept).tobytes():
                sys.exit(f"{what} came back with other numbers")
    print(f"{good} arrays came back bit by bit, {len(saved) - good} of other types were refused (NumPy {np.__version__})")


if __name__ == "__main__":
    main()
