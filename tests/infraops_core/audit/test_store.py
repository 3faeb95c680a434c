"""What the store promises, on a real server, for threads and for asyncio alike."""

import dataclasses
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from infraops_core import roles
from infraops_core.audit.chain.verify import verify
from infraops_core.audit.events import AgentRun, ApprovalRequest, AuditEvent, IncidentSnapshot, Record, RunStatus
from infraops_core.audit.store import AuditStore, Preview, Recorded
from infraops_core.errors import UserError
from tests.fix_audit import MakeStore, all_recorded, event, recorded
from tests.fix_pgbouncer import pgbouncer
from tests.fix_postgres import AuditDatabase, wait_until
from tests.fix_proxy import Mode, Proxy
from tests.infraops_core.audit.test_events import GIVEN, make

KINDS = list(GIVEN)
WRITTEN_BY_SQL = """
insert into infraops_audit.audit_events
    (tenant_id, event_id, incident_id, event_type, actor, action, outcome, summary, payload, occurred_at)
values (%s, gen_random_uuid(), 'inc-1', 'a', 'a', 'a', 'a', '', %s, %s)
"""


@pytest.fixture
def owner(audit: AuditDatabase) -> Iterator[psycopg.Connection]:
    with audit.access(roles.OWNER).connect(seconds=60) as connection:
        yield connection


def record(store: AuditStore, what: Record) -> Recorded:
    match what:
        case AuditEvent():
            return recorded(store.record_audit_event(what))
        case IncidentSnapshot():
            return recorded(store.record_incident_snapshot(what))
        case AgentRun():
            return recorded(store.record_agent_run(what))
        case ApprovalRequest():
            return recorded(store.record_approval_request(what))
    raise TypeError(what)


def row(owner: psycopg.Connection, what: Record) -> dict[str, Any]:
    cursor = owner.cursor(row_factory=psycopg.rows.dict_row)
    statement = f"select * from infraops_audit.{what.chain.table} where event_id = %s"
    (found,) = cursor.execute(statement.encode(), [what.event_id]).fetchall()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_is_there_once_however_often_it_is_recorded(
    kind: type[Record], store: AuditStore, tenant: str, owner: psycopg.Connection
) -> None:
    what = make(kind, payload={"a": [1.5, None]}, summary='q"\\ {},NULL\n')
    first = record(store, what)
    stored = row(owner, what)
    assert (first.event_id, first.seq, first.already) == (what.event_id, 1, False)
    assert (stored["tenant_id"], stored["seq"], stored["row_hash"], stored["recorded_at"]) == (
        tenant, first.seq, first.row_hash, first.recorded_at)  # fmt: skip
    for field in dataclasses.fields(kind):
        if field.name != "payload_text":
            assert stored[field.name] == getattr(what, field.name)
    assert record(store, what) == dataclasses.replace(first, already=True)
    assert all_recorded(store.record_many([what])) == [dataclasses.replace(first, already=True)]
    assert record(store, make(kind, **{name: uuid.uuid4() for name in ("run_id", "approval_id") if hasattr(what, name)})).seq == 2


@pytest.mark.parametrize(
    ("changed", "differing"),
    [
        ({"summary": "another"}, "summary"),
        ({"payload": {"n": 2}}, "payload"),
        ({"payload": {"n": True}}, "payload"),
        ({"incident_id": None}, "incident_id"),
        ({"occurred_at": datetime(2026, 1, 1, 0, 0, 0, 1, UTC)}, "occurred_at"),
        ({"schema_version": 2, "actor": "b", "resource": ""}, "actor, resource, schema_version"),
    ],
)
def test_another_content_under_the_same_id_is_refused_by_name(store: AuditStore, changed: dict[str, Any], differing: str) -> None:
    first = event(payload={"n": 1}, occurred_at=datetime(2026, 1, 1, tzinfo=UTC))
    recorded(store.record_audit_event(first))
    other = dataclasses.replace(first, **changed)
    for write in (lambda: store.record_audit_event(other), lambda: store.record_many([event(), other])):
        with pytest.raises(UserError, match="is already recorded in audit_events with other content: ") as refused:
            write()
        assert refused.value.what.endswith(f": {differing}")
    assert [found.event for found in store.list_audit_events("inc-1")] == [first]


