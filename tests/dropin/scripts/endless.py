"""A kernel that never ends."""

import numpy as np
from numba import cuda


@cuda.jit
def forever(x):
    i = cuda.grid(1)
    while x[0] == 0:
        i += 1
        if i < 0:
            x[0] = 1


if __name__ == "__main__":
    ready = np.ones(1)
    forever[1, 1](ready)
    print("compiled", flush=True)
    try:
        forever[1, 1](np.zeros(1))
    except KeyboardInterrupt:
        forever[1, 1](ready)
        print("goes on", flush=True)
        raise
