"""All 100 events of one incident: among 1,000,000 rows against among 10,000 rows, in two databases of one server."""

import dataclasses
import statistics
import time

import psycopg

from benchmarks.audit.place import TENANT, Place
from infraops_core.access import Access
from infraops_core.audit import statements
from infraops_core.audit.postgres import PostgresAuditStore
from infraops_core.tls import Tls

_SMALL, _LARGE = 10_000, 1_000_000
_OF_INCIDENT = 100
_ROUNDS = 200
_GOAL = 1.2

# Rows with hashes given, as a cutover brings them: they are only read here.
_FILL = """
insert into infraops_audit.audit_events
    (tenant_id, event_id, incident_id, event_type, actor, action, outcome, summary, payload, occurred_at, seq, prev_hash, row_hash)
select 'default', gen_random_uuid(), 'inc-' || n % ({rows} / 100), 'tool_call', 'agent:planner', 'restart_service', 'success',
    'restarted the checkout service after its error rate rose', '{{"service": "checkout", "attempt": 1}}', now(), n,
    sha256(int8send(n - 1)), sha256(int8send(n))
from generate_series(1, {rows}) as n
"""


def measure(place: Place) -> None:
    with place.admin.connect(seconds=60, database="postgres") as admin:
        admin.execute("create database small template infraops")
    stores = {}
    for rows, owner in ((_LARGE, place.owner), (_SMALL, _in_database(place.owner, "small"))):
        with owner.connect(seconds=600) as connection:
            connection.execute(_FILL.format(rows=rows).encode())
            connection.execute("vacuum analyze infraops_audit.audit_events")
        url = place.app if rows == _LARGE else place.app.replace("/infraops?", "/small?")
        stores[rows] = PostgresAuditStore(url, tenant=TENANT, tls=Tls.DISABLE, writes_enabled=True)
        _explain(rows, url)
    times: dict[int, list[float]] = {rows: [] for rows in stores}
    for incident in range(_ROUNDS):
        for rows, store in stores.items():
            started = time.perf_counter()
            found = sum(1 for _ in store.list_audit_events(f"inc-{incident % 100}"))
            times[rows].append(time.perf_counter() - started)
            assert found == _OF_INCIDENT
    for store in stores.values():
        store.close()
    _report(times)


def _in_database(access: Access, name: str) -> Access:
    return dataclasses.replace(access, url=dataclasses.replace(access.url, database=name))


def _explain(rows: int, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        plan = psycopg.RawCursor(connection).execute(b"explain (analyze, buffers, costs off, timing off, summary off) " + statements.PAGE,
                                                     [TENANT, "inc-7", "0", "1024", "2000000"])  # fmt: skip
        print(f"a page of one incident among {rows:,} rows:", *(f"  {line}" for (line,) in plan), sep="\n")


def _report(times: dict[int, list[float]]) -> None:
    ratio = statistics.median(large / small for large, small in zip(times[_LARGE], times[_SMALL], strict=True))
    among = ", ".join(f"among {rows:,} rows {statistics.median(seconds) * 1000:.2f} ms" for rows, seconds in sorted(times.items()))
    print(f"list_audit_events, {_OF_INCIDENT} events of one incident: {among}")
    print(f"  ratio {ratio:.2f} (median of {_ROUNDS} pairs); goal {_GOAL}: {'reached' if ratio <= _GOAL else 'missed'}", flush=True)
