"""`rustkernel explain`: how the CPU compiler runs a kernel."""

from __future__ import annotations

from pathlib import Path

import click

from rkruntime.cli._inputs import gather
from rkruntime.cli._options import debug_option, folders_option, input_options, target_argument

__all__ = ("command",)


@click.command("explain", epilog="Example: rustkernel explain saxpy")
@target_argument
@input_options
@folders_option
@debug_option
def command(target: str, inputs: tuple[str, ...], values: tuple[str, ...], folders: tuple[Path, ...]) -> None:
    """Compile TARGET for the CPU, for its arguments' types, and say how its threads are run and why so.

    Arguments come from --input and --set, and from the example() beside the kernel, as for run.
    """
    from rkruntime import simt
    from rkruntime.kernels import find

    spec = find(target, folders)
    gathered = gather(spec, inputs, values, {"over": 1})
    kernel = simt.Kernel(spec.function, name=spec.name, options=dict(spec.source.options))
    click.echo(kernel.specialize(tuple(gathered.args.values())).explain())
