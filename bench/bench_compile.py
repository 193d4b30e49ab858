"""What compiling a kernel of about a hundred lines costs, beside numba.njit on the same body, and loading it again.

Each round has three new processes with a new, empty folder for the cache on disk. The first compiles the kernel, and
the same body as a loop over its threads with `numba.njit`; in every other round the other way round, since whichever
comes first warms up what both share. The second process finds the kernel on disk. The third finds what runs the blocks
of all such kernels, but not the kernel: so are all kernels compiled but the first of a kind. Numba itself is warmed up
by a function of three lines before. All times are processor time of the process, which other programs hardly touch.

    python bench/bench_compile.py [--json FILE] [--rounds N] [--only NAME,...] [--profile NAME]
"""

from __future__ import annotations

import argparse
import cProfile
import inspect
import json
import linecache
import os
import pstats
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import long_kernels
import numba
import numpy as np
from figures import Figure, tell

from rkruntime import simt

CASES = {"flow": "straight through", "march": "loops that data end", "diffuse": "barriers and shared memory"}
MOST = 3.0  # times njit's, that were asked for
NEXT = 0.1  # of njit's compile time: what "nearly nothing in the next process" is held to


def arguments(name: str) -> tuple[Any, ...]:
    """Return arguments of the types that the kernel is compiled for."""
    single, image = np.float32(1), np.ones((32, 32), np.float32)
    field = np.ones((9, 32, 32), np.float32)
    whole, counts = np.ones((32, 32), np.int32), np.zeros(16, np.int32)
    return {
        "flow": (field, field.copy(), whole, field[:3].copy(), single, single, single),
        "march": (np.ones((8, 6), np.float32), np.ones(3, np.float32), image, image.copy(), counts, 64, single),
        "diffuse": (image, image.copy(), whole, image.copy(), image[0].copy(), image[1].copy(), single, single),
    }[name]


def as_loop(name: str) -> Callable[..., Any]:
    """Return the kernel's body as a loop over its threads, without what only threads of a GPU have."""
    source = inspect.getsource(getattr(long_kernels, name).py_func)
    lines = [line for line in source.splitlines() if not line.startswith("@")]
    head, body = lines[0], lines[1:]
    extents = next(line.split("=")[1].strip() for line in body if "= " in line and line.strip().endswith(".shape"))
    place = next(line for line in body if "cuda.grid(2)" in line)
    column, row = place.split("=")[0].strip().split(", ")
    body.remove(place)
    text = "\n".join(body)
    for gpu, cpu in (
        ("cuda.shared.array", "np.empty"),
        ("cuda.syncthreads()", "pass"),
        ("cuda.threadIdx.x, cuda.threadIdx.y", f"{column} % TILE, {row} % TILE"),
        ("cuda.blockIdx.y * cuda.gridDim.x + cuda.blockIdx.x", f"{row} // TILE * TILE + {column} // TILE"),
        ("cuda.atomic.add(hits, nearest, 1)", "hits[nearest] += 1"),
    ):
        text = text.replace(gpu, cpu)
    loops = f"    for {row} in range({extents}[0]):\n        for {column} in range({extents}[1]):\n"
    whole = f"{head}\n{loops}{textwrap.indent(text, '        ')}\n"
    assert "cuda." not in whole
    file = f"<{name} as a loop>"
    linecache.cache[file] = (len(whole), None, whole.splitlines(keepends=True), file)
    made: dict[str, Any] = {}
    exec(compile(whole, file, "exec"), {**vars(long_kernels), "np": np}, made)
    function: Callable[..., Any] = made[name]
    return function


def warm_up_numba() -> None:
    @numba.njit
    def total(x: Any) -> Any:
        sum_ = 0.0
        for i in range(x.size):
            sum_ += x[i]
        return sum_

    total(np.ones(8, np.float32))


def seconds_of(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def ours(name: str) -> simt.Special:
    return simt.Kernel(getattr(long_kernels, name)).specialize(arguments(name))


def peers(name: str) -> None:
    signature = tuple(numba.typeof(one) for one in arguments(name))
    numba.njit(nogil=True, error_model="numpy")(as_loop(name)).compile(signature)


def child(name: str, order: str) -> dict[str, float]:
    """Compile in this process, ours and njit's by the letters o and n; return seconds of each."""
    warm_up_numba()
    calls: dict[str, Callable[[], object]] = {"o": lambda: ours(name), "n": lambda: peers(name)}
    return {letter: seconds_of(calls[letter]) for letter in order}


def in_new_process(name: str, order: str, cache: str) -> dict[str, float]:
    env = {**os.environ, "RKRUNTIME_CACHE_DIR": cache}
    command = [sys.executable, __file__, "--child", name, order]
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def measure(name: str, rounds: int) -> list[Figure]:
    times, loads, later, seconds = [], [], [], []
    for k in range(rounds):
        with tempfile.TemporaryDirectory() as cache:
            first = in_new_process(name, "on" if k % 2 else "no", cache)
            again = in_new_process(name, "o", cache)
            shutil.rmtree(Path(cache, "simt"))  # kernels; what runs blocks lies beside them
            other = in_new_process(name, "on" if k % 2 else "no", cache)
        times.append(first["o"] / first["n"])
        loads.append(again["o"] / first["n"])
        later.append(other["o"] / other["n"])
        seconds.append(first["o"])
        print(
            f"  {name}: {first['o']:.2f} s, njit {first['n']:.2f} s, loaded in {again['o']:.3f} s,"
            f" later {other['o']:.2f} s and {other['n']:.2f} s",
            file=sys.stderr,
        )
    what = f"{name} ({CASES[name]})"
    return [
        Figure.of(f"compile {what} / njit", times, target=f"<= {MOST:g}"),
        Figure.of(f"compile {name} later / njit", later, target=f"<= {MOST:g}"),
        Figure.of(f"load {name} in the next process / njit's compile", loads, target=f"<= {NEXT:g}"),
        Figure.of(f"compile {name}", seconds, unit="s"),
    ]


def profile(name: str) -> None:
    """Print where the time of compiling goes."""
    warm_up_numba()
    watched = cProfile.Profile()
    watched.runcall(ours, name)
    pstats.Stats(watched).sort_stats("cumulative").print_stats(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--only", default=",".join(CASES), metavar="NAMES", help="kernels, with commas")
    parser.add_argument("--profile", metavar="NAME", help="show where the time goes instead")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(*options.child)))
    elif options.profile:
        profile(options.profile)
    else:
        figures = [one for name in options.only.split(",") for one in measure(name, options.rounds)]
        tell("what compiling a kernel of about a hundred lines costs, in processor time", figures, options.json)


if __name__ == "__main__":
    main()
