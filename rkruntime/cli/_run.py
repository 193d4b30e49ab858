"""`rustkernel run`: one kernel, from files to files, as an actor; a signal drains it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click
import trio

from rkruntime.cli._configured import config_options, configured_whole, watched
from rkruntime.cli._exit import first_error
from rkruntime.cli._exit_codes import INTERRUPTED
from rkruntime.cli._files import check_writable, write_array
from rkruntime.cli._inputs import Inputs, check_name, gather
from rkruntime.cli._options import (
    debug_option,
    folders_option,
    input_options,
    instance_option,
    target_argument,
    trace_option,
)
from rkruntime.cli._progress import show_progress
from rkruntime.cli._values import parse_extent, parse_named
from rkruntime.errors import ArgumentMismatch, RkError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rkruntime.cli._configured import Hook
    from rkruntime.cli._render import Run
    from rkruntime.config import RuntimeConfig
    from rkruntime.device import DeviceProperties
    from rkruntime.kernels import KernelSpec, LaunchRecord
    from rkruntime.memory import MemoryStats
    from rkruntime.runtime import DrainReport, KernelRef, Runtime

__all__ = ("command",)

TURNS = 2
"""Turns of Trio's loop in which every launch has been asked for: a signal after the line `running` finds them."""


@attrs.define(eq=False)
class Session:
    """What a run has come to so far; it outlives a drain that cancels the run."""

    repeat: int
    records: list[LaunchRecord] = attrs.field(factory=list)
    begun: int = 0
    args: Sequence[Any] = ()
    memory: MemoryStats | None = None
    device: DeviceProperties | None = None
    drain: DrainReport | None = None


