"""Kernels on the CPU compiler beside hand-written numba.njit(parallel=True) loops of the same, on as many threads, and
beside other compilers of such kernels: Intel's OpenCL runtime, PoCL, Warp, Taichi. A peer that is not installed is
skipped, with a line that says so.

Runs are interleaved. Of each, the best time is shown, and in brackets the least processor time of all threads, which
says more where other programs run beside. Speed is the peer's best time over ours, in one run, and each row says
whether the speed to reach was reached.

    python bench/bench_simt.py [--json FILE] [--threads N] [--only NAME,...] [--seconds S] [--quick]
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numba
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from peers import Missing, nvidia_warp, opencl, taichi_cpu
from simt_cases import Case, cases, compiled

from rkruntime import simt

PEERS = (opencl, nvidia_warp, taichi_cpu)
ROUNDS = 40
SETTLE_S = 0.02  # OpenMP's and TBB's threads spin for a while after a loop, on the processors that the next one needs


def ours(case: Case, workers: simt.Workers) -> tuple[Callable[[], None], list[simt.Special]]:
    """Return what runs a case's launches and waits, and the compiled kernels."""
    launches = compiled(case)

    def run() -> None:
        for special, grid, block, args in launches:
            simt.run(special, grid, block, args, workers=workers)

    return run, list({id(one[0]): one[0] for one in launches}.values())


def interleaved(
    calls: Mapping[str, Callable[[], object]], seconds: float
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Time each call in turn, until time is up; twice a turn, after it was called until others' threads are quiet.

    Returns:
        Seconds by the clock, and seconds of all the process's threads together: other programs on the machine lengthen
        the first and hardly the second, which counts a peer's threads that spin.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    works: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    for turn in range(ROUNDS):
        for name, call in calls.items():
            quiet = time.perf_counter() + SETTLE_S
            call()
            while time.perf_counter() < quiet:
                call()
            for _ in range(2):
                started, worked = time.perf_counter(), time.process_time()
                call()
                works[name].append(time.process_time() - worked)
                times[name].append(time.perf_counter() - started)
        if turn >= 3 and time.perf_counter() > end:
            break
    return times, works


def check(name: str, got: object, wanted: object, tolerance: float) -> None:
    different = np.mean(~np.isclose(got, wanted, rtol=tolerance, atol=1e-6))
    assert different < 5e-3, f"{name}: {different:.1%} of the results differ"


def measure_case(case: Case, workers: simt.Workers, seconds: float, missing: set[str]) -> dict[str, object]:
    """Check and time one case with all its peers."""
    run, specials = ours(case, workers)
    case.reset()
    run()
    case.by_hand()
    check(case.name, case.out, case.wanted, case.tolerance)
    wanted = np.copy(case.wanted)
    calls: dict[str, Callable[[], object]] = {"ours": run, "njit": case.by_hand}
    for module in PEERS:
        for name in module.NAMES:
            try:
                call, result = module.prepare(name, case.key, case.data)
            except Missing as reason:
                if f"{reason}" not in missing:
                    missing.add(f"{reason}")
                    print(f"skipped: {name}: {reason}", file=sys.stderr)
                continue
            check(f"{case.name} by {name}", result(), wanted, case.tolerance)
            calls[name] = call
    case.reset()
    times, works = interleaved(calls, seconds)
    best = {name: min(values) * 1e3 for name, values in times.items()}
    work = {name: min(values) * 1e3 for name, values in works.items()}
    return {
        "case": case.name,
        "lowering": "/".join(dict.fromkeys(one.lowering for one in specials)),
        "compile_s": sum(one.compile_s for one in specials),
        "best_ms": best,
        "cpu_ms": work,
        "cpu_speed": {name: value / work["ours"] for name, value in work.items() if name != "ours"},
        "median_ms": {name: statistics.median(values) * 1e3 for name, values in times.items()},
        "speed": {name: value / best["ours"] for name, value in best.items() if name != "ours"},
        "targets": dict(case.targets),
    }


def verdict(row: Mapping[str, dict[str, float]]) -> str:
    """Say of each speed to reach whether it was."""
    words = []
    for name, wanted in row["targets"].items():
        speed = row["speed"].get(name)
        if speed is None:
            words.append(f"{wanted:g}x {name}: not measured")
        else:
            by_work = row["cpu_speed"][name]
            said = "reached" if speed >= wanted else "NOT reached"
            words.append(f"{wanted:g}x {name}: {said} ({speed:.2f}x; by processor time {by_work:.2f}x)")
    return ", ".join(words)


def table(rows: list[dict[str, object]]) -> str:
    """Return the rows as a Markdown table: best times in ms."""
    names = list(dict.fromkeys(name for row in rows for name in row["best_ms"]))  # type: ignore[attr-defined]
    lines = ["| kernel | lowering | " + " | ".join(names) + " | to reach |", "|---" * (len(names) + 3) + "|"]
    for row in rows:
        best: dict[str, float] = row["best_ms"]  # type: ignore[assignment]
        work: dict[str, float] = row["cpu_ms"]  # type: ignore[assignment]
        cells = [f"{best[name]:.2f} ({work[name]:.2f})" if name in best else "-" for name in names]
        lines.append(f"| {row['case']} | {row['lowering']} | {' | '.join(cells)} | {verdict(row)} |")  # type: ignore[arg-type]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--only", default="", metavar="NAMES", help="cases, by the names of simt_cases, with commas")
    parser.add_argument("--seconds", type=float, default=6, help="for each case")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all works")
    options = parser.parse_args()
    numba.set_num_threads(options.threads)
    workers = simt.Workers(options.threads)
    wanted = [name for name in options.only.split(",") if name]
    rows, missing = [], set[str]()
    try:
        for name, make in cases(40 if options.quick else 1):
            if not wanted or name in wanted:
                rows.append(measure_case(make(), workers, 0.1 if options.quick else options.seconds, missing))
                best, row = rows[-1]["best_ms"], rows[-1]
                shown = ", ".join(f"{peer} {value:.2f}" for peer, value in best.items())
                print(f"{row['case']}: {shown}; {verdict(row)}", file=sys.stderr, flush=True)
                if options.json:  # after each row, so that a long run that is ended leaves what it has
                    record = {"machine": platform.processor(), "python": platform.python_version()}
                    record |= {"numba": numba.__version__, "threads": options.threads, "rows": rows}
                    Path(options.json).write_text(json.dumps(record, indent=1))
    finally:
        workers.close()
    print(
        f"\nbest times in ms on {options.threads} threads (processor time of all threads); speed: the peer's over ours"
    )
    print(table(rows))


if __name__ == "__main__":
    main()
