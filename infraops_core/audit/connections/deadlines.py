"""One thread that ends every wait on a connection whose time is up; psycopg bounds only the connecting."""

import threading
import time
import weakref
from collections.abc import Callable

from infraops_core.audit.connections.door import Door
from infraops_core.audit.connections.sessions import Session

TICK_SECONDS = 1.0


class Deadlines:
    """The connections in use and when each has to be given back; one that is late is cut off.

    :param tick: a method called about once a second, in the thread. Its object is not kept alive; the thread ends with it.
    """

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = weakref.WeakMethod(tick)
        self._lock = threading.Lock()
        self._watched: dict[Session, float] = {}
        self._wake = threading.Event()
        self._wakes_at = 0.0
        self._stopped = False
        self._thread = threading.Thread(target=self._watch, name="infraops-audit-deadlines", daemon=True)

    def watch(self, session: Session, deadline: float) -> None:
        """Cut `session` off at `deadline`, unless it is released before."""
        with self._lock:
            self._watched[session] = deadline
            if self._thread.ident is None:
                self._thread.start()
        if deadline < self._wakes_at:
            self._wake.set()

    def release(self, session: Session) -> None:
        """Once this returns the session is not cut off any more."""
        with self._lock:
            del self._watched[session]

    def hasten(self, door: Door | None, deadline: float) -> None:
        """Leave those that came through `door`, or all, no longer than until `deadline`."""
        with self._lock:
            for session, until in self._watched.items():
                if door is None or session.door is door:
                    self._watched[session] = min(until, deadline)
        self._wake.set()

    @property
    def watched(self) -> int:
        """How many are in use."""
        return len(self._watched)

    def stop(self) -> None:
        """End the thread; nothing is cut off after this."""
        self._stopped = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _watch(self) -> None:
        next_tick = time.monotonic() + TICK_SECONDS
        while not self._stopped:
            self._wakes_at = next_tick  # before the look: who comes after it wakes us if it is sooner
            self._wakes_at = min(self._cut_late_ones(), next_tick)
            self._wake.wait(max(0.0, self._wakes_at - time.monotonic()))
            self._wake.clear()
            if time.monotonic() >= next_tick:
                tick = self._tick()
                if tick is None:
                    return
                tick()
                del tick
                next_tick = time.monotonic() + TICK_SECONDS

    def _cut_late_ones(self) -> float:
        """When the next one is late."""
        now = time.monotonic()
        with self._lock:
            late = [session for session, deadline in self._watched.items() if deadline <= now]
            for session in late:
                session.line.cut()
                self._watched[session] = float("inf")
            return min(self._watched.values(), default=float("inf"))
