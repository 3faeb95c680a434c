"""Pooled connections for asyncio to wherever a source says the database is now; connections.py has them for threads."""

import asyncio
import contextlib
import os
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self, TypeVar

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import PoolClosed

from infraops_core.audit.connections import retry
from infraops_core.audit.connections.async_deadlines import AsyncDeadlines
from infraops_core.audit.connections.async_pool import AsyncPool
from infraops_core.audit.connections.connections import DRAIN_SECONDS, may_run_again, next_look
from infraops_core.audit.connections.deadlines import TICK_SECONDS
from infraops_core.audit.connections.door import Door
from infraops_core.audit.connections.live import Live
from infraops_core.audit.connections.retry import Chance, Retry
from infraops_core.audit.connections.sessions import AsyncSession
from infraops_core.audit.connections.sources import FixedUrl, UrlSource
from infraops_core.errors import UserError
from infraops_core.tls import Tls

T = TypeVar("T")
AsyncConnection = psycopg.AsyncConnection[TupleRow]


class AsyncConnections:
    """As `Connections`, for the tasks of one event loop; an asynchronous context manager that closes.

    :raises UserError: for a fixed URL that is none.
    """

    def __init__(
        self,
        source: UrlSource | str,
        *,
        tls: Tls,
        max_size: int = 20,
        idle_seconds: float = 30,
        connect_seconds: float = 5,
        deadline_seconds: float = 30,
    ) -> None:
        self._source: UrlSource = FixedUrl(source) if isinstance(source, str) else source
        self._can_change = not isinstance(self._source, FixedUrl)
        self._tls = tls
        self._max_size = max_size
        self._idle_seconds = idle_seconds
        self._connect_seconds = connect_seconds
        self._deadline_seconds = deadline_seconds
        self._process = os.getpid()
        self._watch: asyncio.Task[None] | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._deadlines = AsyncDeadlines()
        self._live = Live(self._source, self._made, self._retire)

    async def run(self, operation: Callable[[AsyncConnection], Awaitable[T]], *, deadline_seconds: float | None = None) -> T:
        """What `operation` returns, which is called again, on another connection or another server, until the deadline.

        :param operation: idempotent and whole: one that was cut off may have been done, and it is called again.
        :raises UserError: when the deadline is over, when the database can't be entered, or when the source names none.
        :raises psycopg.Error: what no further try can mend, at once.
        """
        tries = self._tries(deadline_seconds)
        while True:
            pool, session = await self._enter(tries)
            try:
                return await operation(session)
            except psycopg.Error as error:
                if not may_run_again(tries, pool, session, error):
                    raise
            finally:
                await self._leave(pool, session)
            await self._wait(tries, pool)

    @asynccontextmanager
    async def connection(self, *, deadline_seconds: float | None = None) -> AsyncIterator[AsyncConnection]:
        """One connection, for what can't be tried again from the start; only getting it is.

        :param deadline_seconds: for getting the connection and all of its use.
        :raises UserError: as `run` does.
        """
        tries = self._tries(deadline_seconds)
        pool, session = await self._enter(tries)
        try:
            yield session
        except psycopg.Error as error:
            if not session.line.was_cut:
                raise
            may_run_again(tries, pool, session, error)
        else:
            return
        finally:
            await self._leave(pool, session)
        raise tries.given_up()

    async def close(self) -> None:
        """Close all connections; what is under way has 5 s to end. Nothing can be run after it."""
        self._live.close()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        until = time.monotonic() + DRAIN_SECONDS
        self._deadlines.hasten(None, until)
        while self._deadlines.watched and time.monotonic() < until + 1:
            await asyncio.sleep(next_look(0))
        await asyncio.gather(*self._retiring)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def _made(self, url: str) -> AsyncPool:
        return AsyncPool(Door(url, self._tls, self._connect_seconds), max_size=self._max_size, idle_seconds=self._idle_seconds)

    def _retire(self, pool: AsyncPool) -> None:
        self._deadlines.hasten(pool.door, time.monotonic() + DRAIN_SECONDS)
        task = asyncio.create_task(pool.close())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def _tries(self, deadline_seconds: float | None) -> Retry:
        if self._process != os.getpid():
            raise RuntimeError("an event loop does not survive a fork; make the connections in the new process")
        seconds = self._deadline_seconds if deadline_seconds is None else deadline_seconds
        return Retry(seconds, source_can_change=self._can_change)

    async def _enter(self, tries: Retry) -> tuple[AsyncPool, AsyncSession]:
        """A connection to where the database is; `_leave` it."""
        if self._watch is None:
            await asyncio.to_thread(self._source.current)  # the first look may take its time
            self._watch = self._watch or asyncio.create_task(_tick(weakref.ref(self._live)))
        while True:
            pool = self._live.pool()
            try:
                session = await pool.acquire(tries.deadline)
            except PoolClosed:  # there was a switch meanwhile
                continue
            except psycopg.Error as error:
                may_go_on = tries.may_go_on(retry.said(error), retry.of_connecting(error), pool.door.endpoint)
            else:
                self._deadlines.watch(session, tries.deadline)
                return pool, session
            if may_go_on:
                await self._wait(tries, pool)
            elif not await self._has_moved(tries, pool):
                raise tries.refused()

    async def _leave(self, pool: AsyncPool, session: AsyncSession) -> None:
        self._deadlines.release(session)
        await pool.release(session)

    async def _wait(self, tries: Retry, pool: AsyncPool) -> None:
        """Until the next try: a while, or until the database is elsewhere.

        :raises UserError: when the deadline comes first.
        """
        if tries.is_over:
            raise tries.given_up()
        if tries.chance is not Chance.TURN and await self._has_moved(tries, pool):
            return
        started = time.monotonic()
        until = started + tries.pause()
        while (now := time.monotonic()) < until:
            look = next_look(now - started) if self._can_change else until - now
            await asyncio.sleep(min(look, until - now))
            if self._live.pool() is not pool:
                tries.moved()
                return
        if tries.is_over:
            raise tries.given_up()

    async def _has_moved(self, tries: Retry, pool: AsyncPool) -> bool:
        """Ask the source anew."""
        if self._can_change:
            try:
                await asyncio.to_thread(self._source.refresh)
            except UserError as refused:
                tries.source_failed(refused)
        if self._live.pool() is pool:
            return False
        tries.moved()
        return True


async def _tick(live: "weakref.ref[Live[AsyncPool]]") -> None:
    """See a switch and what is announced also while nobody asks, or while all wait for a server that is silent."""
    while (looked_at := live()) is not None:
        with contextlib.suppress(UserError, RuntimeError):  # who asks next is told
            looked_at.pool()
            looked_at.look_ahead()
        del looked_at
        await asyncio.sleep(TICK_SECONDS)
