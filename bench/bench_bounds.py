"""What checking bounds costs (`service.check_bounds`): the kernels of `bench_simt`'s table, checked over unchecked.

One worker, interleaved, processor time, which other programs hardly touch. Nothing was asked for: the figures say why
the setting is off unless set.

    python bench/bench_bounds.py [--json FILE] [--only NAME,...] [--rounds N] [--quick]
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import simt_cases
from figures import Figure, in_turns, measure_cases

from rkruntime import simt


def compiled(case: simt_cases.Case, *, checks: bool) -> list[simt.Special]:
    kernels = {id(each[0]): simt.Kernel(each[0], options={"check_bounds": checks}) for each in case.launches}
    return [kernels[id(kernel)].specialize(args) for kernel, _, _, args in case.launches]


def measure(_: str, make: Callable[[], simt_cases.Case], rounds: int) -> Figure:
    """Return the time of a case that is checked over its time as it is."""
    case = make()
    plain, checked = (compiled(case, checks=checks) for checks in (False, True))
    with contextlib.closing(simt.Workers(1)) as workers:
        calls = (simt_cases.runner(specials, case.launches, workers) for specials in (checked, plain))
        ratios = in_turns(*calls, rounds)
    return Figure.of(f"{case.name}: {checked[0].lowering} with checks / {plain[0].lowering}", ratios)


if __name__ == "__main__":
    title = "kernels with their bounds checked over the same unchecked, processor time"
    measure_cases(title, __doc__, simt_cases.cases, measure)
