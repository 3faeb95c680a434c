"""One connection each for threads and for asyncio, that can be cut off from outside while somebody waits on it."""

import asyncio
import os
import select
import socket
import threading
import time
from contextlib import suppress
from typing import Any, Self

import psycopg
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGconn
from psycopg.rows import TupleRow

from infraops_core import routes
from infraops_core.audit.connections.door import Door
from infraops_core.errors import UserError
from infraops_core.routes import Route

# A pooler between us and the server gives out a key of its own. What is prepared may be on another server connection next time.
_WHO_ANSWERS = "select pg_backend_pid()"
_PREPARE_AFTER = 5


class Line:
    """The socket below a connection, in a descriptor of our own: libpq's may be another's by the time it is cut."""

    def __init__(self, pgconn: PGconn) -> None:
        self._socket = socket.socket(fileno=os.dup(pgconn.socket))
        self._arrivals = select.poll()
        self._arrivals.register(self._socket, select.POLLIN)
        self.made_at = time.monotonic()
        self.was_cut = False

    def cut(self) -> None:
        """End the waiting of whoever waits on the connection."""
        self.was_cut = True
        with suppress(OSError):  # the server was faster
            self._socket.shutdown(socket.SHUT_RDWR)

    def is_quiet(self) -> bool:
        """Whether nothing came while nobody asked: what does is the server's farewell, or its end."""
        return not self._arrivals.poll(0)

    def close(self) -> None:
        self._socket.close()

    def __del__(self) -> None:  # the pool drops a connection that is lost without closing it
        self.close()


class Session(psycopg.Connection[TupleRow]):
    """A connection for threads: the `door` it came through, and the `line` below it."""

    door: Door
    line: Line

    @classmethod
    def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        """As the pool calls it, with the `door` to go through.

        :raises psycopg.Error: when no address lets us in within the door's seconds.
        """
        door: Door = kwargs["door"]
        door.check_cooled_off()
        problems: list[psycopg.Error] = []
        for route, wait in door.waits(_ways(door, problems)):
            until = time.monotonic() + wait
            try:
                session = super().connect(conninfo, **door.parameters(route, wait))
                session.door, session.line = door, Line(session.pgconn)
                session._see_what_is_between(until)
            except psycopg.errors.ConnectionTimeout:
                problems.append(door.no_answer(route, wait))
            except psycopg.Error as error:
                problems.append(error)
                if routes.is_final(error):
                    break
            else:
                door.opened(session)
                return session
        raise door.not_opened(problems)

    def close(self) -> None:
        super().close()
        self.line.close()

    def _see_what_is_between(self, until: float) -> None:
        timer = threading.Timer(max(0.0, until - time.monotonic()), self.line.cut)
        timer.daemon = True
        timer.start()
        try:
            answer = self.execute(_WHO_ANSWERS).fetchone()
        except psycopg.Error:
            self.close()
            raise
        finally:
            timer.cancel()
            timer.join()
        self.prepare_threshold = _prepare_threshold(answer, self.pgconn)


class AsyncSession(psycopg.AsyncConnection[TupleRow]):
    """A connection for asyncio: the `door` it came through, and the `line` below it."""

    door: Door
    line: Line

    @classmethod
    async def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        """As the pool calls it, with the `door` to go through.

        :raises psycopg.Error: when no address lets us in within the door's seconds.
        """
        door: Door = kwargs["door"]
        door.check_cooled_off()
        problems: list[psycopg.Error] = []
        for route, wait in door.waits(await _ways_async(door, problems)):
            until = time.monotonic() + wait
            try:
                session = await super().connect(conninfo, **door.parameters(route, wait))
                session.door, session.line = door, Line(session.pgconn)
                await session._see_what_is_between(until)
            except psycopg.errors.ConnectionTimeout:
                problems.append(door.no_answer(route, wait))
            except psycopg.Error as error:
                problems.append(error)
                if routes.is_final(error):
                    break
            else:
                door.opened(session)
                return session
        raise door.not_opened(problems)

    async def close(self) -> None:
        await super().close()
        self.line.close()

    async def _see_what_is_between(self, until: float) -> None:
        timer = asyncio.get_running_loop().call_later(max(0.0, until - time.monotonic()), self.line.cut)
        try:
            answer = await (await self.execute(_WHO_ANSWERS)).fetchone()
        except BaseException:  # a task that is cancelled here is the last to know of the connection
            await self.close()
            raise
        finally:
            timer.cancel()
        self.prepare_threshold = _prepare_threshold(answer, self.pgconn)


def is_good(session: Session | AsyncSession, fresh_since: float) -> bool:
    """Whether a connection that lay idle is alive still, and was not made before `fresh_since`."""
    return not session.closed and session.line.is_quiet() and session.line.made_at >= fresh_since


def give_up_pipeline(session: Session | AsyncSession) -> None:
    """Close a connection that is still in pipeline mode: it was lost in there, and psycopg could not say so."""
    if not session.closed and session.pgconn.pipeline_status != PipelineStatus.OFF:
        session.pgconn.finish()


def is_idle(session: Session | AsyncSession) -> bool:
    """Whether nothing is under way on it."""
    return session.pgconn.transaction_status == TransactionStatus.IDLE


def _ways(door: Door, problems: list[psycopg.Error]) -> list[Route]:
    ways: list[Route] = []
    for server in _servers(door, problems):
        if server.address:
            ways.append(server)
            continue
        try:
            ways += door.at(server, socket.getaddrinfo(server.place.host, server.place.port, **routes.HINTS))
        except (OSError, UnicodeError) as error:
            problems.append(door.unresolved(server, error))
    return ways


async def _ways_async(door: Door, problems: list[psycopg.Error]) -> list[Route]:
    loop = asyncio.get_running_loop()
    ways: list[Route] = []
    for server in _servers(door, problems):
        if server.address:
            ways.append(server)
            continue
        try:
            async with asyncio.timeout(door.seconds):
                ways += door.at(server, await loop.getaddrinfo(server.place.host, server.place.port, **routes.HINTS))
        except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
            problems.append(door.unresolved(server, error))
    return ways


def _servers(door: Door, problems: list[psycopg.Error]) -> list[Route]:
    try:
        return door.servers()
    except UserError as error:  # the hosts file was right when the door was made; whoever waits for a connection is told
        problems.append(psycopg.OperationalError(" ".join(str(error).split())))
        return []


def _prepare_threshold(answer: TupleRow | None, pgconn: PGconn) -> int | None:
    return _PREPARE_AFTER if answer == (pgconn.backend_pid,) else None
