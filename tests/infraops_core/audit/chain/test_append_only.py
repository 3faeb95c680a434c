"""What nobody may do to the trail, and what is refused as a row."""

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infraops_core import checkout, roles
from infraops_core.audit.chain.prune import prunable, prune
from infraops_core.audit.chain.record import APPROVAL_REQUESTS, AUDIT_EVENTS, CHAINS
from infraops_core.audit.chain.verify import verify
from infraops_core.errors import UserError
from infraops_core.migrations import files, runner
from tests.fix_postgres import AuditDatabase, TestServer, new_audit_database
from tests.infraops_core.audit import rows


@pytest.fixture(scope="module")
def database() -> Iterator[AuditDatabase]:
    """A database whose schema was applied before its roles' grants mattered, with a row in every chain."""
    with new_audit_database() as made:
        rows.apply_schema(made.access(roles.OWNER))
        with made.access(roles.APP).connect(seconds=60) as app:
            for chain in CHAINS:
                rows.append(app, chain, "default", 2)
        yield made


TABLES = [chain.table for chain in CHAINS]
CHANGES = [
    "update infraops_audit.{table} set summary = 'x'",
    "update infraops_audit.{table} set summary = 'x' where false",
    "delete from infraops_audit.{table}",
    "delete from infraops_audit.{table} where false",
    "truncate infraops_audit.{table}",
    "truncate infraops_audit.audit_events, infraops_audit.{table}",
    "merge into infraops_audit.{table} t using (select 1) s on true when matched then delete",
    "with gone as (delete from infraops_audit.{table} returning 1) select * from gone",
]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("change", CHANGES)
def test_no_role_changes_a_row(database: AuditDatabase, table: str, change: str) -> None:
    statement = change.format(table=table).encode()
    for role, refusal in ((roles.APP, psycopg.errors.InsufficientPrivilege), (roles.READONLY, psycopg.errors.InsufficientPrivilege),
                          (roles.OWNER, psycopg.errors.RestrictViolation)):  # fmt: skip
        with database.access(role).connect(seconds=30) as connection, pytest.raises(refusal):
            connection.execute(statement)
    with (
        database.server.access().connect(seconds=30, database=roles.DATABASE) as superuser,
        pytest.raises(psycopg.errors.RestrictViolation),
    ):
        superuser.execute(statement)


def test_a_conflict_changes_no_row(database: AuditDatabase) -> None:
    with database.access(roles.APP).connect(seconds=30) as app:
        (wrote,) = rows.append(app, AUDIT_EVENTS, "default")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute(
                "insert into infraops_audit.audit_events (event_id, event_type, actor, action, outcome, summary, occurred_at) "
                "values (%s, 'a', 'b', 'c', 'd', 'x', now()) on conflict (tenant_id, event_id) do update set summary = 'x'", [wrote]
            )  # fmt: skip


@pytest.mark.parametrize("call", ["grant_to_roles()", "prune('default', 'audit_events', 1, '{}')"])
def test_the_owners_functions_are_the_owners(database: AuditDatabase, call: str) -> None:
    for role in (roles.APP, roles.READONLY):
        with database.access(role).connect(seconds=30) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"select infraops_audit.{call}".encode())


def test_no_function_lends_its_makers_rights(database: AuditDatabase) -> None:
    with database.access(roles.OWNER).connect(seconds=30) as owner:
        found = owner.execute("select proname from pg_proc where pronamespace = 'infraops_audit'::regnamespace and prosecdef").fetchall()
    assert found == []


