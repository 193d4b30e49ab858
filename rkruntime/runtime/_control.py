"""The control socket of a running runtime: answers `rustkernel runtime status` and `drain`.

A client is never trusted with the runtime's time or memory: its user is checked, its request is short and has a
deadline, what it does not read is dropped with it, and there are only so many at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import trio

from rkruntime.control import AUTO_INSTANCE, LONGEST_REQUEST, Claim, Line, claim, encode, peer, read_request
from rkruntime.control._place import closed_way
from rkruntime.errors import ControlUnavailable
from rkruntime.log import get_logger
from rkruntime.runtime._askers import Asker, Askers, why_refused
from rkruntime.runtime._records import ControlRequest
from rkruntime.runtime._single import is_cancellation, single
from rkruntime.runtime._snapshot import snapshot

if TYPE_CHECKING:
    from rkruntime.config import RuntimeConfig
    from rkruntime.runtime._runtime import Runtime

__all__ = ("controlled",)

CLIENTS = 16
"""Clients served at once."""
ASK_S = 2.0
"""Seconds in which a client has to ask."""
READ_S = 5.0
"""Seconds in which a client has to take an answer."""
EACH_S = 0.2
"""Seconds between two lines of progress."""
FAREWELL_S = 1.0
"""Seconds in which whoever follows a drain has to take its report."""
BUSY: Line = {"kind": "refused", "error": f"{CLIENTS} clients are being served", "mend": "ask again in 2 s"}
CLAIM_S = 2.0
TRY_EACH_S = 0.01


@asynccontextmanager
async def controlled(runtime: Runtime, instance: str | None) -> AsyncIterator[None]:
    """Answer on the socket of `instance` for the length of the block, and tell the block's end to who follows a drain.

    Raises:
        InstanceTaken: A live runtime has that name.
        ControlUnavailable: There is no place for sockets here; with `auto` that is logged and no error.
    """
    claimed = await _claim(instance, runtime.config)
    if claimed is None:
        yield
        return
    control = _Control(runtime, claimed)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(control.serve)
            runtime.instance = claimed.name
            try:
                yield
            except BaseException as error:
                control.failure = None if is_cancellation(error) else _failure(single(error))
                raise
            finally:
                control.end()
    finally:
        claimed.release()


def _failure(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


async def _claim(instance: str | None, config: RuntimeConfig) -> Claim | None:
    shared = config.socket_role_map is not None
    log = get_logger("rkruntime.runtime")
    if instance is None:
        return None
    try:
        with trio.fail_after(CLAIM_S):
            while True:
                try:
                    claimed = claim(instance, shared=shared, group=config.socket_group)
                except BlockingIOError:
                    await trio.sleep(TRY_EACH_S)
                else:
                    log.info("control socket", instance=claimed.name, path=claimed.path)
                    closed = closed_way(claimed.path) if shared else None
                    if closed is not None:
                        mend = "set XDG_RUNTIME_DIR to a folder of this user that others may enter"
                        log.warning("nobody else comes to the control socket", closed=closed, mend=mend)
                    return claimed
    except trio.TooSlowError:
        mend = "end the process that holds the file `lock` beside the control sockets"
        error = ControlUnavailable(f"no name could be taken within {CLAIM_S:g} s", mend)
    except ControlUnavailable as unavailable:
        error = unavailable
    if instance != AUTO_INSTANCE:
        raise error
    log.warning("no control socket", error=str(error))
    return None


class _Control:
    """Serves one socket.

    Args:
        runtime: Who is asked about.
        claimed: The socket.
    """

    failure: str | None = None

    def __init__(self, runtime: Runtime, claimed: Claim) -> None:
        self._runtime = runtime
        self._claimed = claimed
        self._ended = trio.Event()
        self._askers = Askers(runtime.config.socket_role_map)
        self._clients = 0
        self._asking: set[trio.CancelScope] = set()
        self._log = get_logger("rkruntime.runtime")

    async def serve(self) -> None:
        """Serve until `end`, and then for as long as a farewell takes.

        Shielded, so that a cancelled runtime can still tell how it ended. Whoever starts this calls `end`, and uses
        `start_soon`: a cancelled `start` waits for a shielded task to end by itself.
        """
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(self._claimed.socket))
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as clients:
                async with trio.open_nursery() as intake:
                    intake.start_soon(partial(trio.serve_listeners, self._welcome, [listener], handler_nursery=clients))
                    await self._ended.wait()
                    intake.cancel_scope.cancel()
                for scope in self._asking:
                    scope.cancel()
                clients.cancel_scope.deadline = trio.current_time() + FAREWELL_S

    def end(self) -> None:
        """Take no more clients, give the name back, and tell those who follow a drain how it ended."""
        self._claimed.withdraw()
        self._ended.set()

    async def _welcome(self, stream: trio.SocketStream) -> None:
        """Serve one client; the stream is closed when this returns."""
        self._clients += 1
        try:
            drains = False
            with trio.CancelScope() as scope:
                self._asking.add(scope)
                try:
                    drains = await self._answer(stream)
                finally:
                    self._asking.remove(scope)
            if drains:
                await self._follow(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError, OSError):
            pass  # the client is gone, too slow, or does not read
        except Exception:
            self._log.exception("the control socket could not answer, and goes on")
        finally:
            self._clients -= 1

    async def _answer(self, stream: trio.SocketStream) -> bool:
        """Answer one request; true for a drain, whose answers are to follow."""
        asker = await self._askers.of(*peer(stream.socket))
        if asker is None:
            await self._send(stream, BUSY)
            return False
        refusal = self._refusal(asker)
        if refusal is not None:
            await self._send(stream, refusal)
            return False
        asked = read_request(await self._line(stream))
        if isinstance(asked, str):
            mend = 'send one line of at most 4096 bytes, such as {"request": "status"}'
            await self._send(stream, {"kind": "refused", "error": f"no request: {asked}", "mend": mend})
            return False
        request, timeout_s = asked
        refusal = self._decide(asker, request)
        if refusal is not None:
            await self._send(stream, refusal)
            return False
        if request == "status":
            await self._send(stream, {"kind": "status", **snapshot(self._runtime)})
            return False
        self._log.info("asked to drain", user=asker.user, process=asker.process, timeout_s=timeout_s)
        self._runtime.request_shutdown(timeout_s)
        return True

    def _refusal(self, asker: Asker) -> Line | None:
        if asker.role is None:
            return self._decide(asker, "connect")
        return BUSY if self._clients - self._askers.waiting > CLIENTS else None

    def _decide(self, asker: Asker, request: str) -> Line | None:
        """Decide on a request, and put the decision on record; a refusal is what to answer."""
        refused = why_refused(asker, request)
        why, mend = refused or ("", "")
        decided = ControlRequest(
            request=request,
            user=asker.user,
            process=asker.process,
            allowed=refused is None,
            role=asker.role,
            name=asker.name,
            why=why,
        )
        self._runtime.record(decided)
        if refused is None:
            return None
        self._log.warning("refused a client of another user", user=asker.user, process=asker.process, request=request)
        return {"kind": "refused", "error": why, "mend": mend}

    async def _line(self, stream: trio.SocketStream) -> bytes:
        data = b""
        with trio.fail_after(ASK_S):
            while b"\n" not in data and len(data) < LONGEST_REQUEST:
                more = await stream.receive_some(LONGEST_REQUEST - len(data))
                if not more:
                    break
                data += more
        return data.partition(b"\n")[0]

    async def _send(self, stream: trio.SocketStream, line: Line) -> None:
        with trio.fail_after(READ_S):
            await stream.send_all(encode(line))

    async def _follow(self, stream: trio.SocketStream) -> None:
        """Tell how a drain goes on, and how the runtime ended; the drain does not depend on who follows it."""
        while not self._ended.is_set():
            await self._send(stream, self._progress())
            with trio.move_on_after(EACH_S):
                await self._ended.wait()
        await self._send(stream, self._report())

    def _progress(self) -> Line:
        in_flight = sum(actor.in_flight for actor in self._runtime.actors)
        return {"kind": "progress", "state": self._runtime.state.value, "in_flight": in_flight}

    def _report(self) -> Line:
        report = self._runtime.report
        told: Line = {"kind": "report", "report": None, "text": "", "losses": 0, "failure": self.failure}
        if report is not None:
            losses = report.cancelled + report.failed + report.abandoned
            told |= {"report": report.to_dict(), "text": str(report), "losses": losses}
        return told
