"""Write docs/cpu-compiler.md, one kernel through all passes: `python docs/write_cpu_compiler.py`."""

import inspect
import os
from pathlib import Path
from typing import Any

import numpy as np
from numba import cuda, float32

PAGE = Path(__file__).parent / "cpu-compiler.md"


@cuda.jit
def block_sums(x, out):
    """Add up each block's elements."""
    partial = cuda.shared.array(64, float32)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    partial[t] = x[i] if i < x.size else float32(0)
    cuda.syncthreads()
    step = cuda.blockDim.x // 2
    while step > 0:
        if t < step:
            partial[t] += partial[t + step]
        cuda.syncthreads()
        step //= 2
    if t == 0:
        out[cuda.blockIdx.x] = partial[0]


SHAPES = {"UNIFORM": "the same for the block", "ROW": "the same for a vector", "RAMP": "one more from thread to thread"}

TEXT = """\
# One kernel through the CPU compiler

What [the CPU compiler](design/cpu-compiler.md) makes of a kernel, pass by pass, as each prints it. This page is written
by `docs/write_cpu_compiler.py` from the compiler itself, and a test holds it to that.

## The kernel

It adds up 64 elements for each block, in a tree, with a barrier between its levels.

```python
{source}```

## Reading and choosing

The source is read as a syntax tree; what stands for a feature of `numba.cuda` is found by what it is, not by its name.
`kernel.explain()` and `rustkernel explain` print what was found, which lowering was taken, and why:

```
{explained}
```

## Rewriting

Each feature is a call of one of the compiler's own functions, with a hidden first argument that says where the thread
is. A loop looks whether its launch is cancelled.

```
{rewritten}
```

## What differs among threads

Numba types this as for one thread. A dataflow analysis then tells of each variable what it is among the threads of one
vector. What is the same is computed once, by numba's own lowering; what counts up is kept as its first number; the rest
is a vector.

| variable | is |
|---|---|
{shapes}

## Cutting at barriers

No barrier stands inside a piece, so all threads run one before any runs the next. A loop around a barrier goes round
for the block as a whole. What a piece needs from earlier ones is kept for each vector, unless it costs nothing to
compute again, as an index does.

| piece | lines | ends with | computed again | kept from before |
|---|---|---|---|---|
{segments}

## Vectors

Each piece becomes a loop over the block's vectors of {lanes} threads: without masks where the block's rows are whole
vectors, and otherwise with one for the threads that there are. `x[i]` and `partial[t + step]` are one
load of a vector, since their index counts up. Where threads part, at `t < step`, the mask comes from one subtraction:
of a number that counts up, the threads below a bound are the first few. `kernel.explain()` ends where LLVM begins.
"""


def compiled() -> tuple[Any, Any]:
    """Compile the kernel; return it, and what lowered it."""
    from rkruntime import simt
    from rkruntime.simt.lanes import _blocks

    seen: list[Any] = []
    analyse = _blocks.BlockLower.analyse

    def noting(lower: Any) -> None:
        analyse(lower)
        seen.append(lower)

    before = os.environ.get("RKRUNTIME_CACHE_DIR")
    os.environ["RKRUNTIME_CACHE_DIR"] = ""  # compile, whatever was compiled before
    _blocks.BlockLower.analyse = noting  # type: ignore[method-assign]
    try:
        special = simt.Kernel(block_sums).specialize((np.zeros(64, np.float32), np.zeros(1, np.float32)))
    finally:
        _blocks.BlockLower.analyse = analyse  # type: ignore[method-assign]
        os.environ.pop("RKRUNTIME_CACHE_DIR")
        if before is not None:
            os.environ["RKRUNTIME_CACHE_DIR"] = before
    return special, seen[-1]


def own(names: Any) -> list[str]:
    """Return the author's names among numba's."""
    found = {name.partition(".")[0] for name in names if not name.startswith("$")}
    return sorted(name for name in found if not name.startswith("_rk"))


def shape_rows(lower: Any) -> str:
    """Write what each of the author's variables is."""
    from rkruntime.simt.lanes._shapes import Shape, widest

    widths: dict[str, Any] = {}
    for name in lower.shapes.forms:
        for short in own([name]):
            widths[short] = max(widths.get(short, Shape.UNIFORM), widest(lower.shapes.form(name)))
    rows = [f"| `{name}` | {SHAPES.get(form.name, 'different: a vector')} |" for name, form in sorted(widths.items())]
    return "\n".join(rows)


def segment_rows(lower: Any) -> str:
    """Write what each piece is, in the order of the source."""
    first_line = inspect.getsourcelines(block_sums.py_func)[1]
    rows = []
    for segment in sorted(lower._segments.values(), key=lambda one: one.first):
        insts = [inst for label in segment.labels for inst in lower.blocks[label].body]
        lines = sorted({inst.loc.line - first_line for inst in insts if inst.loc.line >= first_line})
        end = lower.blocks[segment.last].terminator
        how = {"Branch": "a decision of the block", "Return": "the end"}.get(type(end).__name__, "going on")
        brought = lower._brought(segment)
        again = own(name for name in brought if name in lower._recipes)
        kept = own(name for name in brought if name not in lower._recipes)
        span = f"{lines[0]}-{lines[-1]}" if lines[0] != lines[-1] else f"{lines[0]}"
        listed = [", ".join(f"`{name}`" for name in names) or "nothing" for names in (again, kept)]
        rows.append((lines[0], f"| {span} | {how} | {' | '.join(listed)} |"))
    return "\n".join(f"| {k + 1} {text}" for k, (_, text) in enumerate(sorted(rows)))


def page() -> str:
    """Write the page."""
    special, lower = compiled()
    explained, _, rewritten = special.explain().replace(str(Path(__file__)), Path(__file__).name).partition("\n\n")
    kept = [line for line in explained.splitlines() if not line.startswith("compiled:")]
    return TEXT.format(
        source="".join(inspect.getsource(block_sums.py_func)),
        explained="\n".join(kept),
        rewritten=rewritten.strip(),
        shapes=shape_rows(lower),
        segments=segment_rows(lower),
        lanes=special.lanes,
    )


if __name__ == "__main__":
    PAGE.write_text(page())
