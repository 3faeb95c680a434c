"""Pooled connections to wherever a source says the database is now; what is run is tried again across a switch."""

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import PoolClosed

from infraops_core.audit.connections import retry
from infraops_core.audit.connections.deadlines import Deadlines
from infraops_core.audit.connections.door import Door
from infraops_core.audit.connections.live import AnyPool, Live
from infraops_core.audit.connections.pool import Pool
from infraops_core.audit.connections.retry import Chance, Retry
from infraops_core.audit.connections.sessions import AsyncSession, Session, give_up_pipeline
from infraops_core.audit.connections.sources import FixedUrl, UrlSource
from infraops_core.errors import UserError
from infraops_core.tls import Tls

T = TypeVar("T")
Connection = psycopg.Connection[TupleRow]

DRAIN_SECONDS = 5.0

_SHORTEST_LOOK = 0.001
_LOOKS_PER_WAIT = 20

_inherited: list[object] = []  # what a fork left in this process: used by its parent, so neither closed nor collected here


class Connections:
    """Connections to the database the source names, opened when they are needed.

    Connections are in autocommit mode. A switch takes effect with the next thing that is run; what is under way on the old
    database has 5 s to end there, and is tried again on the new one otherwise. Safe to use from any number of threads, and
    after a fork; a context manager that closes.

    :param tls: checked before the first byte is sent, for each URL the source names.
    :param max_size: connections at most; one is kept, more are closed after `idle_seconds` without use.
    :param connect_seconds: for making one connection; at least 2 for each address of the host.
    :param deadline_seconds: for each `run`, waiting and trying again included.
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
        self._start()

    def run(self, operation: Callable[[Connection], T], *, deadline_seconds: float | None = None) -> T:
        """What `operation` returns, which is called again, on another connection or another server, until the deadline.

        :param operation: idempotent and whole: one that was cut off may have been done, and it is called again.
        :raises UserError: when the deadline is over, when the database can't be entered, or when the source names none.
        :raises psycopg.Error: what no further try can mend, at once.
        """
        tries = self._tries(deadline_seconds)
        while True:
            pool, session = self._enter(tries)
            try:
                return operation(session)
            except psycopg.Error as error:
                if not may_run_again(tries, pool, session, error):
                    raise
            finally:
                self._leave(pool, session)
            self._wait(tries, pool)

    @contextmanager
    def connection(self, *, deadline_seconds: float | None = None) -> Iterator[Connection]:
        """One connection, for what can't be tried again from the start; only getting it is.

        :param deadline_seconds: for getting the connection and all of its use.
        :raises UserError: as `run` does.
        """
        tries = self._tries(deadline_seconds)
        pool, session = self._enter(tries)
        try:
            yield session
        except psycopg.Error as error:
            if not session.line.was_cut:
                raise
            may_run_again(tries, pool, session, error)
        else:
            return
        finally:
            self._leave(pool, session)
        raise tries.given_up()

    def close(self) -> None:
        """Close all connections; what is under way has 5 s to end. Nothing can be run after it."""
        self._closing.set()
        self._live.close()
        until = time.monotonic() + DRAIN_SECONDS
        self._deadlines.hasten(None, until)
        while self._deadlines.watched and time.monotonic() < until + 1:
            time.sleep(_SHORTEST_LOOK)
        self._deadlines.stop()
        for thread in self._retiring:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _start(self) -> None:
        self._process = os.getpid()
        self._closing = threading.Event()
        self._retiring: list[threading.Thread] = []
        self._pools: list[Pool] = []
        self._forgotten = weakref.finalize(self, _close_forgotten, self._pools)
        self._forgotten.atexit = False
        self._deadlines = Deadlines(self._tick)
        self._live = Live(self._source, self._made, self._retire)

    def _made(self, url: str) -> Pool:
        pool = Pool(Door(url, self._tls, self._connect_seconds), max_size=self._max_size, idle_seconds=self._idle_seconds)
        self._pools.append(pool)
        return pool

    def _retire(self, pool: Pool) -> None:
        """Close it, in a thread of its own, for that waits for connections that are being made."""
        self._pools.remove(pool)
        self._deadlines.hasten(pool.door, time.monotonic() + DRAIN_SECONDS)
        thread = threading.Thread(target=pool.close, name="infraops-audit-retire", daemon=True)
        thread.start()
        self._retiring = [thread, *(other for other in self._retiring if other.is_alive())]

    def _tick(self) -> None:
        """See a switch and what is announced also while nobody asks, or while all wait for a server that is silent."""
        with contextlib.suppress(UserError, RuntimeError):  # who asks next is told
            self._live.pool()
            self._live.look_ahead()

    def _tries(self, deadline_seconds: float | None) -> Retry:
        if self._process != os.getpid():
            self._forgotten.detach()
            _inherited.append((self._live, self._deadlines))
            self._start()
        seconds = self._deadline_seconds if deadline_seconds is None else deadline_seconds
        return Retry(seconds, source_can_change=self._can_change)

    def _enter(self, tries: Retry) -> tuple[Pool, Session]:
        """A connection to where the database is; `_leave` it."""
        while True:
            pool = self._live.pool()
            try:
                session = pool.acquire(tries.deadline)
            except PoolClosed:  # there was a switch meanwhile
                continue
            except psycopg.Error as error:
                may_go_on = tries.may_go_on(retry.said(error), retry.of_connecting(error), pool.door.endpoint)
            else:
                self._deadlines.watch(session, tries.deadline)
                return pool, session
            if may_go_on:
                self._wait(tries, pool)
            elif not self._has_moved(tries, pool):
                raise tries.refused()

    def _leave(self, pool: Pool, session: Session) -> None:
        self._deadlines.release(session)
        pool.release(session)

    def _wait(self, tries: Retry, pool: Pool) -> None:
        """Until the next try: a while, or until the database is elsewhere.

        :raises UserError: when the deadline comes first.
        """
        if tries.is_over:
            raise tries.given_up()
        if tries.chance is not Chance.TURN and self._has_moved(tries, pool):
            return
        started = time.monotonic()
        until = started + tries.pause()
        while (now := time.monotonic()) < until:
            look = next_look(now - started) if self._can_change else until - now
            self._closing.wait(min(look, until - now))
            if self._live.pool() is not pool:
                tries.moved()
                return
        if tries.is_over:
            raise tries.given_up()

    def _has_moved(self, tries: Retry, pool: Pool) -> bool:
        """Ask the source anew."""
        try:
            self._source.refresh()
        except UserError as refused:
            tries.source_failed(refused)
        if self._live.pool() is pool:
            return False
        tries.moved()
        return True


def _close_forgotten(pools: list[Pool]) -> None:
    """Close what nobody did, in a thread: this is called wherever garbage is collected, in one of the pools' own threads perhaps."""
    for pool in pools:
        threading.Thread(target=pool.close, name="infraops-audit-retire", daemon=True).start()


def may_run_again(tries: Retry, pool: AnyPool, session: Session | AsyncSession, error: psycopg.Error) -> bool:
    """Note a try that failed on an open connection; whether another may mend it."""
    if session.line.was_cut:
        return tries.may_go_on(f"{pool.door.endpoint} gave no answer in time", Chance.CONNECTION, pool.door.endpoint)
    give_up_pipeline(session)
    chance = retry.of_operation(error, connection_lost=session.closed)
    if chance is Chance.CONNECTION and not session.closed:
        pool.renew()
    return tries.may_go_on(retry.said(error), chance, pool.door.endpoint)


def next_look(waited: float) -> float:
    """Seconds until the source is asked again while a try waits, which is most of a switch's pause."""
    return max(_SHORTEST_LOOK, waited / _LOOKS_PER_WAIT)
