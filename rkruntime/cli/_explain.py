"""`rustkernel explain`: how the CPU compiler runs a kernel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from rkruntime.cli._inputs import gather
from rkruntime.cli._options import debug_option, folders_option, input_options, json_option, target_argument

__all__ = ("command",)


@click.command("explain", epilog="Example: rustkernel explain saxpy")
@target_argument
@input_options
@folders_option
@json_option
@debug_option
def command(
    target: str, inputs: tuple[str, ...], values: tuple[str, ...], folders: tuple[Path, ...], as_json: bool
) -> None:
    """Compile TARGET for the CPU, for its arguments' types, and say how its threads are run and why so.

    Arguments come from --input and --set, and from the example() beside the kernel, as for run.
    """
    from rkruntime import simt
    from rkruntime.kernels import find

    spec = find(target, folders)
    gathered = gather(spec, inputs, values, {"over": 1})
    kernel = simt.Kernel(spec.function, name=spec.name, options=dict(spec.source.options))
    specialized = kernel.specialize(tuple(gathered.args.values()))
    click.echo(json.dumps(_as_dict(specialized), indent=1) if as_json else specialized.explain())


def _as_dict(specialized: Any) -> dict[str, Any]:
    said, _, source = specialized.explain().partition("\n\n")
    return {
        "kernel": specialized.name,
        "signature": specialized.signature,
        "lowering": specialized.lowering,
        "compile_s": specialized.compile_s,
        "says": said.splitlines(),
        "source": source,
    }