def test_the_setting_that_prunes_is_of_no_use_to_others(database: AuditDatabase) -> None:
    with database.access(roles.APP).connect(seconds=30) as app, app.transaction():
        app.execute("select set_config('infraops.pruning', pg_current_xact_id()::text, true)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege), app.transaction():
            app.execute("delete from infraops_audit.audit_events")


# Rows that are refused, whoever sends them: name of the CHECK, and what is wrong.
BAD = [
    ("tenant", {"tenant_id": ""}), ("tenant", {"tenant_id": "a b"}), ("tenant", {"tenant_id": "x" * 64}), ("tenant", {"tenant_id": "-a"}),
    ("payload", {"payload": "[]"}), ("payload", {"payload": "1"}), ("payload", {"payload": '"x"'}), ("payload", {"payload": "null"}),
    ("payload", {"payload": '{"x": "' + "y" * 1_048_568 + '"}'}),
    ("texts", {"summary": "x" * 10_001}),
    ("version", {"schema_version": 0}),
    ("times", {"occurred_at": "infinity"}), ("times", {"occurred_at": "-infinity"}),
]  # fmt: skip


@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: chain.table)
@pytest.mark.parametrize(("check", "changed"), BAD, ids=lambda value: value if isinstance(value, str) else str(value)[:40])
def test_a_bad_row_is_refused_by_name(database: AuditDatabase, chain: Any, check: str, changed: dict[str, Any]) -> None:
    with database.access(roles.OWNER).connect(seconds=30) as owner, pytest.raises(psycopg.errors.CheckViolation) as refused:
        rows.append(owner, chain, "default", **changed)
    assert refused.value.diag.constraint_name == f"{chain.table}_{check}"


def test_a_payload_of_just_1_mib_is_stored(database: AuditDatabase) -> None:
    with database.access(roles.APP).connect(seconds=30) as app:
        for chain in CHAINS:
            rows.append(app, chain, "default", payload='{"x": "' + "y" * (1_048_576 - len('{"x": ""}')) + '"}')


@pytest.mark.parametrize("column", ["tenant_id", "event_id", "summary", "payload", "occurred_at"])
def test_a_null_is_refused(database: AuditDatabase, column: str) -> None:
    changed: dict[str, Any] = {column: None}
    for chain in CHAINS:
        with database.access(roles.OWNER).connect(seconds=30) as owner, pytest.raises(psycopg.errors.NotNullViolation):
            rows.append(owner, chain, "default", **changed)


# Approvals: requested once, decided at most once, and never before.
REQUESTED, APPROVED, REJECTED, EXPIRED = "requested", "approved", "rejected", "expired"


@pytest.mark.parametrize(
    ("steps", "constraint"),
    [
        ([REQUESTED, APPROVED], None), ([REQUESTED, REJECTED], None), ([REQUESTED, EXPIRED], None), ([REQUESTED], None),
        ([APPROVED], "approval_requests_requested_first"), ([EXPIRED], "approval_requests_requested_first"),
        ([REQUESTED, REQUESTED], "approval_requests_requested_once"), ([REQUESTED, APPROVED, REJECTED], "approval_requests_decided_once"),
        ([REQUESTED, APPROVED, APPROVED], "approval_requests_decided_once"), ([REQUESTED, "forgotten"], "approval_requests_status"),
    ],
)  # fmt: skip
def test_an_approvals_life(database: AuditDatabase, steps: list[str], constraint: str | None) -> None:
    approval = uuid.uuid4()
    with database.access(roles.APP).connect(seconds=30) as app:
        *before, last = steps
        for status in before:
            rows.append(app, APPROVAL_REQUESTS, "default", approval_id=approval, status=status)
        if constraint is None:
            rows.append(app, APPROVAL_REQUESTS, "default", approval_id=approval, status=last)
        else:
            with pytest.raises(psycopg.IntegrityError) as refused:
                rows.append(app, APPROVAL_REQUESTS, "default", approval_id=approval, status=last)
            assert refused.value.diag.constraint_name == constraint


def test_another_tenants_request_is_none(database: AuditDatabase) -> None:
    approval = uuid.uuid4()
    with database.access(roles.OWNER).connect(seconds=30) as owner:
        rows.append(owner, APPROVAL_REQUESTS, "other", approval_id=approval)
        with pytest.raises(psycopg.errors.CheckViolation, match="was never requested"):
            rows.append(owner, APPROVAL_REQUESTS, "default", approval_id=approval, status=APPROVED)


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_an_old_snapshot_can_not_append(database: AuditDatabase, level: str) -> None:
    with database.access(roles.APP).connect(seconds=30) as old, database.access(roles.APP).connect(seconds=30) as other:
        old.execute(f"begin isolation level {level}".encode())
        old.execute("select count(*) from infraops_audit.audit_events")
        rows.append(other, AUDIT_EVENTS, "default")
        with pytest.raises((psycopg.errors.UniqueViolation, psycopg.errors.SerializationFailure)) as refused:
            rows.append(old, AUDIT_EVENTS, "default")
        old.execute("rollback")
        assert refused.value.diag.constraint_name in ("audit_events_seq", None)


