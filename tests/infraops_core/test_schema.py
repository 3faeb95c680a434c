"""The audit schema on a real server, in each of the modes."""

import dataclasses
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from infraops_core import checkout, passwords, roles, schema
from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.migrations import files, runner
from infraops_core.settings import Environment
from tests.fix_postgres import AuditDatabase, TestServer

ISSUE_QUERY = "select recorded_at, incident_id, event_type, summary from infraops_audit.audit_events order by recorded_at desc limit 5"
INSERT = """
insert into infraops_audit.audit_events (event_id, incident_id, event_type, actor, action, outcome, summary, occurred_at)
values (%s, %s, 'alert', 'tester', 'insert', 'success', %s, now())
"""


@pytest.fixture
def audit(postgres: TestServer) -> Iterator[AuditDatabase]:
    """The database of the three roles, with no schema yet."""
    settings = roles.RoleSettings({role: passwords.generate() for role in (roles.OWNER, roles.APP, roles.READONLY)}, "default", 5)
    drop = f"drop database if exists {roles.DATABASE} with (force)".encode()
    with postgres.access().connect(seconds=60) as connection:
        connection.execute(drop)
    roles.create(postgres.access(), settings)
    yield AuditDatabase(postgres, settings)
    with postgres.access().connect(seconds=60) as connection:
        connection.execute(drop)


def query(access: Access, statement: str) -> list[tuple[object, ...]]:
    with access.connect(seconds=30) as connection:
        return connection.execute(statement.encode()).fetchall()


def is_there(audit: AuditDatabase) -> bool:
    return query(audit.access(roles.OWNER), "select to_regclass('infraops_audit.audit_events') is not null") == [(True,)]


def test_apply_makes_it_once(audit: AuditDatabase, capsys: pytest.CaptureFixture[str]) -> None:
    owner = audit.access(roles.OWNER)
    assert schema.bring(owner, "apply", Environment.DEV) == schema.wanted()
    assert is_there(audit)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "Applying  20261122000000_audit_events.sql"
    assert said[1].startswith("Applied   20261122000000_audit_events.sql in ")
    assert schema.bring(owner, "apply", Environment.DEV) == schema.wanted()
    assert capsys.readouterr().out == ""


def test_verify_refuses_what_is_missing_and_makes_nothing(audit: AuditDatabase) -> None:
    owner = audit.access(roles.OWNER)
    with pytest.raises(UserError, match=r"lacks \d+ migrations?: 20261122000000_audit_events\.sql") as refused:
        schema.bring(owner, "verify", Environment.DEV)
    assert refused.value.where == f"{owner.endpoint}, infraops:schema is verify"
    assert not is_there(audit)
    schema.bring(owner, "apply", Environment.DEV)
    assert schema.bring(owner, "verify", Environment.DEV) == schema.wanted()


def test_verify_refuses_a_file_that_was_edited(audit: AuditDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = audit.access(roles.OWNER)
    schema.bring(owner, "apply", Environment.DEV)
    copy = tmp_path / "audit-schema"
    shutil.copytree(checkout.AUDIT_SCHEMA, copy)
    monkeypatch.setattr(checkout, "AUDIT_SCHEMA", copy)
    file = copy / "migrations" / "20261122000000_audit_events.sql"
    text = file.read_text()
    file.write_text(text.replace("-- migrate:up", "-- Another comment.\n-- migrate:up\n"))
    assert schema.bring(owner, "verify", Environment.DEV) == schema.wanted()
    file.write_text(text.replace("desc", "asc"))
    for mode in ("verify", "apply"):
        with pytest.raises(UserError, match=r"20261122000000_audit_events\.sql.*changed after it was applied") as refused:
            schema.bring(owner, mode, Environment.DEV)
        assert "infraops migrate mark 20261122000000" in refused.value.next


def test_verify_lets_pass_what_dbmate_applied(audit: AuditDatabase) -> None:
    owner = audit.access(roles.OWNER)
    schema.bring(owner, "apply", Environment.DEV)
    with owner.connect(seconds=30) as connection:
        connection.execute("update schema_migrations set checksum = null")
    assert schema.bring(owner, "verify", Environment.DEV) == schema.wanted()


def test_roles_made_after_the_schema_get_their_grants(postgres: TestServer, empty_database: str) -> None:
    admin = postgres.access(database=empty_database)
    with postgres.access().connect(seconds=60) as connection:
        connection.execute(f"drop database if exists {roles.DATABASE} with (force)".encode())
        connection.execute(f"drop role if exists {roles.OWNER}, {roles.APP}, {roles.READONLY}".encode())
    schema.bring(admin, "apply", Environment.DEV)
    with admin.connect(seconds=60) as connection:
        connection.execute(f"create role {roles.APP}".encode())
        may = f"select has_table_privilege('{roles.APP}', 'infraops_audit.audit_events', 'insert')".encode()
        assert connection.execute(may).fetchone() == (False,)
        schema.bring(admin, "verify", Environment.DEV)
        assert connection.execute(may).fetchone() == (False,)
        schema.bring(admin, "apply", Environment.DEV)
        assert connection.execute(may).fetchone() == (True,)
        connection.execute(f"drop owned by {roles.APP}; drop role {roles.APP}".encode())


def test_eight_at_once_grant_one_after_the_other(audit: AuditDatabase) -> None:
    owner, migrations = audit.access(roles.OWNER), files.read(checkout.AUDIT_SCHEMA / "migrations")
    applied: list[str] = []

    def bring() -> None:
        applied.extend(one.migration.version for one in schema.apply(owner, migrations, Environment.DEV))

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(bring) for _ in range(24)]:
            done.result(timeout=60)
    assert sorted(applied) == [migration.version for migration in migrations]


