"""The server: uvicorn with uvloop, in one thread, which a Trio task owns."""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import trio
import uvicorn
import uvloop
from starlette.types import ASGIApp

from rkruntime.config import ServiceConfig
from rkruntime.errors import AddressUnavailable
from rkruntime.service._closing import LATEST_S, hear_out, take_all
from rkruntime.service._protocol import guarded
from rkruntime.service._sending import Headers

__all__ = ("FAREWELL_S", "Server", "listen")

BACKLOG = 2048
DECODERS = 2
"""Threads that decode large bodies and write metrics."""
SENT_WITHIN_S = 5
"""Seconds that answers under way get to be sent, once nobody is listened to any more."""
FAREWELL_S = SENT_WITHIN_S + 2 * LATEST_S
"""Seconds in which the server ends, once it is to."""


def listen(config: ServiceConfig) -> socket.socket:
    """Listen at the configured address.

    Raises:
        AddressUnavailable: It is taken, or is none of this machine's.
    """
    try:
        family = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((config.host, config.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise AddressUnavailable(f"{config.host}:{config.port}", error.strerror or str(error)) from error
    listening.setblocking(False)
    return listening


class Server:
    """Serves an application on a thread of its own until it is told to end.

    Args:
        app: What answers.
        config: How much it takes.
        listening: Where; closed at the end.
        attach: Called on the thread with its event loop, before the first request.
        headers: Those of what is refused before the application hears of it.
        tls: The service's side of TLS; None for connections in clear.
    """

    def __init__(
        self,
        app: ASGIApp,
        config: ServiceConfig,
        listening: socket.socket,
        attach: Callable[[asyncio.AbstractEventLoop], None],
        headers: Headers,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._listening = listening
        self._attach = attach
        self._answered = 0
        self._server = _Server(
            uvicorn.Config(
                app,
                http=guarded(config, headers),
                ssl_context_factory=None if tls is None else lambda _config, _default: tls,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_keep_alive=math.ceil(config.idle_timeout),
                timeout_graceful_shutdown=SENT_WITHIN_S,
            )
        )

    @property
    def address(self) -> tuple[str, int]:
        """The host and port that it listens at."""
        host, port = self._listening.getsockname()[:2]
        return str(host), int(port)

    @property
    def is_asked(self) -> bool:
        """Whether a request is in progress, or came since this was last read."""
        state = self._server.server_state
        answered, self._answered = self._answered, state.total_requests
        return bool(state.tasks) or answered != state.total_requests

    def end(self) -> None:
        """Let answers under way be sent, and end; from any thread."""
        self._server.should_exit = True

    async def run(self) -> None:
        """Serve until `end`; return, or raise, once the thread has ended. Cancelling does not end it: `end` does."""
        await trio.to_thread.run_sync(self._serve, limiter=trio.CapacityLimiter(1))

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(DECODERS, "rk-service"))  # the runner ends it with the loop
        self._attach(loop)
        try:
            await self._server.serve(sockets=[self._listening])
        finally:
            self._listening.close()


class _Server(uvicorn.Server):
    """uvicorn's server, which hears out whoever has just connected before it closes what is open."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen no more, answer what comes on the connections that there are, and end."""
        await take_all(sockets or ())
        for server in self.servers:
            server.close()
        await hear_out(self._is_silent)
        await super().shutdown(sockets)

    def _is_silent(self) -> bool:
        """Whether a connection has asked for nothing yet."""
        return any(getattr(connection, "cycle", None) is None for connection in self.server_state.connections)
