"""Stands before every route: foreign pages, who asks, whether they may, and the record of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import aclosing
from functools import lru_cache, partial
from typing import Any

import attrs
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from rkruntime.access import LEAST_ROLE, Permission, may
from rkruntime.config import ProductionConfig
from rkruntime.context import IDENTITY, REQUEST_ID
from rkruntime.errors import Forbidden, RequestRefused, RkError, Unauthenticated
from rkruntime.log import get_logger
from rkruntime.runtime import ControlRequest, DrainReport
from rkruntime.security import (
    ANYONE,
    Attempts,
    AuditLog,
    Authenticator,
    Hosts,
    Identity,
    ServerTls,
    Unproven,
    security_headers,
    why_foreign,
)
from rkruntime.service._answers import Parts, Reply, Streamed
from rkruntime.service._app import Endpoint
from rkruntime.service._certified import names_of
from rkruntime.service._incoming import Exchange
from rkruntime.service._problems import status_of
from rkruntime.service._routes import RouteSpec

__all__ = ("Guard",)

WAITING = 16
"""Keys and tokens that wait to be proven; one is at a time, so that guessing takes no more than one core."""
ACTS = (Permission.DRAIN, Permission.ADMIN)
"""What is an administrative act, of which the outcome is put on record too."""
NOT_LOOKED_AT = Unproven("it was not looked at")
OUTCOME = ("completed", "cancelled", "failed", "abandoned", "duration_s")
"""What is put on record of how a drain ended, whoever asked for it: over HTTP, the control socket, or by a signal."""
EVENTS = "text/event-stream"
REMEMBERED = 256
"""Combinations of headers of which it is remembered whether they are a foreign page's."""


