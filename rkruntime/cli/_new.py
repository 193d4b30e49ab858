"""`rustkernel new`: a kernel file to begin from, with its test."""

from __future__ import annotations

import keyword
from pathlib import Path

import click

from rkruntime.cli._options import debug_option

__all__ = ("command",)

TAKEN = ("Any", "cuda", "example", "np", "npt", "range", "reference")
"""Names that the kernel's file needs for other things."""

KERNEL = '''\
"""One line on what this computes, and where it comes from."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import cuda


@cuda.jit
def {name}(a, x, out):
    """Set out = a x, one element a thread.

    Args:
        a: A number.
        x: Shape (n,), floating.
        out: Shape (n,), of x's type; written.
    """
    i = cuda.grid(1)
    if i < out.size:
        out[i] = a * x[i]


def reference(a: float, x: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    """Compute with NumPy what the kernel must write, by argument."""
    return {{"out": a * x}}


def example(n: int = 100_000) -> dict[str, Any]:
    """Make arguments, and say how many threads they need; `rustkernel run {file}` launches them."""
    x = np.random.default_rng(1).standard_normal(n, dtype=np.float32)
    return {{"a": np.float32(2), "x": x, "out": np.zeros_like(x), "over": n}}
'''

TEST = '''\
"""`{name}` agrees with its NumPy reference, whatever the block."""

from pathlib import Path

import numpy as np
import pytest
import rkruntime as rk
from rkruntime import blocking

KERNEL = rk.find(f"{{Path(__file__).with_name({file!r})}}:{name}")
LAUNCH = ("over", "grid", "block", "shared")


@pytest.mark.parametrize("block", [1, 32, 256])
def test_{name}_agrees_with_numpy(block: int) -> None:
    example = dict(KERNEL.example())
    args = [example[name] for name in KERNEL.parameters]
    reference = KERNEL.function.__globals__["reference"]
    expected = reference(**{{name: example[name] for name in KERNEL.parameters if name != "out"}})
    launch = {{name: example[name] for name in LAUNCH if name in example}} | {{"block": block}}
    with blocking.open_runtime() as runtime:
        runtime.spawn(KERNEL).launch(*args, **launch)
    np.testing.assert_allclose(example["out"], expected["out"], rtol=1e-6)
'''


@click.command("new", epilog="Example: rustkernel new blur.py")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace files that are there.")
@debug_option
def command(file: Path, force: bool) -> None:
    """Write a kernel to FILE, which is named NAME.py for a kernel NAME, and a test to test_NAME.py beside it.

    Both work as they stand: `rustkernel run FILE` launches the kernel, and pytest passes.
    """
    name = file.stem
    if file.suffix != ".py" or not _can_name(name):
        mend = "give NAME.py, where NAME can name a function and none of its neighbours"
        raise click.BadParameter(f"{str(file)!r}: {mend}", param_hint="FILE")
    test = file.with_name(f"test_{name}.py")
    from rkruntime.config import write_file
    from rkruntime.errors import UnreadableInput

    if not force and test.exists():  # before the kernel is written: both or neither
        raise UnreadableInput(str(test), "it is there already", "give another name, or --force to replace both")
    write_file(file, KERNEL.format(name=name, file=file.name), force=force)
    write_file(test, TEST.format(name=name, file=file.name), force=force)
    click.echo(f"wrote {file} and {test}\n  rustkernel run {file}\n  python -m pytest {test}")


def _can_name(name: str) -> bool:
    return name.isidentifier() and name.isascii() and not keyword.iskeyword(name) and name not in TAKEN