def test_equal_json_is_the_same_content(store: AuditStore) -> None:
    first = event(payload={"a": 1, "b": [1e20]})
    recorded(store.record_audit_event(first))
    assert recorded(store.record_audit_event(dataclasses.replace(first, payload={"b": [10**20], "a": 1.0}))).already


def test_many_of_all_kinds_in_their_order(store: AuditStore, audit: AuditDatabase, tenant: str) -> None:
    approval = uuid.uuid4()
    request, decided = (make(ApprovalRequest, approval_id=approval, status=status) for status in ("requested", "approved"))
    events = [event(summary=f"{n}") for n in range(5)]
    given = [
        events[0],
        request,
        events[1],
        make(AgentRun),
        decided,
        events[2],
        events[0],
        make(AgentRun, status=RunStatus.FAILED),
        *events[3:],
    ]
    results = all_recorded(store.record_many(given))
    assert [result.event_id for result in results] == [what.event_id for what in given]
    assert [(result.seq, result.already) for result in results] == [
        (1, False), (1, False), (2, False), (1, False), (2, False), (3, False), (1, True), (2, False), (4, False), (5, False)]  # fmt: skip
    assert all_recorded(store.record_many(given)) == [dataclasses.replace(result, already=True) for result in results]
    with audit.access(roles.READONLY).connect(seconds=60) as connection:
        assert verify(connection).findings == ()


def test_many_or_none(store: AuditStore) -> None:
    stored = event()
    recorded(store.record_audit_event(stored))
    with pytest.raises(UserError, match="other content"):
        store.record_many([*(event() for _ in range(3000)), dataclasses.replace(stored, actor="b")])
    with pytest.raises(UserError, match="was never requested"):
        store.record_many([event(), make(ApprovalRequest, approval_id=uuid.uuid4(), status="expired")])
    assert [found.event for found in store.list_audit_events("inc-1")] == [stored]


def test_two_of_a_batch_with_one_id_are_equal_or_refused(store: AuditStore) -> None:
    one = event(payload={"a": 1})
    for other in (dataclasses.replace(one, payload={"a": True}), dataclasses.replace(one, actor="b")):
        with pytest.raises(UserError, match=rf"two records of audit_events with the id {one.event_id} differ"):
            store.record_many([one, other])
    same = dataclasses.replace(one, payload={"a": 1.0})
    assert [result.already for result in all_recorded(store.record_many([one, same]))] == [False, True]
    run = make(AgentRun, event_id=one.event_id)
    assert [result.already for result in all_recorded(store.record_many([one, run]))] == [True, False]


def test_more_than_one_chunk_is_one_transaction_in_order(store: AuditStore) -> None:
    given = [event(incident_id="large", payload={"t": "x" * 700_000}) for _ in range(7)] + [event(summary=str(n)) for n in range(4500)]
    results = all_recorded(store.record_many(given))
    assert [result.seq for result in results] == list(range(1, len(given) + 1))
    assert all_recorded(store.record_many(given[3:])) == [dataclasses.replace(result, already=True) for result in results[3:]]
    assert [found.event for found in store.list_audit_events("large")] == given[:7]


def test_none_is_nothing_and_no_record_is_a_bug(store: AuditStore) -> None:
    assert store.record_many([]) == []
    with pytest.raises(TypeError, match="dict is no audit record"):
        store.record_many([{}])  # type: ignore[list-item]


@pytest.mark.parametrize("kind", KINDS)
def test_without_writes_a_preview_comes_back_and_nothing_is_opened(kind: type[Record], make_store: MakeStore, tenant: str) -> None:
    nowhere = make_store(tenant, "postgresql://infraops_app@127.0.0.1:1/infraops?sslmode=disable", writes_enabled=False)
    what = make(kind, payload={"a": 1})
    write = {AuditEvent: nowhere.record_audit_event, IncidentSnapshot: nowhere.record_incident_snapshot,
             AgentRun: nowhere.record_agent_run, ApprovalRequest: nowhere.record_approval_request}[kind]  # fmt: skip
    preview = write(what)  # type: ignore[operator]
    assert isinstance(preview, Preview)
    assert preview.table == f"infraops_audit.{what.chain.table}"
    assert preview.row["tenant_id"] == tenant
    assert {name: value for name, value in preview.row.items() if name != "tenant_id"} == {
        field.name: getattr(what, field.name) for field in dataclasses.fields(kind) if field.name != "payload_text"
    }
    assert nowhere.record_many([what]) == [preview]


