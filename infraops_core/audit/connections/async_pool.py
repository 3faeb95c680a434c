"""The pooled connections through one door, for asyncio; pool.py has the one for threads, and the reasons."""

import asyncio
import time

from psycopg_pool import AsyncConnectionPool, PoolTimeout

from infraops_core.audit.connections.door import Door
from infraops_core.audit.connections.pool import FIRST_LOOK, KEPT, LONGEST_LOOK, NAME
from infraops_core.audit.connections.sessions import AsyncSession, is_good, is_idle


class AsyncPool:
    """Connections through `door`, opened as they are needed; made and used in one event loop."""

    def __init__(self, door: Door, *, max_size: int, idle_seconds: float) -> None:
        self.door = door
        self.text = door.text
        self._fresh_since = 0.0
        self._lent: set[AsyncSession] = set()
        self._pool: AsyncConnectionPool[AsyncSession] = AsyncConnectionPool(
            door.url.for_libpq(),
            connection_class=AsyncSession,
            kwargs={"door": door},
            min_size=KEPT,
            max_size=max_size,
            max_idle=idle_seconds,
            reconnect_timeout=0,
            name=f"{NAME} {door.endpoint}",
            open=False,
        )
        self._last_change = asyncio.create_task(self._pool.open())

    async def acquire(self, deadline: float) -> AsyncSession:
        """A connection that was alive a moment ago; `release` it.

        :raises psycopg.Error: why none can be made, or `PoolTimeout` at the deadline.
        """
        if not self._last_change.done():
            await asyncio.shield(self._last_change)
        look = FIRST_LOOK
        while True:
            failures = self.door.failures
            try:
                session = await self._pool.getconn(min(look, deadline - time.monotonic()))
            except PoolTimeout:
                self.door.explain(failures, is_over=time.monotonic() >= deadline)
                look = min(look * 2, LONGEST_LOOK)
                continue
            if is_good(session, self._fresh_since):
                self._lent.add(session)
                return session
            await session.close()
            await self._pool.putconn(session)

    async def release(self, session: AsyncSession) -> None:
        """Give a connection back, or its place, when it is not as it was given."""
        self._lent.discard(session)
        if not is_idle(session):
            await session.close()
        await self._pool.putconn(session)

    def renew(self) -> None:
        """Use no connection made until now again."""
        self._fresh_since = time.monotonic()

    @property
    def size(self) -> int:
        """How many connections there are, in use or idle."""
        return self._pool.get_stats()["pool_size"]

    def have_ready(self, connections: int) -> None:
        """Open what is missing of as many, in the background, and keep them."""
        self._last_change = asyncio.create_task(self._resize(connections, self._last_change))

    def let_go(self) -> None:
        """What is ready may be closed once it is idle."""
        self._last_change = asyncio.create_task(self._resize(KEPT, self._last_change))

    async def close(self) -> None:
        """Close what is idle now and what is in use once it comes back; this waits for connections that are being made."""
        await self._last_change
        await self._pool.close(self.door.longest + 1)
        for session in self.door.left_open():
            if session not in self._lent:
                await session.close()

    async def _resize(self, connections: int, before: asyncio.Task[None]) -> None:
        await before
        most = self._pool.max_size
        await self._pool.resize(min(self.size, self._pool.min_size), most)  # those it gave up count as missing after this
        await self._pool.resize(min(max(connections, KEPT), most), most)