@click.command("run", epilog="Example: rustkernel run saxpy --repeat 10 --out out=result.npy")
@target_argument
@input_options
@click.option(
    "--out", "outs", multiple=True, metavar="NAME=FILE", help="Write an argument after the launch; formats as --input."
)
@click.option("--over", metavar="N[,N[,N]]", help="One thread an element: a size, or lengths along x, y, z.")
@click.option("--grid", metavar="N[,N[,N]]", help="Blocks, in place of --over.")
@click.option("--block", metavar="N[,N[,N]]", help="Threads a block.")
@click.option("--shared", type=click.IntRange(0), help="Bytes of dynamic shared memory a block.")
@config_options
@click.option("--repeat", type=click.IntRange(1), default=1, show_default=True, help="Launches, each on fresh input.")
@click.option("--parallel", type=click.IntRange(1), default=1, show_default=True, help="Launches in flight at once.")
@click.option("--check", is_flag=True, help="Check every index and division in the kernel; slower.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@trace_option
@instance_option
@folders_option
@debug_option
def command(
    target: str,
    inputs: tuple[str, ...],
    values: tuple[str, ...],
    outs: tuple[str, ...],
    over: str | None,
    grid: str | None,
    block: str | None,
    shared: int | None,
    device: str | None,
    file: Path | None,
    preset: str | None,
    repeat: int,
    parallel: int,
    check: bool,
    as_json: bool,
    trace: Path | None,
    instance: str,
    folders: tuple[Path, ...],
) -> None:
    """Launch one kernel: TARGET is FILE.py:KERNEL, MODULE:KERNEL, or the name of an installed kernel.

    Arguments come from --input and --set, and from the example() beside the kernel. The configuration is that of
    --config, --preset and the variables RUSTKERNEL_*; warnings alone are logged, unless it sets a level. Ctrl-C and
    SIGTERM finish the launch in flight and stop; a second one cancels it.
    """
    config = configured_whole(file, preset, device, trace)
    asked = {name: parse_extent(text, f"--{name}") for name, text in (("over", over), ("grid", grid), ("block", block))}
    from rkruntime.kernels import find, kernel

    spec = kernel(debug=True)(find(target, folders)) if check else find(target, folders)
    outputs = _outputs(spec, outs)
    gathered = gather(spec, inputs, values, {**asked, "shared": shared})
    _check_outputs(spec, outputs, gathered)
    session = Session(repeat)
    with watched(config) as hooks:
        trio.run(partial(_run, hooks=hooks), spec, gathered, config.runtime, parallel, instance, session)
    written: dict[str, tuple[str, str]] = {}
    if session.records:
        results = dict(zip(spec.parameters, session.args, strict=True))
        written = {name: (file, write_array(file, results[name])) for name, file in outputs.items()}
    run = _report(spec, session, written)
    from rkruntime.cli._render import as_dict, as_text

    click.echo(json.dumps(as_dict(run), indent=2, default=str) if as_json else as_text(run))
    sys.exit(INTERRUPTED if run.interrupted else 0)


async def _run(
    spec: KernelSpec,
    inputs: Inputs,
    config: RuntimeConfig,
    parallel: int,
    instance: str,
    session: Session,
    *,
    hooks: Sequence[Hook],
) -> None:
    from rkruntime.runtime import open_runtime

    runtime: Runtime | None = None
    try:
        opened = open_runtime(config, hooks=hooks, handle_signals=True, instance=instance)
        async with opened as runtime:
            session.device = runtime.device.properties
            actor = await runtime.spawn(spec, name=spec.name, concurrency=parallel)
            try:
                async with (
                    show_progress(spec.name, session.repeat, lambda: len(session.records)),
                    trio.open_nursery() as nursery,
                ):
                    for _ in range(min(parallel, session.repeat)):
                        nursery.start_soon(_launch_all, runtime, actor, inputs, session)
                    for _ in range(TURNS):
                        await trio.lowlevel.checkpoint()
                    click.echo(f"running {spec.name} on {session.device.kind}{_named(runtime)}", err=True)
            finally:
                session.memory = runtime.memory.stats()
    except* RkError as group:
        if runtime is not None and runtime.report is not None:
            click.echo(str(runtime.report), err=True)
        raise first_error(group) from group
    assert runtime is not None
    session.drain = runtime.report


def _named(runtime: Runtime) -> str:
    """Name the instance, where it is not the one that is meant unless another is named."""
    return f" as {runtime.instance}" if runtime.instance not in (None, "default") else ""


async def _launch_all(runtime: Runtime, actor: KernelRef, inputs: Inputs, session: Session) -> None:
    """Launch until there have been enough, or the runtime drains."""
    from rkruntime.runtime import State

    while session.begun < session.repeat:
        session.begun += 1
        args = inputs.fresh() if session.repeat > 1 else list(inputs.args.values())
        try:
            record = await actor.launch(*args, **inputs.launch)
        except RkError:
            if runtime.state is not State.RUNNING:
                return
            raise
        session.records.append(record)
        session.args = args


def _report(spec: KernelSpec, session: Session, written: Mapping[str, tuple[str, str]]) -> Run:
    from rkruntime.cli._render import Run

    assert session.device is not None
    assert session.memory is not None
    assert session.drain is not None
    return Run(
        kernel=spec.name,
        repeat=session.repeat,
        device=session.device,
        records=session.records,
        memory=session.memory,
        drain=session.drain,
        outputs=written,
    )


def _outputs(spec: KernelSpec, outs: Sequence[str]) -> dict[str, str]:
    outputs = dict(parse_named(text, "--out") for text in outs)
    for name, file in outputs.items():
        check_name(spec, name)
        check_writable(file)
    return outputs


def _check_outputs(spec: KernelSpec, outputs: Mapping[str, str], inputs: Inputs) -> None:
    for name in outputs:
        if not hasattr(inputs.args[name], "dtype") or not getattr(inputs.args[name], "ndim", 0):
            got = f"{type(inputs.args[name]).__name__} {inputs.args[name]!r}"
            mend = f"give --out an array, or make {name} one: --set {name}=zeros:1000:f4"
            raise ArgumentMismatch(spec.name, name, got, "an array to write to a file", mend)
