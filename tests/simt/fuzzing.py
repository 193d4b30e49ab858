"""Running random kernels in two ways and comparing; as a script, it goes on for as long as it is told.

python tests/simt/fuzzing.py [--seconds S] [--seed FIRST]
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from compound_writer import ALIGNED, PACKED, arrays
from kernel_writer import GRID, SIZE, THREADS, Writer, kernel_source
from numba import cuda
from simt_launching import run

WIDTHS = (16, 1, 64, 8)


def kernel_of(seed: int, folder: Path, *, casts: bool = True):
    """Return the random kernel of a seed, with its source in a file, where errors can quote it."""
    path = folder / f"kernel_{seed}.py"
    path.write_text(kernel_source(seed, casts=casts))
    made = {"cuda": cuda, "np": np, "PACKED": PACKED, "ALIGNED": ALIGNED}
    exec(compile(path.read_text(), str(path), "exec"), made)
    return made["kernel"]


def arguments(seed: int, *, strided: bool = True) -> list:
    """Return new arguments, the same for one seed; numba-cuda's simulator takes no strided arrays."""
    random = np.random.default_rng(seed)
    x = random.integers(-50, 100, SIZE).astype(random.choice(["i8", "i4", "i2"]))
    y = random.integers(0, 100, THREADS)
    counts, n = np.zeros(11, random.choice(["i8", "i4"])), int(random.integers(1, 9))
    return [x, y, np.zeros(THREADS, random.choice(["i8", "i4"])), counts, n, *arrays(seed, strided=strided)]


def launch_of(seed: int, *, casts: bool = True) -> tuple[tuple[int, ...], int]:
    """Return the block of the random kernel of a seed, and the bytes of its dynamic shared memory."""
    writer = Writer(seed, casts)
    writer.source()
    return writer.block, 8 * writer.threads if writer.dynamic else 0


def differences(seed: int, width: int, folder: Path) -> list[str]:
    """Return the names of the arrays that lanes of a width write otherwise than the reference lowering.

    Where the threads of a warp work together, a vector is a warp, whatever the width.
    """
    kernel = kernel_of(seed, folder)
    source, (block, shared) = kernel_source(seed), launch_of(seed)
    barriers, warps = "syncthreads" in source, "_sync(" in source
    wanted, got = arguments(seed), arguments(seed)
    run(kernel, GRID, block, *wanted, lowering="fibers" if barriers else "loop", shared=shared)
    lowering, lanes = None if barriers else "lanes", None if warps else width
    run(kernel, GRID, block, *got, lowering=lowering, width=lanes, shared=shared)
    names = ("x", "y", "out", "counts", "n", "zs", "items")
    return [name for name, a, b in zip(names, got, wanted, strict=True) if not np.array_equal(a, b)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    os.environ["RKRUNTIME_CACHE_DIR"] = ""
    end, seed, wrong = time.monotonic() + options.seconds, options.seed, 0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            width = WIDTHS[seed % len(WIDTHS)]
            try:
                found = differences(seed, width, Path(folder))
            except Exception as error:  # whatever the compiler may raise: the seed is the report
                found = [f"{type(error).__name__}: {error}"]
            if found:
                wrong += 1
                print(f"seed {seed}, width {width}: {', '.join(found)}", flush=True)
            seed += 1
    print(f"{seed - options.seed} kernels from seed {options.seed}, {wrong} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
