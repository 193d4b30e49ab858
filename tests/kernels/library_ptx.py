"""Compile the kernel library to PTX with numba-cuda and no driver; a process of its own, as it stands in for a device.

Prints one line of JSON: kernel -> architecture -> PTX's `.target`, or "absent" and why where there is no compiler.
"""

import json
import re
import types

from library_cases import CASES, arguments

ARCHITECTURES = ((8, 0), (9, 0))


def main() -> None:
    from cuda.pathfinder import DynamicLibNotFoundError, load_nvidia_dynamic_lib

    try:
        load_nvidia_dynamic_lib("nvvm")
        load_nvidia_dynamic_lib("nvrtc")
    except DynamicLibNotFoundError as error:
        print(json.dumps({"absent": str(error)}))
        return
    import numba
    from numba import cuda
    from numba.cuda import dispatcher

    outcome: dict[str, dict[str, str]] = {}
    for case in CASES:
        signature = numba.void(*[numba.typeof(value) for value in arguments(case.inputs())])
        for architecture in ARCHITECTURES:
            device = types.SimpleNamespace(compute_capability=architecture)
            dispatcher.get_current_device = lambda device=device: device  # device functions ask it for nothing else
            ptx, _ = cuda.compile_ptx(case.kernel.py_func, signature, cc=architecture)
            target = re.search(r"^\.target (\S+)", ptx, re.MULTILINE)
            entry = re.search(r"\.visible \.entry", ptx)
            assert target is not None
            assert entry is not None, "PTX without a kernel in it"
            outcome.setdefault(case.name, {})["sm_{}{}".format(*architecture)] = target[1]
    print(json.dumps(outcome))


if __name__ == "__main__":
    main()
