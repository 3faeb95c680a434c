"""Rows for the tests of the chains: written as the superuser of a database that has the schema."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from infraops_core import checkout
from infraops_core.access import Access
from infraops_core.audit.chain.record import AGENT_RUNS, APPROVAL_REQUESTS, AUDIT_EVENTS, INCIDENT_SNAPSHOTS, Chain
from infraops_core.migrations import files, runner

CONTENT: Mapping[str, Mapping[str, Any]] = {
    AUDIT_EVENTS.table: {"incident_id": "inc-1", "event_type": "deploy", "actor": "agent:planner", "action": "approve",
                         "resource": None, "outcome": "success", "request_id": None},
    INCIDENT_SNAPSHOTS.table: {"incident_id": "inc-1", "snapshot_type": "packet", "actor": "agent:planner"},
    AGENT_RUNS.table: {"run_id": uuid.UUID(int=7), "agent": "planner", "status": "started", "incident_id": None},
    APPROVAL_REQUESTS.table: {"approval_id": None, "status": "requested", "actor": "agent:planner", "action": "restart",
                              "incident_id": "inc-1"},
}  # fmt: skip


def apply_schema(access: Access) -> None:
    """All migrations, as whoever `access` is."""
    list(runner.apply(access, files.read(checkout.AUDIT_SCHEMA / "migrations")))


def content(chain: Chain, tenant: str, **changed: Any) -> dict[str, Any]:
    """What a client gives for one row of a chain."""
    row = {"tenant_id": tenant, "event_id": uuid.uuid4(), **CONTENT[chain.table], "summary": "äöü €", "payload": '{"n": 1}',
           "schema_version": 1, "occurred_at": datetime.now(UTC)}  # fmt: skip
    if chain is APPROVAL_REQUESTS:
        row["approval_id"] = uuid.uuid4()
    return row | changed


def append(connection: Any, chain: Chain, tenant: str, count: int = 1, **changed: Any) -> list[uuid.UUID]:
    """Insert rows as any client would; their ids."""
    ids = []
    for _ in range(count):
        row = content(chain, tenant, **changed)
        columns, places = ", ".join(row), ", ".join(["%s"] * len(row))
        connection.execute(f"insert into infraops_audit.{chain.table} ({columns}) values ({places})", list(row.values()))
        ids.append(row["event_id"])
    return ids


@contextmanager
def unguarded(connection: Any) -> Iterator[None]:
    """What only a superuser can do: change rows with no trigger to see it."""
    connection.execute("set session_replication_role = replica")
    try:
        yield
    finally:
        connection.execute("reset session_replication_role")
