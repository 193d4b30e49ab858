"""`rustkernel doctor`: what is here, what the runtime would pick, and what would stop it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from rkruntime.cli._config import effective_options
from rkruntime.cli._paint import paint

__all__ = ("command",)


@click.command("doctor", epilog="Example: rustkernel doctor --config config.toml")
@effective_options
@click.pass_context
def command(ctx: click.Context, file: Path | None, preset: str | None, values: tuple[str, ...], as_json: bool) -> None:
    """Say what is here to run kernels with, which device a runtime would pick and why, and what would stop a run.

    Ends with 0 unless something would stop a run: then with what that run would end with.
    """
    from rkruntime.cli._config import arguments_of
    from rkruntime.cli._examine import examine

    found = examine(file, preset, arguments_of(values))
    click.echo(json.dumps(found, indent=1) if as_json else as_text(found))
    ctx.exit(found["exit_code"])


def as_text(found: dict[str, Any]) -> str:
    """Write what was found for people."""
    from rkruntime.units import format_bytes

    cpu, cuda, cache, config = found["cpu"], found["cuda"], found["cache"], found["configuration"]
    versions = ", ".join(f"{name} {version or 'not installed'}" for name, version in found["packages"].items())
    rows = [
        ("Python", f"{found['python']} on {found['platform']}"),
        ("packages", versions),
        ("processor", f"{cpu['name']}, {cpu['cores']} cores for this process, {format_bytes(cpu['memory_bytes'])}"),
        ("vectors", f"{cpu['vector_bits']} bits ({cpu['vector_from']})" if cpu["vector_bits"] else "not known"),
        ("vector math", _vector_math(cpu["vector_math"])),
        ("CUDA driver", cuda["driver"] or f"none: {cuda['missing']}"),
        *(("GPU", f"{gpu['name']}, compute capability {gpu['capability']}") for gpu in cuda["gpus"]),
        ("cache", _cache(cache)),
        *(("settings", text) for text in config["sources"]),
    ]
    if cuda["driver"] and cuda["missing"]:
        rows.append(("CUDA", f"not usable: {cuda['missing']}"))
    if found["picks"]:
        rows.append(("would pick", f"{found['picks']['kind']}: {found['picks']['name']}"))
        rows.append(("because", found["picks"]["why"]))
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:{width}}  {text}" for name, text in rows]
    lines += [f"warning: {text}" for text in config["warnings"]]
    lines += [paint("would stop a run: ") + text for text in found["problems"]] or ["nothing stops a run"]
    return "\n".join(lines)


def _cache(cache: dict[str, Any]) -> str:
    from rkruntime.units import format_bytes

    if cache["folder"] is None:
        return "none: compiled kernels are not kept"
    kept = f"{cache['entries']:,} kernels, {format_bytes(cache['size_bytes'])}"
    return f"{cache['folder']}: {kept}{'' if cache['writable'] else '; it cannot be written to'}"


def _vector_math(version: str | None) -> str:
    if version is not None:
        return f"Intel's SVML {version}"
    return "none: pip install 'rkruntime[vector-math]' has exp, log, sin and others for vectors (Linux on x86-64)"
