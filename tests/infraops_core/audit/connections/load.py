"""Writers that never stop, and what they were told was written."""

import asyncio
import itertools
import threading
import time
import uuid
from types import TracebackType
from typing import Any, Self

import psycopg

from infraops_core.audit.connections.async_connections import AsyncConnections
from infraops_core.audit.connections.connections import Connections
from infraops_core.audit.connections.sources import UrlSource
from infraops_core.tls import Tls
from tests.fix_postgres import wait_until
from tests.infraops_core.audit.connections.places import INSERT


class Load:
    """`writers` threads or tasks that each insert row after row, with ids of their own making, through one set of connections."""

    def __init__(self, source: UrlSource, *, in_asyncio: bool, writers: int = 8) -> None:
        self.acknowledged: list[tuple[float, uuid.UUID]] = []
        self.errors: list[BaseException] = []
        self._stopped = False
        self._options: dict[str, Any] = {"tls": Tls.DISABLE, "deadline_seconds": 15, "connect_seconds": 2}
        self._source = source
        self._writers = writers
        self._thread = threading.Thread(target=self._in_asyncio if in_asyncio else self._in_threads)

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait_for(50)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopped = True
        self._thread.join()

    @property
    def ids(self) -> set[uuid.UUID]:
        return {written for _, written in self.acknowledged}

    def wait_for(self, more: int) -> None:
        """Until as many more rows are acknowledged."""
        enough = len(self.acknowledged) + more
        wait_until(lambda: len(self.acknowledged) >= enough or self.errors, f"{more} more rows", 20)
        assert self.errors == []

    def longest_gap_ms(self) -> float:
        """The longest time in which no writer was told anything."""
        times = sorted(at for at, _ in self.acknowledged)
        return 1000 * max(later - sooner for sooner, later in itertools.pairwise(times))

    def _in_threads(self) -> None:
        with Connections(self._source, **self._options) as connections:
            threads = [threading.Thread(target=self._write, args=(connections, number)) for number in range(self._writers)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def _write(self, connections: Connections, writer: int) -> None:
        while not self._stopped:
            row = uuid.uuid4()
            try:
                connections.run(lambda connection, row=row: connection.execute(INSERT, [row, writer]))  # type: ignore[misc]
            except Exception as error:  # the test looks at them
                self.errors.append(error)
                return
            self.acknowledged.append((time.monotonic(), row))

    def _in_asyncio(self) -> None:
        async def main() -> None:
            async with AsyncConnections(self._source, **self._options) as connections:
                await asyncio.gather(*(self._write_async(connections, number) for number in range(self._writers)))

        asyncio.run(main())

    async def _write_async(self, connections: AsyncConnections, writer: int) -> None:
        while not self._stopped:
            row = uuid.uuid4()

            async def insert(connection: psycopg.AsyncConnection[Any], row: uuid.UUID = row) -> None:
                await connection.execute(INSERT, [row, writer])

            try:
                await connections.run(insert)
            except Exception as error:  # the test looks at them
                self.errors.append(error)
                return
            self.acknowledged.append((time.monotonic(), row))