def test_off_does_not_look(audit: AuditDatabase) -> None:
    nobody = dataclasses.replace(audit.access(roles.OWNER), url=dataclasses.replace(audit.access(roles.OWNER).url, port=1))
    assert schema.bring(nobody, "off", Environment.DEV) == schema.SchemaState("", "")
    assert not is_there(audit)


def test_a_mode_that_does_not_exist_is_a_bug(audit: AuditDatabase) -> None:
    with pytest.raises(ValueError, match="aply"):
        schema.bring(audit.access(roles.OWNER), "aply", Environment.DEV)
    assert not is_there(audit)


@pytest.mark.parametrize("mode", ["apply", "verify"])
def test_a_server_that_is_not_there_is_told_so(audit: AuditDatabase, mode: str) -> None:
    nobody = dataclasses.replace(audit.access(roles.OWNER), url=dataclasses.replace(audit.access(roles.OWNER).url, port=1))
    with pytest.raises(UserError, match="Connection refused") as refused:
        schema.bring(nobody, mode, Environment.DEV)
    assert audit.settings.passwords[roles.OWNER] not in str(refused.value)


@pytest.mark.parametrize("missing", [True, False], ids=["no folder", "no files"])
def test_a_checkout_without_migrations_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: bool) -> None:
    if not missing:
        (tmp_path / "migrations").mkdir()
    monkeypatch.setattr(checkout, "AUDIT_SCHEMA", tmp_path)
    with pytest.raises(UserError, match="there are no migrations"):
        schema.wanted()


def test_the_columns_are_those_of_the_contract(audit: AuditDatabase) -> None:
    schema.bring(audit.access(roles.OWNER), "apply", Environment.DEV)
    found = query(
        audit.access(roles.OWNER),
        "select column_name || ' ' || data_type || case is_nullable when 'NO' then ' not null' else '' end from information_schema.columns"
        " where table_schema = 'infraops_audit' and table_name = 'audit_events' order by ordinal_position",
    )
    assert [row[0] for row in found][:14] == [
        "tenant_id text not null",
        "event_id uuid not null",
        "incident_id text",
        "event_type text not null",
        "actor text not null",
        "action text not null",
        "resource text",
        "outcome text not null",
        "request_id text",
        "summary text not null",
        "payload jsonb not null",
        "schema_version integer not null",
        "occurred_at timestamp with time zone not null",
        "recorded_at timestamp with time zone not null",
    ]


def test_the_newest_events_are_read_by_app_and_readonly(audit: AuditDatabase) -> None:
    schema.bring(audit.access(roles.OWNER), "apply", Environment.DEV)
    with audit.access(roles.APP).connect(seconds=30) as connection:
        for number in range(7):
            connection.execute(INSERT, [uuid.uuid4(), f"inc-{number}", f"event {number}"])
    for role in (roles.APP, roles.READONLY):
        rows = query(audit.access(role), ISSUE_QUERY)
        assert [row[1:] for row in rows] == [(f"inc-{number}", "alert", f"event {number}") for number in (6, 5, 4, 3, 2)]
    assert query(audit.access(roles.APP), "select distinct tenant_id from infraops_audit.audit_events") == [("default",)]