def test_appenders_of_one_tenant_wait_for_each_other_and_those_of_two_do_not(database: AuditDatabase) -> None:
    done: list[str] = []

    def append(tenant: str) -> None:
        with database.access(roles.OWNER).connect(seconds=30) as owner:
            rows.append(owner, AUDIT_EVENTS, tenant)
        done.append(tenant)

    with database.access(roles.OWNER).connect(seconds=30) as owner:
        with owner.transaction():
            rows.append(owner, AUDIT_EVENTS, "one")
            waiting, free = threading.Thread(target=append, args=["one"]), threading.Thread(target=append, args=["two"])
            waiting.start()
            free.start()
            free.join(20)
            assert done == ["two"]
        waiting.join(20)
        assert done == ["two", "one"]
        assert verify(owner).findings == ()


def test_rows_from_before_the_chain_join_it(postgres: TestServer, empty_database: str) -> None:
    migrations = files.read(checkout.AUDIT_SCHEMA / "migrations")
    access = postgres.access(database=empty_database)
    list(runner.apply(access, migrations[:1]))
    with access.connect(seconds=30) as connection:
        connection.execute(
            "insert into infraops_audit.audit_events (tenant_id, event_id, event_type, actor, action, outcome, summary, occurred_at) "
            "select 't' || n % 3, gen_random_uuid(), 'a', 'b', 'c', 'd', 'ä' || n, now() from generate_series(1, 100) n"
        )
        list(runner.apply(access, migrations))
        verdict = verify(connection)
        assert (verdict.rows, verdict.chains, verdict.findings) == (100, 3, ())
        in_order = connection.execute(
            "select bool_and(recorded_at >= before) from (select recorded_at, lag(recorded_at) over (partition by tenant_id order by seq)"
            " as before from infraops_audit.audit_events) as rows"
        )
        assert in_order.fetchone() == (True,)


def test_reverting_the_guards_opens_no_table(database: AuditDatabase) -> None:
    migrations = files.read(checkout.AUDIT_SCHEMA / "migrations")
    with database.server.access().connect(seconds=30) as admin:
        admin.execute(f"create database reverted owner {roles.OWNER}".encode())
    owner = database.server.access(roles.OWNER, database.settings.passwords[roles.OWNER], "reverted")
    list(runner.apply(owner, migrations))
    runner.down(owner, migrations)
    runner.down(owner, migrations)
    with owner.connect(seconds=30) as connection:
        may = "select relname, rolname from pg_class, pg_roles where relkind = 'r' and relname = any (%s) and rolname = any (%s) "
        allowed = connection.execute(may + "and has_table_privilege(rolname, pg_class.oid, 'select, insert')",
                                     [TABLES[1:], [roles.APP, roles.READONLY]]).fetchall()  # fmt: skip
    assert allowed == []
    list(runner.apply(owner, migrations))
    with database.server.access(roles.APP, database.settings.passwords[roles.APP], "reverted").connect(seconds=30) as app:
        for chain in CHAINS:
            rows.append(app, chain, "default")


def test_a_database_that_can_not_hold_every_character_is_refused(postgres: TestServer) -> None:
    with postgres.access().connect(seconds=30) as admin:
        admin.execute("create database test_latin1 encoding latin1 locale 'C' template template0")
    try:
        with pytest.raises(UserError, match="needs a database in UTF8, and this one is in LATIN1"):
            rows.apply_schema(postgres.access(database="test_latin1"))
    finally:
        with postgres.access().connect(seconds=30) as admin:
            admin.execute("drop database test_latin1 with (force)")


def test_anchors_are_not_reverted(postgres: TestServer, empty_database: str) -> None:
    access = postgres.access(database=empty_database)
    rows.apply_schema(access)
    migrations = files.read(checkout.AUDIT_SCHEMA / "migrations")
    with access.connect(seconds=30) as connection:
        rows.append(connection, AUDIT_EVENTS, "default", 3)
        prune(connection, prunable(connection, "default", datetime.now(UTC)), Ed25519PrivateKey.generate())
        with pytest.raises(UserError, match="chains were pruned"):
            runner.down(access, migrations)
        assert verify(connection).findings == ()
