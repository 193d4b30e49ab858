"""Stands before every route: foreign pages, who asks, whether they may, and the record of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rkruntime.access import LEAST_ROLE, Permission, may
from rkruntime.config import ProductionConfig
from rkruntime.context import IDENTITY, REQUEST_ID
from rkruntime.errors import Forbidden, RequestRefused, RkError, Unauthenticated
from rkruntime.log import get_logger
from rkruntime.runtime import ControlRequest
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
from rkruntime.service._certified import names_of
from rkruntime.service._routes import RouteSpec

__all__ = ("Guard",)

WAITING = 16
"""Keys and tokens that wait to be proven; one is at a time, so that guessing takes no more than one core."""
ACTS = (Permission.DRAIN, Permission.ADMIN)
"""What is an administrative act, of which the outcome is put on record too."""
LOOKED_AT = (b"host", b"origin", b"sec-fetch-site")


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
        self._hosts = Hosts.of(security.allowed_hosts, config.service.host)
        self._audit = AuditLog.of(security)
        try:
            self._who = Authenticator(security, on_change=lambda told: self._note("keys.read", what=told))
        except BaseException:
            self.close()
            raise
        self._attempts = Attempts()
        self._one_at_a_time = asyncio.Semaphore(1)
        self._waiting = 0

    def __call__(self, spec: RouteSpec, app: ASGIApp) -> ASGIApp:
        """Stand before a route; probes and the dashboard's files, which tell nothing, are for anyone."""
        if spec.permission is None:
            return app
        permission = spec.permission

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            identity = await self._admit(scope, permission)
            IDENTITY.set(identity.label)
            if permission not in ACTS:
                await app(scope, receive, self._while_known(scope, send))
                return
            status = [0]
            try:
                await app(scope, receive, _noting(send, status))
            finally:
                await self._record("act", scope, permission, identity, status=status[0])

        return guarded

    def around(self, app: ASGIApp) -> ASGIApp:
        """Stand around the whole application: every answer gets the headers that browsers are to heed."""
        page, other = (_encoded(kind, tls=self.tls is not None) for kind in (b"text/html", b""))

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            async def told(message: Message) -> None:
                if message["type"] == "http.response.start":
                    headers = list(message.get("headers", ()))
                    there = dict(headers)
                    headers += page if there.get(b"content-type", b"").startswith(b"text/html") else other
                    if b"cache-control" not in there:
                        headers.append((b"cache-control", b"no-store"))
                    message["headers"] = headers
                await send(message)

            await app(scope, receive, told)

        return guarded

    def hook(self, record: object) -> None:
        """Put what was asked over the control socket on record; a hook of the runtime."""
        if isinstance(record, ControlRequest):
            fields = {"request": record.request, "user": record.user, "process": record.process}
            self._note("control", allowed=record.allowed, **fields)

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

    async def _admit(self, scope: Scope, permission: Permission) -> Identity:
        """Return who asks, if they may.

        Raises:
            RequestRefused: A foreign page asks, or too many attempts are made.
            Unauthenticated: Nobody known asks.
            Forbidden: Who asks may not do this.
            AuditUnavailable: That cannot be put on record.
        """
        found: Identity | Unproven = Unproven("it was not looked at")
        try:
            self._refuse_foreign(scope)
            found = await self._identify(scope)
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
        await self._record("decision", scope, permission, found, allowed=True)
        return found

    def _refuse_foreign(self, scope: Scope) -> None:
        headers = {n.decode(): v.decode("latin-1") for n, v in scope["headers"] if n in LOOKED_AT}
        why = why_foreign(scope["method"], headers, self._hosts)
        if why is not None:
            mend = "call the service by its own name (security.allowed_hosts), from its own pages or from programs"
            raise RequestRefused(403, why, mend)

    async def _identify(self, scope: Scope) -> Identity | Unproven:
        if not self._demands:
            return ANYONE
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

    def _while_known(self, scope: Scope, send: Send) -> Send:
        """Return a `send` that ends an event stream when who listens is not known any more, as by a revoked key."""
        if not self._demands:
            return send
        streams = False

        async def told(message: Message) -> None:
            nonlocal streams
            if message["type"] == "http.response.start":
                headers = dict(message.get("headers", ()))
                streams = headers.get(b"content-type", b"").startswith(b"text/event-stream")
            elif streams and message.get("more_body"):
                bearer = _bearer(scope)
                known = None if isinstance(bearer, Unproven) else self._who.known(bearer, names_of(scope))
                if not isinstance(known, Identity):
                    raise OSError("who listens is not known any more")  # as where a client has left
            await send(message)

        return told

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


def _encoded(media_type: bytes, *, tls: bool) -> list[tuple[bytes, bytes]]:
    headers = security_headers(media_type.decode(), tls=tls)
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _noting(send: Send, status: list[int]) -> Callable[[Message], Any]:
    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            status[0] = message["status"]
        await send(message)

    return told


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
