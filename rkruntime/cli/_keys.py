"""`rustkernel keys`: make, list and revoke API keys."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rkruntime.access import Role
from rkruntime.cli._options import debug_option

if TYPE_CHECKING:
    from rkruntime.config import SecurityConfig
    from rkruntime.security import KeyRecord

__all__ = ("command",)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("keys", epilog="Example: rustkernel keys create --role operator --name nightly-jobs --expires 90d")
def command() -> None:
    """Make, list and revoke API keys, which programs show to the service as `Authorization: Bearer KEY`."""


def file_options(function: Any) -> Any:
    """Add the options that say which file of keys is meant."""
    file = click.option("--file", metavar="FILE", help="The file of keys; security.api_keys_file, unless given.")
    config = click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="A TOML file.")
    return file(config(debug_option(function)))


@command.command("create", epilog="Example: rustkernel keys create --role operator --name nightly-jobs --expires 90d")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="What the key may do.")
@click.option(
    "--name", required=True, metavar="NAME", help="Whose it is, or what for; shown in lists and the audit log."
)
@click.option("--expires", metavar="TIME", help="How long it holds, such as 12h or 90d; for ever, unless given.")
@click.option("--print-hash", is_flag=True, help="Keep it in no file: print the line for security.admin_key_hash too.")
@json_option
@file_options
def create(
    role: str, name: str, expires: str | None, print_hash: bool, as_json: bool, file: str | None, config: Path | None
) -> None:
    """Make a key and print it, this once: the file keeps its hash alone. A running service takes it at once."""
    from rkruntime.security import issue_key
    from rkruntime.security._issue import make_key

    lasts_s = None if expires is None else _seconds(expires)
    if print_hash:
        if role != Role.ADMIN or lasts_s is not None:
            raise click.UsageError("security.admin_key_hash is of a key with the role admin that does not expire")
        key, record = make_key(name, Role(role), now_s=time.time())
        told = {"key": key, "admin_key_hash": f"{record.id}:{record.hash}"}
        click.echo(json.dumps(told, indent=1) if as_json else "\n".join(told.values()))
        return
    security = _security(config)
    path = _path(file, security)
    key, record = issue_key(path, name, Role(role), lasts_s)
    _put_on_record(security, "key.created", path, record)
    click.echo(json.dumps({"key": key, **_told(record)}, indent=1) if as_json else key)
    click.echo(f"the key {record.id} of {name!r} is in {path}, as a hash; it is not shown again", err=True)


@command.command("list", epilog="Example: rustkernel keys list --json")
@json_option
@file_options
def list_keys(as_json: bool, file: str | None, config: Path | None) -> None:
    """List the keys of the file: id, role, state, when made and until when, name."""
    from rkruntime.security import read_keys

    rows = [_told(record) for record in read_keys(_path(file, _security(config)))]
    if as_json:
        click.echo(json.dumps({"keys": rows}, indent=1))
        return
    click.echo(f"{'id':8}  {'role':8}  {'state':7}  {'created':20}  {'expires':20}  name")
    for row in rows:
        when = f"{row['created']:20}  {row['expires'] or 'never':20}"
        click.echo(f"{row['id']:8}  {row['role']:8}  {row['state']:7}  {when}  {row['name']}")


@command.command("revoke", epilog="Example: rustkernel keys revoke k7w2m4qa")
@click.argument("identifier", metavar="ID")
@json_option
@file_options
def revoke(identifier: str, as_json: bool, file: str | None, config: Path | None) -> None:
    """Take the key with this ID back: a running service refuses it within a second."""
    from rkruntime.security import revoke_key

    security = _security(config)
    path = _path(file, security)
    record = revoke_key(path, identifier)
    _put_on_record(security, "key.revoked", path, record)
    told = f"revoked the key {record.id} of {record.name!r}"
    click.echo(json.dumps(_told(record), indent=1) if as_json else told)


def _security(file: Path | None) -> SecurityConfig:
    from rkruntime.config import load_config

    return load_config(file).config.security


def _path(file: str | None, security: SecurityConfig) -> str:
    path = file or security.api_keys_file
    if path is None:
        raise click.UsageError("give --file, or set security.api_keys_file")
    return path


def _put_on_record(security: SecurityConfig, event: str, path: str, record: KeyRecord) -> None:
    """Put an administrative act into the audit log, where the configuration asks for one."""
    from rkruntime.security import AuditLog

    log = AuditLog.of(security)
    if log is None:
        return
    with log:
        told = {name: value for name, value in _told(record).items() if name != "state"}
        log.write(event, key=told, file=os.path.abspath(path), user=os.getuid())


def _told(record: KeyRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "role": record.role.value,
        "state": record.state(time.time()),
        "created": record.created,
        "expires": record.expires,
        "revoked": record.revoked,
    }


def _seconds(text: str) -> float:
    from rkruntime.units import parse_seconds

    try:
        return parse_seconds(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--expires") from None
