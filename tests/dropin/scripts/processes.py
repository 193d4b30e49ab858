"""Kernels in threads, in forked and in spawned children, with workers of their own each."""

import multiprocessing
import sys
import threading

import numpy as np
from numba import cuda


@cuda.jit
def twice(x):
    i = cuda.grid(1)
    if i < x.size:
        x[i] *= 2


def work(n):
    x = np.arange(n, dtype=np.float64)
    twice[(n + 127) // 128, 128](x)
    return float(x.sum()), cuda.get_current_device().name.startswith("rkruntime")


def in_threads(n):
    found = []
    threads = [threading.Thread(target=lambda: found.append(work(n))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


if __name__ == "__main__":
    n = 300_000
    expected = (float(n * (n - 1)), True)
    assert work(n) == expected
    assert in_threads(n) == [expected] * 8
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(work, [n] * 4) == [expected] * 4
    for way in ("spawn", "forkserver"):
        with multiprocessing.get_context(way).Pool(1) as pool:
            assert pool.map(work, [n]) == [expected]
    print("ok", sys.argv[1:])
