"""As a script: run every case of the three-way tests by numba-cuda's simulator, and keep the results.

    NUMBA_ENABLE_CUDASIM=1 python simt_three_ways.py FILE

The simulator takes over numba.cuda when that is imported, so it needs a process of its own.
"""

import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
from numba import cuda
from three_ways import GROUPS
from three_ways.case import arrays_of, copied, is_written


def on_device(one):
    """Have arrays that may not be written to on the device before: the simulator copies all others back."""
    return cuda.to_device(one) if isinstance(one, np.ndarray) and not is_written(one) else one


def simulate():
    """Return, for each group, what each case wrote, and None for those that the simulator cannot run."""
    results = {}
    for group, cases in GROUPS.items():
        results[group] = []
        for case in cases:
            args = copied(case.args)
            if case.instead is None:
                case.kernel[case.grid, case.block, 0, case.shared](*map(on_device, args))
            results[group].append(None if case.instead else arrays_of(args))
    return results


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    Path(sys.argv[1]).write_bytes(pickle.dumps(simulate()))