def test_an_event_needs_a_tenant_and_comes_once_a_tenant(audit: AuditDatabase) -> None:
    schema.bring(audit.access(roles.OWNER), "apply", Environment.DEV)
    event_id = uuid.uuid4()
    with audit.access(roles.APP).connect(seconds=30) as connection:
        connection.execute(INSERT, [event_id, None, "first"])
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(INSERT, [event_id, None, "again"])
        connection.execute("set infraops.tenant = 'another'")
        connection.execute(INSERT, [event_id, None, "of another tenant"])
    with audit.access(roles.OWNER).connect(seconds=30) as connection, pytest.raises(psycopg.errors.NotNullViolation):
        connection.execute(INSERT, [event_id, None, "of no tenant"])


@pytest.mark.parametrize(
    "statement", ["insert into {} (event_id) values (gen_random_uuid())", "update {} set summary = ''", "delete from {}"]
)
def test_readonly_reads_only(audit: AuditDatabase, statement: str) -> None:
    schema.bring(audit.access(roles.OWNER), "apply", Environment.DEV)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        query(audit.access(roles.READONLY), statement.format("infraops_audit.audit_events"))


PROD = Environment.PROD


def copies(state: Path) -> list[Path]:
    return sorted((state / "snapshots").rglob("*.dump"))


def test_in_prod_a_database_that_holds_rows_is_copied_before_it_is_changed(
    audit: AuditDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INFRAOPS_STATE", str(tmp_path))
    owner, migrations = audit.access(roles.OWNER), files.read(checkout.AUDIT_SCHEMA / "migrations")
    first = migrations[0].version
    assert [applied.migration.version for applied in schema.apply(owner, migrations, PROD, target=first)] == [first]
    assert copies(tmp_path) == []  # it held nothing
    with audit.access(roles.APP).connect(seconds=30) as app:
        app.execute(INSERT, [uuid.uuid4(), "inc-1", "before the change"])
    assert len(list(schema.apply(owner, migrations, PROD))) == len(migrations) - 1
    (copy,) = copies(tmp_path)
    assert (copy.stat().st_mode & 0o777, f"before-{migrations[-1].version}" in copy.name) == (0o600, True)
    assert f"to {copy}" in capsys.readouterr().out
    assert list(schema.apply(owner, migrations, PROD)) == []
    assert copies(tmp_path) == [copy]  # nothing was to be changed
    schema.revert(owner, migrations, PROD)
    assert len(copies(tmp_path)) == 2


@pytest.mark.parametrize(
    ("names", "target", "applied", "copied"),
    [
        (("10_b", "1_a"), "1", ["10", "1"], True),  # in the order of their names, which is not that of their numbers
        (("10_b", "1_a"), "10", ["10"], True),
        (("1_a",), "2", "no migration of version 2", False),
        (("1_bad",), "", "was interrupted", False),
    ],
)
def test_a_copy_is_made_for_what_changes_something_only(
    postgres: TestServer, empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    *, names: tuple[str, ...], target: str, applied: list[str] | str, copied: bool,
) -> None:  # fmt: skip
    monkeypatch.setenv("INFRAOPS_STATE", str(tmp_path / "state"))
    access = postgres.access(database=empty_database)
    with access.connect(seconds=30) as connection:
        connection.execute("create table kept as select 1")
    for name in names:
        body = " transaction:false\nselect nope;" if "bad" in name else f"\ncreate table {name[-1]} ();"
        (tmp_path / f"{name}.sql").write_text(f"-- migrate:up{body}\n-- migrate:down\n")
    migrations = files.read(tmp_path)
    if isinstance(applied, list):
        assert [one.migration.version for one in schema.apply(access, migrations, PROD, target=target)] == applied
    else:
        with suppress(UserError):
            list(schema.apply(access, migrations, Environment.DEV, target=target))
        with pytest.raises(UserError, match=applied):
            list(schema.apply(access, migrations, PROD, target=target))
    assert bool(copies(tmp_path / "state")) is copied


def test_what_can_not_be_copied_is_not_changed(audit: AuditDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, migrations = audit.access(roles.OWNER), files.read(checkout.AUDIT_SCHEMA / "migrations")
    list(schema.apply(owner, migrations, Environment.DEV, target=migrations[0].version))
    with audit.access(roles.APP).connect(seconds=30) as app:
        app.execute(INSERT, [uuid.uuid4(), "inc-1", "before the change"])
    (tmp_path / "snapshots").write_text("no folder")
    monkeypatch.setenv("INFRAOPS_STATE", str(tmp_path))
    with pytest.raises(UserError, match="folder for snapshots cannot be made"):
        list(schema.apply(owner, migrations, PROD))
    assert len(runner.pending(owner, migrations)) == len(migrations) - 1