class Guard:
    """Lets in who may come in; a wrap of routes, and the owner of the audit log.

    Args:
        config: All settings.

    Raises:
        UnreadableInput: Keys, certificates or the audit log cannot be read.
        AuditUnavailable: The audit log cannot be written.
        InvalidConfiguration: Settings of security contradict each other.
    """

    def __init__(self, config: ProductionConfig) -> None:
        security = config.security
        self.tls = ServerTls.of(security)
        self._demands = security.rbac_enabled
        hosts = Hosts.of(security.allowed_hosts, config.service.host)
        self._why_foreign = lru_cache(maxsize=REMEMBERED)(partial(_why_foreign, hosts))
        self._audit = AuditLog.of(security)
        try:
            self._who = Authenticator(security, on_change=lambda told: self._note("keys.read", what=told))
        except BaseException:
            self.close()
            raise
        self._attempts = Attempts()
        self._one_at_a_time = asyncio.Semaphore(1)
        self._waiting = 0

    def __call__(self, spec: RouteSpec, inner: Endpoint) -> Endpoint:
        """Stand before a route; probes and the dashboard's files, which tell nothing, are for anyone."""
        if spec.permission is None:
            return inner
        permission = spec.permission
        label = ANYONE.label
        anyones = not self._demands and self._audit is None and permission not in ACTS and may(ANYONE.role, permission)

        def guarded(exchange: Exchange) -> Awaitable[Reply]:
            if anyones and self._foreign(exchange) is None:
                IDENTITY.set(label)
                return inner(exchange)
            return looked_at(exchange)

        async def looked_at(exchange: Exchange) -> Reply:
            scope = exchange.scope
            identity = self._admit_at_once(exchange, permission) or await self._admit(exchange, permission)
            IDENTITY.set(identity.label)
            if permission not in ACTS:
                reply = await inner(exchange)
                if self._demands and isinstance(reply, Streamed) and reply.kind == EVENTS:
                    reply.parts = self._while_known(scope, reply.parts)
                return reply
            status = 0
            try:
                reply = await inner(exchange)
                status = reply.status
            except ClientDisconnect:
                raise
            except Exception as error:
                status = status_of(error)
                raise
            finally:
                await self._record("act", scope, permission, identity, status=status)
            return reply

        return guarded

    def headers_for(self, kind: str) -> list[tuple[bytes, bytes]]:
        """Return the headers that browsers are to heed, for a body of a media type."""
        headers = security_headers(kind, tls=self.tls is not None)
        return [(name.encode(), value.encode()) for name, value in headers.items()]

    def hook(self, record: object) -> None:
        """Put on record what was asked over the control socket, and how a drain ended; a hook of the runtime."""
        if isinstance(record, ControlRequest):
            fields = attrs.asdict(record)
            self._note("control", **{name: value for name, value in fields.items() if value != ""})
        elif isinstance(record, DrainReport):
            self._note("drained", **{name: getattr(record, name) for name in OUTCOME})

    def look(self) -> None:
        """Read again what may have changed outside, and force the audit log to the disk; may take seconds."""
        self._who.look()
        if self.tls is not None:
            self.tls.look()
        if self._audit is not None:
            self._audit.sync()

    def close(self) -> None:
        """Close the audit log."""
        if self._audit is not None:
            self._audit.close()

    def _admit_at_once(self, exchange: Exchange, permission: Permission) -> Identity | None:
        """Return who asks, where they may and nothing is put on record of it; else `_admit` has to say."""
        if self._audit is not None or not self._demands or self._foreign(exchange) is not None:
            return None
        bearer = _bearer(exchange.scope)
        found = bearer if isinstance(bearer, Unproven) else self._who.known(bearer, names_of(exchange.scope))
        return found if isinstance(found, Identity) and may(found.role, permission) else None

    async def _admit(self, exchange: Exchange, permission: Permission) -> Identity:
        """Return who asks, if they may.

        Raises:
            RequestRefused: A foreign page asks, or too many attempts are made.
            Unauthenticated: Nobody known asks.
            Forbidden: Who asks may not do this.
            AuditUnavailable: That cannot be put on record.
        """
        scope = exchange.scope
        found: Identity | Unproven = NOT_LOOKED_AT
        try:
            self._refuse_foreign(exchange)
            found = await self._identify(scope) if self._demands else ANYONE
            if isinstance(found, Unproven):
                raise Unauthenticated(
                    "this needs a valid key, token or client certificate", "send the header `Authorization: Bearer KEY`"
                )
            if not may(found.role, permission):
                least = LEAST_ROLE.get(permission)
                raise Forbidden(found.name, permission, f"it takes the role {least}" if least else "nobody may")
        except RkError as error:
            why = found.why if isinstance(found, Unproven) and isinstance(error, Unauthenticated) else str(error)
            await self._record("decision", scope, permission, found, allowed=False, why=why.partition("\n")[0])
            raise
        if self._audit is not None:
            await self._record("decision", scope, permission, found, allowed=True)
        return found

    def _foreign(self, exchange: Exchange) -> str | None:
        told = exchange.headers
        return self._why_foreign(
            exchange.scope["method"], told.get(b"host", b""), told.get(b"origin"), told.get(b"sec-fetch-site")
        )

    def _refuse_foreign(self, exchange: Exchange) -> None:
        why = self._foreign(exchange)
        if why is not None:
            mend = "call the service by its own name (security.allowed_hosts), from its own pages or from programs"
            raise RequestRefused(403, why, mend)

    async def _identify(self, scope: Scope) -> Identity | Unproven:
        bearer = _bearer(scope)
        if isinstance(bearer, Unproven):
            return bearer
        found = self._who.known(bearer, names_of(scope))
        return await self._prove(bearer or "", _peer(scope)) if found is None else found

    async def _prove(self, bearer: str, peer: str) -> Identity | Unproven:
        """Prove a key or token on another thread; one at a time, and after failures not at any rate."""
        wait_s = 1.0 if self._waiting >= WAITING else self._attempts.wait_s(peer)
        if wait_s:
            raise RequestRefused(429, "too many attempts to authenticate", "ask again later", wait_s)
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                found = self._who.known(bearer, ())  # it may have been proven while this waited
                if found is None:
                    found = await asyncio.to_thread(self._who.prove, bearer)
        finally:
            self._waiting -= 1
        if isinstance(found, Unproven):
            self._attempts.failed(peer)
        return found

    async def _while_known(self, scope: Scope, parts: Parts) -> Parts:
        """End an event stream when who listens is not known any more, as by a revoked key."""
        async with aclosing(parts):
            async for part in parts:
                bearer = _bearer(scope)
                known = None if isinstance(bearer, Unproven) else self._who.known(bearer, names_of(scope))
                if not isinstance(known, Identity):
                    return
                yield part

    async def _record(
        self, event: str, scope: Scope, permission: Permission, found: Identity | Unproven, **fields: Any
    ) -> None:
        if self._audit is None:
            return
        told = {
            "request_id": REQUEST_ID.get(),
            "peer": _peer(scope),
            "method": scope["method"],
            "path": scope["path"],
            "permission": permission.value,
            "who": found.label if isinstance(found, Identity) else None,
            "name": found.name if isinstance(found, Identity) else None,
            "role": found.role if isinstance(found, Identity) else None,
        } | fields
        if self._audit.writes_through:
            await asyncio.to_thread(self._audit.write, event, **told)
        else:
            self._audit.write(event, **told)

    def _note(self, event: str, **fields: Any) -> None:
        """Put on record what nobody waits for; that it could not be is logged."""
        try:
            if self._audit is not None:
                self._audit.write(event, **fields)
        except RkError as error:
            get_logger("rkruntime.security").error("not on record", event_lost=event, error=str(error), **fields)


def _why_foreign(hosts: Hosts, method: str, host: bytes, origin: bytes | None, site: bytes | None) -> str | None:
    """Decide by the headers as they came; see `why_foreign`."""
    return why_foreign(
        method,
        host.decode("latin-1"),
        hosts,
        origin=None if origin is None else origin.decode("latin-1"),
        site=None if site is None else site.decode("latin-1"),
    )


def _bearer(scope: Scope) -> str | Unproven | None:
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if not values:
        return None
    value: str = values[0].decode("latin-1")
    scheme, _, text = value.strip().partition(" ")
    if len(values) > 1 or scheme.lower() != "bearer" or not text.strip():
        return Unproven("the header Authorization is not one bearer")
    return text.strip()


def _peer(scope: Scope) -> str:
    client: Sequence[Any] | None = scope.get("client")
    return str(client[0]) if client else ""
