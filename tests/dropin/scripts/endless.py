"""A kernel that never ends, interrupted once it runs."""

import os
import signal
import threading

import numpy as np
from numba import cuda


@cuda.jit
def forever(x):
    i = cuda.grid(1)
    x[1] = 1
    while x[0] == 0:
        i += 1
        if i < 0:
            x[0] = 1


def interrupt_once_it_runs(x):
    while x[1] == 0:
        threading.Event().wait(0.001)
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    ready = np.ones(2)
    forever[1, 1](ready)
    endless = np.zeros(2)
    threading.Thread(target=interrupt_once_it_runs, args=(endless,)).start()
    try:
        forever[1, 1](endless)
    except KeyboardInterrupt:
        forever[1, 1](ready)
        print("goes on", flush=True)
        raise
