"""Fixtures of the audit store: one server with the schema for the whole run, and a tenant of its own for each test."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import pytest

from infraops_core import roles
from infraops_core.audit.async_postgres import AsyncPostgresAuditStore
from infraops_core.audit.events import AgentRun, ApprovalRequest, AuditEvent, IncidentSnapshot, Record
from infraops_core.audit.postgres import PostgresAuditStore
from infraops_core.audit.store import AsyncAuditStore, AuditStore, Preview, Recorded, StoredEvent
from infraops_core.tls import Tls
from tests.fix_postgres import AuditDatabase, new_audit_database
from tests.infraops_core.audit.rows import apply_schema

T = TypeVar("T")


@pytest.fixture(scope="session")
def audit() -> Iterator[AuditDatabase]:
    """The roles and the schema on a server of their own; 60 connections for the app, whose own tenant is `default`."""
    with new_audit_database() as made:
        apply_schema(made.access(roles.OWNER))
        with made.server.access().connect(seconds=30) as admin:
            admin.execute("alter role infraops_app connection limit 60")
        yield made


@pytest.fixture
def tenant() -> str:
    """A tenant nobody else has."""
    return f"t-{secrets.token_hex(6)}"


class Blocking:
    """An async store used as if it were none: what holds for one holds for the other."""

    def __init__(self, store: AsyncPostgresAuditStore, runner: asyncio.Runner) -> None:
        self._store: AsyncAuditStore = store
        self._runner = runner

    def _run(self, awaitable: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(awaitable)

    def record_audit_event(self, event: AuditEvent) -> Recorded | Preview:
        return self._run(self._store.record_audit_event(event))

    def record_incident_snapshot(self, snapshot: IncidentSnapshot) -> Recorded | Preview:
        return self._run(self._store.record_incident_snapshot(snapshot))

    def record_agent_run(self, run: AgentRun) -> Recorded | Preview:
        return self._run(self._store.record_agent_run(run))

    def record_approval_request(self, request: ApprovalRequest) -> Recorded | Preview:
        return self._run(self._store.record_approval_request(request))

    def record_many(self, records: Iterable[Record]) -> list[Recorded] | list[Preview]:
        return self._run(self._store.record_many(records))

    def list_audit_events(self, incident_id: str, *, after: str | None = None, limit: int | None = None) -> Iterator[StoredEvent]:
        events = self._store.list_audit_events(incident_id, after=after, limit=limit)
        return self._all(events)

    def _all(self, events: AsyncIterator[StoredEvent]) -> Iterator[StoredEvent]:
        with suppress(StopAsyncIteration):
            while True:
                yield self._run(_next(events))


async def _next(events: AsyncIterator[StoredEvent]) -> StoredEvent:
    return await anext(events)


MakeStore = Callable[..., AuditStore]


@pytest.fixture(params=["threads", "asyncio"])
def make_store(request: pytest.FixtureRequest, audit: AuditDatabase) -> Iterator[MakeStore]:
    """Makes stores of one tenant, for threads or for asyncio; closed at the end."""
    with asyncio.Runner() as runner:
        made: list[PostgresAuditStore | AsyncPostgresAuditStore] = []

        def make(tenant: str, url: str = "", **options: Any) -> AuditStore:
            given: dict[str, Any] = {"tls": Tls.DISABLE, "writes_enabled": True} | options
            url = url or audit.access(roles.APP).url.with_password()
            if request.param == "threads":
                made.append(store := PostgresAuditStore(url, tenant=tenant, **given))
                return store

            async def inside_a_loop() -> AsyncPostgresAuditStore:
                return AsyncPostgresAuditStore(url, tenant=tenant, **given)

            made.append(other := runner.run(inside_a_loop()))
            return Blocking(other, runner)

        yield make
        for store in made:
            if isinstance(store, PostgresAuditStore):
                store.close()
            else:
                runner.run(store.close())


@pytest.fixture
def store(make_store: MakeStore, tenant: str) -> AuditStore:
    """The tenant's store."""
    return make_store(tenant)


@contextmanager
def thread_store(audit: AuditDatabase, tenant: str, **options: Any) -> Iterator[PostgresAuditStore]:
    """A store for threads, as the app."""
    given: dict[str, Any] = {"tls": Tls.DISABLE, "writes_enabled": True} | options
    with PostgresAuditStore(audit.access(roles.APP).url.with_password(), tenant=tenant, **given) as made:
        yield made


def recorded(result: Recorded | Preview) -> Recorded:
    """The result of a write that was done."""
    assert isinstance(result, Recorded)
    return result


def all_recorded(results: list[Recorded] | list[Preview]) -> list[Recorded]:
    """The results of writes that were done."""
    return [recorded(result) for result in results]


def event(**changed: Any) -> AuditEvent:
    """Some audit event."""
    given = {"event_type": "alert", "actor": "agent:planner", "action": "restart", "outcome": "success", "summary": "äöü €",
             "incident_id": "inc-1", "payload": {"n": 1, "tags": ["a", None, True], "load": 0.25}}  # fmt: skip
    return AuditEvent(**given | changed)
