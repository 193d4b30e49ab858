"""The configuration of a command that opens a runtime: its options, the variables, its file and its preset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from rkruntime.config import RuntimePreset

if TYPE_CHECKING:
    from rkruntime.config import ProductionConfig, RuntimeConfig

__all__ = ("PRESETS", "Hook", "config_options", "configured", "configured_whole", "trace_arguments", "watched")

Hook = Callable[[Any], None]

PRESETS = click.Choice([*(preset.value for preset in RuntimePreset), "hp"])

NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})
QUIET = "warning"
"""The log level of a command that says itself what happened, where nothing sets another."""


def config_options(function: Any) -> Any:
    """Add `--device`, `--config` and `--preset`."""
    device = click.option(
        "--device", type=click.Choice(["auto", "cpu", "cuda"]), help="What the configuration says, unless given."
    )
    file = click.option(
        "--config",
        "file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A TOML file; RUSTKERNEL_* win over it.",
    )
    preset = click.option("--preset", type=PRESETS, help="Begin from this preset.")
    return device(file(preset(function)))


def configured(file: Path | None, preset: str | None, device: str | None) -> RuntimeConfig:
    """Load the runtime's configuration; as `configured_whole`."""
    return configured_whole(file, preset, device).runtime


def configured_whole(
    file: Path | None,
    preset: str | None,
    device: str | None,
    trace: Path | None = None,
    *,
    options: Mapping[str, Any] = NO_OPTIONS,
    quiet: str = QUIET,
) -> ProductionConfig:
    """Load the configuration, and log as it says: on stderr, from `quiet` up unless a level is given anywhere.

    Args:
        file: As for `config_options`, and so are the next two.
        preset: The preset.
        device: The device.
        trace: Where to write a trace.
        options: What other options set, by path; None where they set nothing.
        quiet: The log level where none is given.

    Raises:
        InvalidConfigurations: With everything that is wrong.
        UnreadableInput: The file cannot be read.
    """
    from rkruntime.config import Source, examine_config
    from rkruntime.errors import InvalidConfigurations
    from rkruntime.log import configure_logging

    given = {path: value for path, value in {"runtime.device": device, **options}.items() if value is not None}
    arguments = given | trace_arguments(trace)
    examined = examine_config(file, preset=preset, arguments=arguments)
    loaded = examined.loaded
    for text in loaded.warnings:
        click.echo(f"warning: {text}", err=True)
    if examined.errors:
        raise InvalidConfigurations.of(examined.errors)
    config = loaded.config.runtime
    is_set = loaded.origins["runtime.log_level"].source is not Source.DEFAULT
    configure_logging(config.log_level if is_set else quiet, config.log_format)
    return loaded.config


def trace_arguments(trace: Path | None) -> dict[str, Any]:
    """Return what `--trace` sets of the configuration."""
    return {} if trace is None else {"observability.trace_file": str(trace), "observability.tracing_enabled": True}


@contextmanager
def watched(config: ProductionConfig) -> Iterator[Sequence[Hook]]:
    """Give the hooks that write traces, where the configuration asks for them; at the end they write what is left."""
    if not config.observability.tracing_enabled:
        yield ()
        return
    from rkruntime.observability import Observability

    with Observability(config, scraped=False) as told:
        yield told.hooks
