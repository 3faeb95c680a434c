"""One record at a time: the store against a plain INSERT of the same row by raw psycopg, both autocommitted."""

import time
from collections.abc import Callable

import psycopg

from benchmarks.audit.place import COLUMNS, TENANT, Place, events, report
from infraops_core.audit import statements
from infraops_core.audit.events import AuditEvent
from infraops_core.audit.postgres import PostgresAuditStore
from infraops_core.tls import Tls

INSERT = f"insert into unchained.audit_events ({', '.join(COLUMNS)}) values ({', '.join(['%s'] * len(COLUMNS))})".encode()  # noqa: S608
_ROUNDS = 41
_EACH = 200


def measure(place: Place) -> None:
    with (
        PostgresAuditStore(place.app, tenant=TENANT, tls=Tls.DISABLE, writes_enabled=True) as store,
        psycopg.connect(place.app, autocommit=True) as connection,
    ):
        ours, plain = (Appender(store.record_audit_event), Appender(plain_insert(connection)))
        for appender in (ours, plain):
            appender.rate(_EACH)
        pairs = [(ours.rate(_EACH), plain.rate(_EACH)) for _ in range(_ROUNDS)]
        report("append, 1 client", "rows/s", *zip(*pairs, strict=True), against="plain INSERT, raw psycopg, no chain", goal=0.75)


class Appender:
    """Appends with one function and says how fast; what it appends was made before."""

    def __init__(self, append: Callable[[AuditEvent], object]) -> None:
        self._append = append

    def rate(self, count: int) -> float:
        """Rows a second."""
        given = events(count)
        started = time.perf_counter()
        for event in given:
            self._append(event)
        return count / (time.perf_counter() - started)


def plain_insert(connection: psycopg.Connection, tenant: str = TENANT) -> Callable[[AuditEvent], object]:
    """What one would write without a store."""
    return lambda event: connection.execute(INSERT, (tenant, *statements.content(event)))
