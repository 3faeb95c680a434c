"""Verifying 1,000,000 chained rows of four tenants: against reading the same rows by a plain COPY, and memory beside it."""

import resource
import statistics
import time

import psycopg

from benchmarks.audit.place import Place
from infraops_core.access import Access
from infraops_core.audit.chain.verify import one_moment, verify

_ROWS = 1_000_000
_ROUNDS = 5
_GOAL = 500_000
_FILL = """
insert into infraops_audit.audit_events
    (tenant_id, event_id, incident_id, event_type, actor, action, outcome, summary, payload, occurred_at)
select 'tenant-' || n %% 4, gen_random_uuid(), 'inc-' || n / 10, 'tool_call', 'agent:planner', 'restart_service', 'success',
    'restarted the checkout service after its error rate rose', '{"service": "checkout", "attempt": 1}', now()
from generate_series(1, %s) as n order by n %% 4, n
"""
_PLAIN = "copy (select * from infraops_audit.audit_events order by tenant_id, seq) to stdout binary"


def measure(place: Place) -> None:
    with place.owner.connect(seconds=1800) as connection:
        connection.execute(_FILL, [_ROWS // 10])
        connection.execute("vacuum analyze infraops_audit.audit_events")
        _verified(connection)
        memory = _memory()
        connection.execute(_FILL, [_ROWS - _ROWS // 10])
        connection.execute("vacuum analyze infraops_audit.audit_events")
    ours, plain = [], []
    for _ in range(_ROUNDS):
        with place.owner.connect(seconds=600) as connection:
            ours.append(_verified(connection))
        plain.append(_read(place.owner))
    grown = _memory() - memory
    rate = statistics.median(ours)
    print(f"verify, {_ROWS:,} rows: {rate:,.0f} rows/s ({min(ours):,.0f} to {max(ours):,.0f}, {_ROUNDS} rounds), "
          f"plain COPY of the same rows by psycopg {statistics.median(plain):,.0f}: {rate / statistics.median(plain):.2f} of it; "
          f"goal {_GOAL:,} rows/s: {'reached' if rate >= _GOAL else 'missed'}; "
          f"{grown} MiB more memory than for a tenth of the rows")  # fmt: skip


def _verified(connection: "psycopg.Connection") -> float:
    """Rows a second."""
    started = time.perf_counter()
    with one_moment(connection):
        verdict = verify(connection)
    assert not verdict.findings
    return verdict.rows / (time.perf_counter() - started)


def _read(owner: Access) -> float:
    with owner.connect(seconds=600) as connection:
        started = time.perf_counter()
        count = 0
        with connection.cursor().copy(
            "copy (select * from infraops_audit.audit_events order by tenant_id, seq) to stdout binary"
        ) as copied:
            for _ in copied:
                count += 1
        return count / (time.perf_counter() - started)


def _memory() -> int:
    """The most this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
