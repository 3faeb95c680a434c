"""Many records at once: `record_many` against COPY by psycopg's `write_row` of the same objects, each one transaction."""

import time

import psycopg

from benchmarks.audit.place import COLUMNS, TENANT, Place, events, report
from infraops_core.audit import statements
from infraops_core.audit.events import AuditEvent
from infraops_core.audit.postgres import PostgresAuditStore
from infraops_core.tls import Tls

_ROWS = 20_000
_ROUNDS = 9
_COPY = f"copy unchained.audit_events ({', '.join(COLUMNS)}) from stdin".encode()


def measure(place: Place) -> None:
    with (
        PostgresAuditStore(place.app, tenant=TENANT, tls=Tls.DISABLE, writes_enabled=True) as store,
        psycopg.connect(place.app, autocommit=True) as connection,
    ):
        pairs = [(_store(store, events(_ROWS)), _copy(connection, events(_ROWS))) for _ in range(_ROUNDS + 1)]
    report(f"record_many, {_ROWS:,} rows", "rows/s", *zip(*pairs[1:], strict=True), against="COPY, no chain", goal=0.4)


def _store(store: PostgresAuditStore, given: list[AuditEvent]) -> float:
    started = time.perf_counter()
    store.record_many(given)
    return _ROWS / (time.perf_counter() - started)


def _copy(connection: psycopg.Connection, given: list[AuditEvent]) -> float:
    """The payload's text is the one that the record was checked with, which spares COPY the making of it."""
    started = time.perf_counter()
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for event in given:
            copy.write_row((TENANT, *statements.content(event)))
    return _ROWS / (time.perf_counter() - started)
