"""What checking bounds costs (`service.check_bounds`): the kernels of `bench_simt`'s table, checked over unchecked.

One worker, interleaved, processor time, which other programs hardly touch. Nothing was asked for: the figures say why
the setting is off unless set.

    python bench/bench_bounds.py [--json FILE] [--only NAME,...] [--rounds N] [--quick]
"""

from __future__ import annotations

import argparse
import sys
import time

import simt_cases
from figures import Figure, tell

from rkruntime import simt


def compiled(case: simt_cases.Case, *, checks: bool) -> list[simt.Special]:
    kernels = {id(each[0]): simt.Kernel(each[0], options={"check_bounds": checks}) for each in case.launches}
    return [kernels[id(kernel)].specialize(args) for kernel, _, _, args in case.launches]


def seconds(specials: list[simt.Special], case: simt_cases.Case, workers: simt.Workers) -> float:
    started = time.process_time()
    for special, (_, grid, block, args) in zip(specials, case.launches, strict=True):
        simt.run(special, grid, block, args, workers=workers)
    return time.process_time() - started


def measure(case: simt_cases.Case, workers: simt.Workers, rounds: int) -> Figure:
    """Return the time of a case that is checked over its time as it is."""
    plain, checked = (compiled(case, checks=checks) for checks in (False, True))
    ratios = []
    for turn in range(rounds + 1):
        theirs, mine = (min(seconds(one, case, workers) for _ in range(2)) for one in (plain, checked))
        if turn > 0:
            ratios.append(mine / theirs)
    return Figure.of(f"{case.name}: {checked[0].lowering} with checks / {plain[0].lowering}", ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--only", default="", metavar="NAMES", help="kernels, with commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all works")
    options = parser.parse_args()
    wanted = [name for name in options.only.split(",") if name]
    workers, figures = simt.Workers(1), []
    try:
        for name, make in simt_cases.cases(40 if options.quick else 1):
            if not wanted or name in wanted:
                figures.append(measure(make(), workers, options.rounds))
                print(figures[-1], file=sys.stderr, flush=True)
    finally:
        workers.close()
    tell("kernels with their bounds checked over the same unchecked, processor time", figures, options.json)


if __name__ == "__main__":
    main()
