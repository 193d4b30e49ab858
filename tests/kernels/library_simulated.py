"""Run the kernel library under numba-cuda's simulator and compare; a process of its own, as the simulator needs.

Prints one line of JSON: kernel -> "" or what went wrong.
"""

import json
from typing import Any

from library_cases import CASES, LibraryCase, arguments


def launch(case: LibraryCase, inputs: dict[str, Any]) -> None:
    block = inputs["block"] if isinstance(inputs["block"], tuple) else (inputs["block"],)
    if "grid" in inputs:
        grid = inputs["grid"]
    else:
        over = inputs["over"] if isinstance(inputs["over"], tuple) else (inputs["over"],)
        grid = tuple(-(-size // threads) for size, threads in zip(over, block, strict=True))
    case.kernel[grid, block, 0, inputs.get("shared", 0)](*arguments(inputs))


def main() -> None:
    outcome = {}
    for case in CASES:
        if case.simulated:
            inputs = case.inputs(small=True)
            expected = case.expected(inputs)
            launch(case, inputs)
            try:
                case.check(inputs, expected)
            except AssertionError as error:
                outcome[case.name] = str(error)
            else:
                outcome[case.name] = ""
    print(json.dumps(outcome))


if __name__ == "__main__":
    main()
