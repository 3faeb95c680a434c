"""Ends every wait on a connection whose time is up, in the event loop.

Cancelling the task would not do: psycopg then asks the server to cancel, and a silent server makes that wait as well.
"""

import asyncio
import time

from infraops_core.audit.connections.door import Door
from infraops_core.audit.connections.sessions import AsyncSession


class AsyncDeadlines:
    """The connections in use and when each has to be given back; one that is late is cut off."""

    def __init__(self) -> None:
        self._watched: dict[AsyncSession, tuple[float, asyncio.TimerHandle]] = {}

    def watch(self, session: AsyncSession, deadline: float) -> None:
        """Cut `session` off at `deadline`, unless it is released before."""
        left = max(0.0, deadline - time.monotonic())
        self._watched[session] = deadline, asyncio.get_running_loop().call_later(left, session.line.cut)

    def release(self, session: AsyncSession) -> None:
        """It is not cut off after this."""
        self._watched.pop(session)[1].cancel()

    def hasten(self, door: Door | None, deadline: float) -> None:
        """Leave those that came through `door`, or all, no longer than until `deadline`."""
        for session, (until, timer) in list(self._watched.items()):
            if deadline < until and (door is None or session.door is door):
                timer.cancel()
                self.watch(session, deadline)

    @property
    def watched(self) -> int:
        """How many are in use."""
        return len(self._watched)
