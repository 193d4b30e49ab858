"""`rustkernel config`: write, check and show configurations."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from rkruntime.cli._configured import PRESETS
from rkruntime.cli._exit_codes import ExitCode
from rkruntime.cli._options import debug_option, json_option
from rkruntime.config import ProductionConfig
from rkruntime.errors import InvalidConfigurations

__all__ = ("arguments_of", "command", "effective_options", "show_effective")


@click.group("config", epilog="Example: rustkernel config show --preset production")
def command() -> None:
    """Write, check and show configurations."""


def effective_options(function: Any) -> Any:
    """Add the options that say which configuration is meant, beside the environment."""
    setter = click.option(
        "--set", "values", multiple=True, metavar="PATH=VALUE", help="Set a value, as in runtime.worker_threads=8."
    )
    preset = click.option("--preset", type=PRESETS, help="Begin from this preset.")
    file = click.option("--config", "file", type=click.Path(path_type=Path), metavar="FILE", help="A TOML file.")
    return file(preset(setter(json_option(debug_option(function)))))


@command.command(
    "generate",
    short_help="Write a preset as a commented file.",
    epilog="Example: rustkernel config generate --preset production --output config.toml",
)
@click.option("--preset", type=PRESETS, default="development", show_default=True, help="The values to write.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Write here, and not to stdout.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@debug_option
def generate(preset: str, output: Path | None, force: bool) -> None:
    """Write a preset as a commented file, which loads back to the same values."""
    from rkruntime.config import to_toml, write_file

    text = to_toml(ProductionConfig.from_preset(preset), portable=True)
    if output is None:
        click.echo(text, nl=False)
        return
    write_file(output, text, force=force)
    click.echo(f"wrote {output}", err=True)


@command.command("validate", short_help="Check a file.", epilog="Example: rustkernel config validate config.toml")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@debug_option
@click.pass_context
def validate(ctx: click.Context, file: Path, as_json: bool) -> None:
    """Check FILE by itself: every value, whether they fit together, and whether they fit this machine.

    Exit status 4 says that it is not valid; warnings alone do not change it.
    """
    from rkruntime.cli._config_render import problem_dict
    from rkruntime.config import Machine, examine_config

    examined = examine_config(file, machine=Machine.here(), environ={})
    errors, warnings = examined.errors, examined.warnings
    if as_json:
        told = {
            "valid": not errors,
            "errors": [problem_dict(problem) for problem in errors],
            "warnings": [problem_dict(problem) for problem in warnings],
        }
        click.echo(json.dumps(told, indent=1))
        ctx.exit(ExitCode.INVALID_CONFIGURATION if errors else ExitCode.FINE)
    for problem in warnings:
        _warn(str(problem))
    if errors:
        raise InvalidConfigurations.of(errors)
    click.echo(f"{file} is valid")


@command.command(
    "show",
    short_help="Show every value, and where it comes from.",
    epilog="Example: rustkernel config show --config config.toml --set runtime.worker_threads=8",
)
@effective_options
def show(**options: Any) -> None:
    """Show every value that holds here, and where it comes from.

    Options win over the variables RUSTKERNEL_*, these over the file, then come the preset and the defaults.
    """
    show_effective(**options)


@command.command("env", short_help="List the variables RUSTKERNEL_*.", epilog="Example: rustkernel config env --json")
@json_option
@debug_option
def env(as_json: bool) -> None:
    """List every variable: its value here, its setting, its default."""
    from rkruntime.cli._config_render import env_rows, env_text
    from rkruntime.config import load_config

    rows = env_rows(os.environ)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    click.echo(env_text(rows))
    for text in load_config(environ=dict.fromkeys(os.environ, "")).warnings:
        _warn(text)


@command.command(
    "schema",
    short_help="Print the JSON Schema of the file.",
    epilog="Example: rustkernel config schema > rustkernel.schema.json",
)
@debug_option
def schema() -> None:
    """Print the JSON Schema of the file, for editors; a file names it in a first line `#:schema PATH`."""
    from rkruntime.config import json_schema

    click.echo(json.dumps(json_schema(), indent=1))


def show_effective(file: Path | None, preset: str | None, values: tuple[str, ...], as_json: bool) -> None:
    """Print the configuration that all sources make."""
    from rkruntime.cli._config_render import shown_dict, shown_text
    from rkruntime.config import load_config

    loaded = load_config(file, preset=preset, arguments=arguments_of(values))
    if as_json:
        click.echo(json.dumps(shown_dict(loaded), indent=1))
        return
    click.echo(shown_text(loaded))
    for text in loaded.warnings:
        _warn(text)


def arguments_of(values: tuple[str, ...]) -> dict[str, object]:
    """Read what `--set` was given."""
    return dict(map(_argument, values))


def _argument(text: str) -> tuple[str, object]:
    from rkruntime.config import settings

    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise click.BadParameter(f"{text!r} is not PATH=VALUE, such as runtime.worker_threads=8", param_hint="--set")
    kinds = {setting.path: setting.kind for setting in settings()}
    return path, kinds[path].from_text(value) if path in kinds else value


def _warn(text: str) -> None:
    click.echo(f"warning: {text}", err=True)
