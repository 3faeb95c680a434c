"""A tenant can't see, count or guess what another has; nor what its store has left on a pooled connection."""

import dataclasses
import uuid
from collections.abc import Iterator

import psycopg
import pytest

from infraops_core import roles
from infraops_core.audit import statements
from infraops_core.audit.chain.record import CHAINS
from infraops_core.audit.events import AgentRun, ApprovalRequest, IncidentSnapshot
from infraops_core.audit.postgres import PostgresAuditStore
from infraops_core.audit.store import AuditStore
from infraops_core.errors import UserError
from tests.fix_audit import MakeStore, event, recorded, thread_store
from tests.fix_postgres import AuditDatabase
from tests.infraops_core.audit.test_events import make

TABLES = [chain.table for chain in CHAINS]


@pytest.fixture
def other(tenant: str) -> str:
    return f"{tenant}-other"


@pytest.fixture
def app(audit: AuditDatabase, tenant: str) -> Iterator[psycopg.Connection]:
    """What the tenant can do by SQL."""
    with audit.access(roles.APP).connect(seconds=60) as connection:
        connection.execute("select set_config('infraops.tenant', %s, false)", [tenant])
        yield connection


def test_one_id_in_two_tenants_is_two_records(make_store: MakeStore, tenant: str, other: str) -> None:
    mine, theirs = make_store(tenant), make_store(other)
    what = event()
    assert [recorded(store.record_audit_event(what)).already for store in (mine, theirs)] == [False, False]
    assert [recorded(store.record_audit_event(what)).already for store in (mine, theirs)] == [True, True]
    changed = dataclasses.replace(event(), event_id=uuid.uuid4())
    assert [result.already for result in map(recorded, theirs.record_many([changed]))] == [False]
    assert [result.already for result in map(recorded, mine.record_many([dataclasses.replace(changed, actor="b")]))] == [False]


def test_an_approval_of_another_tenant_cannot_be_decided_or_noticed(make_store: MakeStore, tenant: str, other: str) -> None:
    mine, theirs = make_store(tenant), make_store(other)
    request = make(ApprovalRequest, approval_id=uuid.uuid4())
    assert isinstance(request, ApprovalRequest)
    mine.record_approval_request(request)
    with pytest.raises(UserError, match="was never requested"):
        theirs.record_approval_request(dataclasses.replace(request, event_id=uuid.uuid4(), status="approved"))  # type: ignore[arg-type]
    assert recorded(theirs.record_approval_request(dataclasses.replace(request, event_id=uuid.uuid4()))).seq == 1


def test_a_listing_shows_the_tenants_own(make_store: MakeStore, tenant: str, other: str) -> None:
    for name in (tenant, other, "default"):
        make_store(name).record_many([event(incident_id=tenant, actor=name) for _ in range(3)])
    for name in (tenant, other, "default"):
        assert {stored.event.actor for stored in make_store(name).list_audit_events(tenant)} == {name}


@pytest.mark.parametrize("table", TABLES)
def test_nothing_shows_by_sql(audit: AuditDatabase, app: psycopg.Connection, other: str, table: str) -> None:
    with thread_store(audit, other) as store:
        store.record_many([event(), make(IncidentSnapshot), make(AgentRun), make(ApprovalRequest, approval_id=uuid.uuid4())])
    name = f"infraops_audit.{table}"
    for counted in (f"select count(*) from {name}", f"select count(*) from {name} where tenant_id = '{other}'",
                    f"select count(*) from {name} where tenant_id <> current_setting('infraops.tenant')"):  # fmt: skip
        assert app.execute(counted.encode()).fetchone() == (0,)
    for condition in (f"tenant_id = '{other}'", "event_id is not null", "summary like '%'"):
        explained = f"explain (analyze, costs off, timing off, summary off) select * from {name} where {condition}"
        plan = [line for (line,) in app.execute(explained.encode())]
        assert "actual rows=0 " in plan[0]  # how many a filter left out is a total over tenants, which docs/audit-chain.md says shows
    assert app.execute("select count(*) from pg_stats where schemaname = 'infraops_audit'").fetchone() == (0,)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("select * from pg_statistic")


def test_an_id_of_another_tenants_cannot_be_guessed(audit: AuditDatabase, app: psycopg.Connection, tenant: str, other: str) -> None:
    what = event()
    with thread_store(audit, other) as store:
        store.record_audit_event(what)
    insert = statements.append("audit_events").replace(b"set_config('infraops.tenant', $1, true)", b"$1")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        psycopg.RawCursor(app).execute(insert, [other, *statements.content(what)])
    assert psycopg.RawCursor(app).execute(insert, [tenant, *statements.content(what)]).rowcount == 1


@pytest.mark.parametrize("size", [1, 3])
def test_the_tenant_is_set_before_the_row_is_judged_and_gone_after_it(
    store: AuditStore, audit: AuditDatabase, tenant: str, size: int
) -> None:
    """The app's own tenant is another, and stays so: nothing is left on the connection."""
    with PostgresAuditStore(audit.access(roles.APP).url.with_password(), tenant=tenant, tls=audit.access(roles.APP).tls,
                            writes_enabled=True, max_size=1) as own:  # fmt: skip
        for _ in range(8):  # prepared from the fifth on
            own.record_many([event() for _ in range(size)])
            own.record_audit_event(event())
            list(own.list_audit_events("inc-1"))
            left = own._connections.run(lambda connection: connection.execute("select current_setting('infraops.tenant')").fetchone())
            assert left == ("default",)
        assert len(list(own.list_audit_events("inc-1"))) == 8 * (size + 1)


def test_a_page_is_one_index_scan(audit: AuditDatabase, tenant: str) -> None:
    with thread_store(audit, tenant) as store, audit.access(roles.APP).connect(seconds=60) as app:
        store.record_many([event(incident_id=f"i-{n % 100}") for n in range(3000)])
        for mode in ("force_custom_plan", "force_generic_plan"):
            app.execute(f"set plan_cache_mode = {mode}".encode())
            page = [tenant, "i-7", "0", "100", "2000000"]
            lines = [line for (line,) in psycopg.RawCursor(app).execute(b"explain (costs off) " + statements.PAGE, page)]
            assert [line.strip() for line in lines if "Scan" in line and "Subquery" not in line] == [
                "->  Index Scan using audit_events_incident on audit_events"
            ], "\n".join(lines)
