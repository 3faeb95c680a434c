"""The pooled connections through one door, for threads.

A `psycopg_pool` does the pooling. What it leaves to us: whoever waits for a connection that can't be made learns why at once,
and a connection that died while it lay idle is not handed out.
"""

import logging
import time

from psycopg_pool import ConnectionPool, PoolTimeout

from infraops_core.audit.connections.door import Door
from infraops_core.audit.connections.sessions import AsyncSession, Session, is_good, is_idle

# How long a thread waits in the pool before it looks whether connecting failed; longer each time, for it then queues anew.
FIRST_LOOK = 0.02
LONGEST_LOOK = 0.5
KEPT = 1

NAME = "infraops-audit"


class _ToldToWhoeverAsked(logging.Filter):
    """Keeps out of the log what the pool says of our connections on each try to connect: those who wait are told, in an error."""

    def filter(self, record: logging.LogRecord) -> bool:
        about = record.args[0] if isinstance(record.args, tuple) and record.args else None
        return not (isinstance(about, Session | AsyncSession) or (isinstance(about, str) and about.startswith(NAME)))


logging.getLogger("psycopg.pool").addFilter(_ToldToWhoeverAsked())


class Pool:
    """Connections through `door`, opened as they are needed."""

    def __init__(self, door: Door, *, max_size: int, idle_seconds: float) -> None:
        self.door = door
        self.text = door.text
        self._fresh_since = 0.0
        self._lent: set[Session] = set()
        self._pool: ConnectionPool[Session] = ConnectionPool(
            door.url.for_libpq(),
            connection_class=Session,
            kwargs={"door": door},
            min_size=KEPT,
            max_size=max_size,
            max_idle=idle_seconds,
            reconnect_timeout=0,  # whether and when to try again is for those who wait to say
            name=f"{NAME} {door.endpoint}",
            open=True,
        )

    def acquire(self, deadline: float) -> Session:
        """A connection that was alive a moment ago; `release` it.

        :raises psycopg.Error: why none can be made, or `PoolTimeout` at the deadline.
        """
        look = FIRST_LOOK
        while True:
            failures = self.door.failures
            try:
                session = self._pool.getconn(min(look, deadline - time.monotonic()))
            except PoolTimeout:
                self.door.explain(failures, is_over=time.monotonic() >= deadline)
                look = min(look * 2, LONGEST_LOOK)
                continue
            if is_good(session, self._fresh_since):
                self._lent.add(session)
                return session
            session.close()
            self._pool.putconn(session)

    def release(self, session: Session) -> None:
        """Give a connection back, or its place, when it is not as it was given."""
        self._lent.discard(session)
        if not is_idle(session):
            session.close()  # the pool would roll back, and wait for it without end
        self._pool.putconn(session)

    def renew(self) -> None:
        """Use no connection made until now again."""
        self._fresh_since = time.monotonic()

    @property
    def size(self) -> int:
        """How many connections there are, in use or idle."""
        return self._pool.get_stats()["pool_size"]

    def have_ready(self, connections: int) -> None:
        """Open what is missing of as many, in the background, and keep them."""
        most = self._pool.max_size
        self._pool.resize(min(self.size, self._pool.min_size), most)  # those it gave up count as missing after this
        self._pool.resize(min(max(connections, KEPT), most), most)

    def let_go(self) -> None:
        """What is ready may be closed once it is idle."""
        self._pool.resize(KEPT, self._pool.max_size)

    def close(self) -> None:
        """Close what is idle now and what is in use once it comes back; this waits for connections that are being made."""
        self._pool.close(self.door.longest + 1)
        for session in self.door.left_open():  # a pool that closes drops one that came to a thread which had just given up
            if session not in self._lent:
                session.close()