def test_a_silent_server_is_given_up_and_what_was_sent_is_there_once(audit: AuditDatabase, make_store: MakeStore, tenant: str) -> None:
    url = audit.access(roles.APP).url
    what = event()
    with Proxy(url.port) as proxy:
        store = make_store(tenant, dataclasses.replace(url, port=proxy.port).with_password(), deadline_seconds=0.5)
        recorded(store.record_audit_event(event()))
        proxy.mode = Mode.STALL
        started = time.monotonic()
        with pytest.raises(UserError, match=r"did not do it within 0\.5 s"):
            store.record_audit_event(what)
        assert time.monotonic() - started < 3
        proxy.mode = Mode.PASS
        later = make_store(tenant, dataclasses.replace(url, port=proxy.port).with_password())
        assert recorded(later.record_audit_event(what)).seq == 2
        assert recorded(later.record_audit_event(what)).already


@pytest.mark.parametrize("how_many", [1, 3])
@pytest.mark.parametrize("isolation", ["repeatable\\ read", "serializable"])
def test_an_old_snapshot_does_not_keep_a_record_out(audit: AuditDatabase, make_store: MakeStore, isolation: str, how_many: int) -> None:
    url = audit.access(roles.APP).url
    options = ("options", f"-c default_transaction_isolation={isolation}")
    name = f"t-{uuid.uuid4().hex}"
    stubborn = make_store(name, dataclasses.replace(url, parameters=(*url.parameters, options)).with_password())
    records = [event() for _ in range(how_many)]
    with audit.access(roles.APP).connect(seconds=60, autocommit=False) as other:
        other.execute("select set_config('infraops.tenant', %s, true)", [name])
        other.execute(WRITTEN_BY_SQL, [name, "{}", "2026-01-01 00:00 UTC"])
        committer = threading.Thread(target=commit_once_waited_for, args=(audit, other))
        committer.start()
        results = [stubborn.record_audit_event(records[0])] if how_many == 1 else stubborn.record_many(records)
        committer.join()
    assert [recorded(result).seq for result in results] == list(range(2, how_many + 2))


def commit_once_waited_for(audit: AuditDatabase, connection: psycopg.Connection) -> None:
    waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    with audit.server.access(database=roles.DATABASE).connect(seconds=30) as admin:
        wait_until(lambda: admin.execute(waiting).fetchone() == (1,), "the append to wait for its turn")
    connection.commit()


@pytest.mark.parametrize(
    "settings", ["-c DateStyle=German,DMY -c TimeZone=America/New_York -c bytea_output=escape -c extra_float_digits=-5"]
)
def test_a_servers_settings_change_nothing(audit: AuditDatabase, make_store: MakeStore, tenant: str, settings: str) -> None:
    url = audit.access(roles.APP).url
    odd = make_store(tenant, dataclasses.replace(url, parameters=(*url.parameters, ("options", settings))).with_password())
    events = [event(occurred_at=datetime(1, 1, 1, tzinfo=UTC)), event(occurred_at=datetime(9999, 12, 31, 23, 59, 59, 999999, UTC))]
    first = recorded(odd.record_audit_event(events[0]))
    assert abs((datetime.now(UTC) - first.recorded_at).total_seconds()) < 60
    assert [result.already for result in all_recorded(odd.record_many(events))] == [True, False]
    assert [stored.event for stored in odd.list_audit_events("inc-1")] == events
    assert [stored.row_hash for stored in odd.list_audit_events("inc-1", limit=1)] == [first.row_hash]


def test_a_transaction_pooler_in_between_changes_nothing(audit: AuditDatabase, make_store: MakeStore, tenant: str) -> None:
    with pgbouncer(audit.access(roles.APP), "transaction", size=2) as pooled:
        stores = [make_store(name, pooled.url.with_password(), max_size=4) for name in (tenant, f"{tenant}-other")]
        for n in range(12):
            first, other = event(summary=str(n)), event(summary=str(n))
            assert recorded(stores[0].record_audit_event(first)).seq == n + 1
            assert recorded(stores[1].record_audit_event(other)).seq == n + 1
            assert recorded(stores[0].record_audit_event(first)).already
        results = all_recorded(stores[0].record_many([event() for _ in range(3000)]))
        assert [result.seq for result in results] == list(range(13, 3013))
        assert len(list(stores[0].list_audit_events("inc-1"))) == 3012
        assert len(list(stores[1].list_audit_events("inc-1"))) == 12
