"""Which pool is live: the one where the source says the database is now; and the one where it will be next."""

import logging
import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from infraops_core.audit.connections import retry
from infraops_core.audit.connections.door import Door
from infraops_core.audit.connections.sources import UrlSource
from infraops_core.errors import UserError

_logger = logging.getLogger("infraops.audit")


class AnyPool(Protocol):
    """What a pool for threads and one for asyncio have in common."""

    text: str
    door: Door

    @property
    def size(self) -> int: ...

    def renew(self) -> None:
        """Use no connection made until now again."""

    def have_ready(self, connections: int) -> None:
        """Open what is missing of as many, in the background, and keep them."""

    def let_go(self) -> None:
        """What is ready may be closed once it is idle."""


P = TypeVar("P", bound=AnyPool)


class Live(Generic[P]):
    """The live pool, looked up anew each time: the URL is compared, nothing more.

    :param make: a pool for a URL; raises `UserError` for one that may not be used.
    :param retire: close a pool in the background; what is under way there has a little time.
    """

    def __init__(self, source: UrlSource, make: Callable[[str], P], retire: Callable[[P], None]) -> None:
        self._source = source
        self._make = make
        self._retire = retire
        self._lock = threading.Lock()
        self._pool: P | None = None
        self._ahead: P | None = None
        self._announced: str | None = None
        self._told: P | None = None  # the pool whose failure was logged
        self._closed = False

    def pool(self) -> P:
        """The pool to use now.

        :raises UserError: when the source knows no URL, or one that may not be used.
        :raises RuntimeError: after `close`.
        """
        pool = self._pool
        if pool is not None and pool.text == self._source.current() and self._announced == self._source.upcoming():
            return pool
        return self._follow()

    def look_ahead(self) -> None:
        """Have as many connections ready where the database will be next as there are now where it is."""
        with self._lock:
            if self._ahead is None or self._pool is None:
                return
            failure = self._ahead.door.failure
            if failure is not None and self._told is not self._ahead:
                self._told = self._ahead
                _logger.warning(
                    "the database announced to be next can't be entered yet: %s (%s)", retry.said(failure.error), self._ahead.door.endpoint
                )
            self._ahead.have_ready(self._pool.size)

    def close(self) -> None:
        """Retire all pools; there is none after it."""
        with self._lock:
            self._closed = True
            pools = [pool for pool in (self._pool, self._ahead) if pool is not None]
            self._pool = self._ahead = None
        for pool in pools:
            self._retire(pool)

    def _follow(self) -> P:
        with self._lock:
            if self._closed:
                raise RuntimeError("the connections to the audit database are closed")
            url = self._source.current()
            pool, left = self._pool, None
            if pool is None or pool.text != url:
                left, pool = pool, self._taken_over(url)
                self._pool = pool
            upcoming = self._source.upcoming()
            if upcoming != self._announced:
                self._announced = upcoming
                self._prepare(pool, upcoming)
        if left is not None:
            _logger.info("the database has moved from %s to %s", left.door.endpoint, pool.door.endpoint)
            self._retire(left)
        return pool

    def _taken_over(self, url: str) -> P:
        """The pool that was opened ahead, if the database came to be where it was announced."""
        if self._ahead is None or self._ahead.text != url:
            return self._make(url)
        pool, self._ahead = self._ahead, None
        pool.let_go()
        return pool

    def _prepare(self, pool: P, upcoming: str | None) -> None:
        if self._ahead is not None and self._ahead.text != upcoming:
            self._retire(self._ahead)
            self._ahead = None
        if upcoming is None or upcoming == pool.text or self._ahead is not None:
            return
        try:
            self._ahead = self._make(upcoming)
        except UserError as refused:  # it is not in force yet, and may be mended until then
            _logger.warning("the URL announced to be next can't be used: %s (%s)", refused.what, refused.where)
            return
        self._ahead.have_ready(pool.size)
