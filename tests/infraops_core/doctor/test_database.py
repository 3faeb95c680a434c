"""Each thing that can be wrong with a database, really made wrong: the doctor names it, and nothing else."""

import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infraops_core import checkout, providers
from infraops_core.access import Access
from infraops_core.database_url import parse as parse_url
from infraops_core.doctor import upkeep
from infraops_core.doctor.check import Verdict
from infraops_core.doctor.deployment import Deployment
from infraops_core.doctor.subject import Role, Subject
from infraops_core.errors import ExitCode
from infraops_core.migrations import snapshot
from infraops_core.servers.embedded import account as accounts
from infraops_core.servers.embedded import server
from infraops_core.settings import Environment, parse
from infraops_core.tls import Tls
from tests.fix_pgbouncer import pgbouncer
from tests.fix_postgres import TestServer
from tests.infraops_core.doctor.conftest import Examine, Patient

TRAIL = "infraops_audit.audit_events"
ALONE = "set session_replication_role = replica"

# What is broken, what mends it, the check that tells, and what it says.
BROKEN = [
    ("alter role infraops_app superuser", "alter role infraops_app nosuperuser", "privileges.app", "is a superuser"),
    ("alter role infraops_app createrole", "alter role infraops_app nocreaterole", "privileges.app", "may make roles (CREATEROLE)"),
    ("alter role infraops_app bypassrls", "alter role infraops_app nobypassrls", "privileges.app", "passes row-level security"),
    ("grant infraops_owner to infraops_app", "revoke infraops_owner from infraops_app", "privileges.app",
     "is a member of infraops_owner"),
    ("create role between superuser; create role passing; grant between to passing; grant passing to infraops_app with inherit false",
     "drop role passing; drop role between", "privileges.app", "is a member of between"),
    ("grant pg_read_server_files to infraops_app", "revoke pg_read_server_files from infraops_app", "privileges.app",
     "is a member of pg_read_server_files"),
    ("grant pg_read_all_data to infraops_readonly", "revoke pg_read_all_data from infraops_readonly", "privileges.readonly",
     "is a member of pg_read_all_data"),
    ("alter role infraops_app set session_replication_role = replica", "alter role infraops_app reset session_replication_role",
     "privileges.app", "fires no trigger"),
    ("grant set on parameter session_replication_role to infraops_app",
     "revoke set on parameter session_replication_role from infraops_app", "privileges.app", "may turn triggers off"),
    ("grant delete on schema_migrations to infraops_app", "revoke delete on schema_migrations from infraops_app", "privileges.app",
     "DELETE on public.schema_migrations"),
    ("grant create on schema public to infraops_app", "revoke create on schema public from infraops_app", "privileges.app",
     "CREATE in schema public"),
    ("grant create on database infraops to infraops_app", "revoke create on database infraops from infraops_app", "privileges.app",
     "CREATE in database infraops"),
    (f"grant update on {TRAIL} to infraops_app", f"revoke update on {TRAIL} from infraops_app", "privileges.app",
     "UPDATE on infraops_audit.audit_events"),
    (f"grant update (summary) on {TRAIL} to infraops_app", f"revoke update (summary) on {TRAIL} from infraops_app", "privileges.app",
     "UPDATE on infraops_audit.audit_events"),
    (f"grant delete, truncate on {TRAIL} to infraops_app", f"revoke delete, truncate on {TRAIL} from infraops_app", "privileges.app",
     "DELETE on infraops_audit.audit_events, TRUNCATE"),
    ("grant execute on function infraops_audit.prune to infraops_app", "revoke execute on function infraops_audit.prune from infraops_app",
     "privileges.app", "EXECUTE on infraops_audit.prune"),
    (f"revoke insert on {TRAIL} from infraops_app", f"grant insert on {TRAIL} to infraops_app", "privileges.app", "it lacks INSERT on"),
    (f"grant insert on {TRAIL} to infraops_readonly", f"revoke insert on {TRAIL} from infraops_readonly", "privileges.readonly",
     "INSERT on infraops_audit.audit_events"),
    (f"alter table {TRAIL} disable trigger append_only", f"alter table {TRAIL} enable trigger append_only", "trail.guards",
     "not on: append_only of audit_events"),
    (f"alter table {TRAIL} disable row level security", f"alter table {TRAIL} enable row level security", "trail.guards",
     "row-level security of audit_events"),
    (f"alter policy tenant on {TRAIL} using (true)",
     f"alter policy tenant on {TRAIL} using (tenant_id = current_setting('infraops.tenant', true))", "trail.guards",
     "not on: policy tenant of audit_events"),
    (f"create policy all_of_it on {TRAIL} using (true)", f"drop policy all_of_it on {TRAIL}", "trail.guards",
     "tenants are not kept apart: policy all_of_it of audit_events"),
    (f"drop trigger chain on {TRAIL}",
     f"create trigger chain before insert on {TRAIL} for each row execute function infraops_audit.chain_audit_event()",
     "trail.guards", "not on: chain of audit_events"),
    (f"{ALONE}; update {TRAIL} set summary = 'changed' where seq = 3 and tenant_id = 'other'",
     f"{ALONE}; update {TRAIL} set summary = 'äöü €' where seq = 3 and tenant_id = 'other'",
     "chain.heads", "audit_events, tenant other, row 3: its content does not fit its hash"),
    (f"{ALONE}; update {TRAIL} set seq = 5 where seq = 3 and tenant_id = 'default'",
     f"{ALONE}; update {TRAIL} set seq = 3 where seq = 5 and tenant_id = 'default'",
     "chain.heads", "tenant default, row 5: the row before it is not there"),
    ("delete from schema_migrations where version = '20261122063000'",
     "insert into schema_migrations (version, checksum) select version, checksum from kept_ledger where version = '20261122063000'",
     "schema.version", "20261122063000_retention.sql: not applied"),
    ("insert into schema_migrations (version) values ('20991231000000')", "delete from schema_migrations where version = '20991231000000'",
     "schema.version", "20991231000000: applied, and there is no file of it"),
    ("update schema_migrations set checksum = 'another' where version = '20261122061000'",
     "update schema_migrations m set checksum = k.checksum from kept_ledger k where k.version = m.version",
     "schema.checksum", "20261122061000_incidents_runs_approvals.sql: its file changed after it was applied"),
    ("alter database infraops set default_transaction_read_only = on", "alter database infraops reset default_transaction_read_only",
     "server.role", "sessions are read-only"),
]  # fmt: skip

DOUBTFUL = [
    ("alter role infraops_app connection limit 7", "alter role infraops_app connection limit 50", "connections.limit",
     "7 for the app, 1 in use"),
    ("alter role infraops_app reset statement_timeout", "alter role infraops_app set statement_timeout = '30s'", "timeouts.app",
     "statement_timeout is off"),
    ("alter role infraops_app set idle_in_transaction_session_timeout = '1h'",
     "alter role infraops_app set idle_in_transaction_session_timeout = '10s'", "timeouts.app",
     "idle_in_transaction_session_timeout 3600 s"),
    ("update schema_migrations set checksum = null where version = '20261122061000'",
     "update schema_migrations m set checksum = k.checksum from kept_ledger k where k.version = m.version",
     "schema.checksum", "applied by another tool, without a checksum"),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _kept_ledger(patient: Patient) -> Iterator[None]:
    patient.do("create table kept_ledger as select version, checksum from schema_migrations")
    yield
    patient.do("drop table kept_ledger")


def test_a_healthy_database_passes_in_less_than_three_seconds(patient: Patient, examine: Examine) -> None:
    seen = examine(patient.variables)
    assert seen.wrong == {}
    assert seen.code is ExitCode.DONE
    assert seen.seconds < 3
    unchecked = {name for name, one in seen.results.items() if one.verdict is Verdict.UNCHECKED}
    assert unchecked == {"tls.certificate", "tls.hostname", "tls.expiry", "tls.channel-binding", "passwords.age", "extensions",
                         "disk.free"}  # fmt: skip
    assert "2 chains whole at the end" in seen["chain.heads"].found


@pytest.mark.parametrize(("statement", "mend", "check", "says"), BROKEN, ids=[f"{row[2]}: {row[3]}" for row in BROKEN])
def test_what_is_broken_fails_by_name(patient: Patient, examine: Examine, *, statement: str, mend: str, check: str, says: str) -> None:
    patient.do(*statement.split("; "))
    try:
        seen = examine(patient.variables)
    finally:
        patient.do("set default_transaction_read_only = off", *mend.split("; "))
    assert says in seen[check].found
    assert seen[check].next
    assert seen.wrong == {check: Verdict.FAIL}
    assert seen.code is ExitCode.FOUND_BAD


@pytest.mark.parametrize(("statement", "mend", "check", "says"), DOUBTFUL, ids=[f"{row[2]}: {row[3]}" for row in DOUBTFUL])
def test_what_is_doubtful_is_a_warning(patient: Patient, examine: Examine, *, statement: str, mend: str, check: str, says: str) -> None:
    patient.do(statement)
    try:
        seen = examine(patient.variables)
    finally:
        patient.do(mend)
    assert says in seen[check].found
    assert seen[check].next
    assert seen.wrong == {check: Verdict.WARN}
    assert seen.code is ExitCode.DONE


def test_a_timeout_that_the_url_turns_off_is_to_be_mended_in_the_url(patient: Patient, examine: Examine) -> None:
    url = patient.variables["DATABASE_URL"] + "&options=-c%20statement_timeout%3D0"
    seen = examine(patient.variables | {"DATABASE_URL": url})
    assert seen.wrong == {"timeouts.app": Verdict.WARN}
    assert "options of DATABASE_URL" in seen["timeouts.app"].next


def test_a_schema_that_is_not_there_fails_once_and_the_trail_is_not_checked(patient: Patient, examine: Examine) -> None:
    patient.do("alter schema infraops_audit rename to elsewhere", "alter table schema_migrations rename to not_here")
    try:
        seen = examine(patient.variables)
    finally:
        patient.do("alter schema elsewhere rename to infraops_audit", "alter table not_here rename to schema_migrations")
    assert seen.wrong == {"schema.version": Verdict.FAIL}
    assert "and 2 more" in seen["schema.version"].found
    assert seen["schema.version"].next == "infraops migrate up"
    for check in ("privileges.app", "privileges.readonly", "trail.guards", "chain.heads"):
        assert "the schema is not all there" in seen[check].found, check


@pytest.mark.parametrize("role", [Role.APP, Role.OWNER, Role.READONLY, Role.ADMIN])
def test_a_wrong_password_fails_the_log_in_and_what_needs_it_is_not_checked(patient: Patient, examine: Examine, role: Role) -> None:
    url = dataclasses.replace(patient.access(role).url, password="wrong-password")
    seen = examine(patient.variables | {role.variable: url.with_password()})
    assert seen.wrong == {f"login.{role}": Verdict.FAIL}
    assert "password authentication failed" in seen[f"login.{role}"].found
    assert role.variable in seen[f"login.{role}"].next
    needing = {Role.APP: "privileges.app", Role.OWNER: "schema.version", Role.READONLY: "privileges.readonly"}
    if role in needing:
        assert seen[needing[role]].verdict is Verdict.UNCHECKED
        assert seen[needing[role]].found == f"login.{role} failed"
    assert seen["server.version"].verdict is Verdict.PASS
    assert seen.code is ExitCode.FOUND_BAD


def test_what_is_not_set_is_not_checked(patient: Patient, examine: Examine) -> None:
    seen = examine({"DATABASE_URL": patient.variables["DATABASE_URL"]})
    assert seen.wrong == {}
    assert seen["login.owner"].found == "there is no DIRECT_DATABASE_URL"
    assert seen["chain.heads"].found == "there is no DIRECT_DATABASE_URL"
    assert seen["privileges.app"].verdict is Verdict.PASS


def test_a_role_that_sees_one_tenant_only_does_not_vouch_for_the_chains(patient: Patient, examine: Examine) -> None:
    seen = examine({"DIRECT_DATABASE_URL": patient.variables["DATABASE_URL"]})
    assert seen["chain.heads"].verdict is Verdict.UNCHECKED
    assert "infraops_app may not look: query would be affected by row-level security" in seen["chain.heads"].found


def test_no_connection_left_for_the_app(patient: Patient, examine: Examine) -> None:
    patient.do("alter role infraops_app connection limit 0")
    try:
        seen = examine(patient.variables)
    finally:
        patient.do("alter role infraops_app connection limit 50")
    assert seen.wrong == {"login.app": Verdict.FAIL}
    assert "infraops:connectionLimit" in seen["login.app"].next


def test_a_role_that_may_not_log_in_is_let_in_by_the_next_step(patient: Patient, examine: Examine) -> None:
    patient.do("alter role infraops_app nologin")
    seen = examine(patient.variables)
    assert seen.wrong == {"login.app": Verdict.FAIL}
    patient.do(seen["login.app"].next.removeprefix("as the admin: ").partition(";")[0])
    assert examine(patient.variables).wrong == {}


def test_an_edited_file_is_told_by_its_checksum(
    patient: Patient, examine: Examine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "audit-schema" / "migrations"
    folder.mkdir(parents=True)
    for file in (checkout.AUDIT_SCHEMA / "migrations").glob("*.sql"):
        (folder / file.name).write_text(file.read_text().replace("append-only:", "append only:"))
    monkeypatch.setattr(checkout, "AUDIT_SCHEMA", folder.parent)
    seen = examine(patient.variables)
    assert seen.wrong == {"schema.checksum": Verdict.FAIL}
    assert "20261122062000_append_only.sql" in seen["schema.checksum"].found


@pytest.mark.parametrize(
    ("mode", "word", "verdict", "says"),
    [
        ("transaction", "", Verdict.WARN, "and its URL does not say so"),
        ("transaction", "pgbouncer=true", Verdict.PASS, "DATABASE_URL is pooled, as its URL says"),
        ("session", "", Verdict.PASS, "DATABASE_URL keeps its session"),
    ],
)
def test_a_pooler_in_front_of_the_app_is_known_by_what_it_does(
    patient: Patient, examine: Examine, *, mode: str, word: str, verdict: Verdict, says: str
) -> None:
    with pgbouncer(patient.access(Role.APP), mode) as through:
        url = through.url.with_password() + (f"&{word}" if word else "")
        seen = examine({"DATABASE_URL": url})
    assert seen["pooler.behaviour"].verdict is verdict
    assert says in seen["pooler.behaviour"].found
    assert set(seen.wrong) <= {"pooler.behaviour"}


def test_a_pooler_in_front_of_the_owner_is_refused(patient: Patient, examine: Examine) -> None:
    with pgbouncer(patient.access(Role.OWNER), "transaction") as through:
        variables = {
            "DIRECT_DATABASE_URL": through.url.with_password(),
            "READONLY_DATABASE_URL": patient.variables["READONLY_DATABASE_URL"],
        }
        seen = examine(variables)
    assert seen["pooler.behaviour"].verdict is Verdict.FAIL
    assert "DIRECT_DATABASE_URL leads through a pooler" in seen["pooler.behaviour"].found
    assert "the database's own host and port" in seen["pooler.behaviour"].next


def test_an_extension_that_is_asked_for_and_missing_fails(patient: Patient, examine: Examine) -> None:
    settings = parse("local", {"infraops:target": "local", "infraops:extensions": ["pgcrypto", "pg_trgm"]})
    missing = examine(patient.variables, settings=settings)
    assert missing.wrong == {"extensions": Verdict.FAIL}
    assert missing["extensions"].found == "2 extensions not enabled: pgcrypto, pg_trgm"
    patient.do("create extension pgcrypto", "create extension pg_trgm")
    try:
        seen = examine(patient.variables, settings=settings)
    finally:
        patient.do("drop extension pgcrypto", "drop extension pg_trgm")
    assert seen["extensions"].verdict is Verdict.PASS
    assert seen["extensions"].found.startswith("pgcrypto 1.")


def test_a_pruned_chain_ends_in_an_anchor_and_is_whole(patient: Patient, examine: Examine) -> None:
    patient.do(
        "insert into infraops_audit.audit_events (tenant_id, event_id, event_type, actor, action, outcome, summary, occurred_at) "
        "select 'pruned', gen_random_uuid(), 'a', 'b', 'c', 'd', 'e', now() from generate_series(1, 2)",
        """select infraops_audit.prune('pruned', 'audit_events', 1, jsonb_build_object('format', 'infraops-audit-anchor/1', 'heads',
           jsonb_build_array(jsonb_build_object('tenant', 'pruned', 'chain', 'audit_events', 'seq', 1,
           'row_hash', encode(row_hash, 'hex')))))
           from infraops_audit.audit_events where tenant_id = 'pruned' and seq = 1""",
    )
    seen = examine(patient.variables)
    assert seen.wrong == {}
    assert "3 chains whole" in seen["chain.heads"].found


def test_a_standby_is_no_place_to_write(stopped: server.Wanted, examine: Examine) -> None:
    signal = stopped.folder.data / "standby.signal"
    signal.touch()
    accounts.for_server().take(signal)
    standby = TestServer(stopped, server.ensure(stopped))
    seen = examine({"DATABASE_URL": standby.access().url.with_password()})
    assert seen["server.role"].verdict is Verdict.FAIL
    assert "it is a standby" in seen["server.role"].found


def test_an_older_server_answers_every_question(postgres_15: Access, examine: Examine) -> None:
    seen = examine({"DATABASE_URL": postgres_15.url.with_password()})
    assert {name for name, verdict in seen.wrong.items() if verdict is Verdict.FAIL} == {"privileges.app"}
    assert seen["privileges.app"].found == "it may do too much: is a superuser"
    assert "the server has 97" in seen["connections.limit"].found


@pytest.mark.parametrize(
    ("environment", "days", "verdict", "says"),
    [
        ("prod", None, Verdict.WARN, "no snapshot in"),
        ("prod", 8.0, Verdict.WARN, "the newest snapshot is 8.0 days old"),
        ("prod", 6.9, Verdict.PASS, "the newest snapshot is 6.9 days old"),
        ("dev", None, Verdict.PASS, "no snapshot in"),
        ("dev", 30.0, Verdict.PASS, "the newest snapshot is 30.0 days old"),
    ],
)
def test_in_prod_a_snapshot_is_not_older_than_a_week(
    patient: Patient, examine: Examine, *, environment: str, days: float | None, verdict: Verdict, says: str
) -> None:
    if days is not None:
        folder = snapshot.folder_of(patient.access(Role.OWNER))
        folder.mkdir(parents=True)
        for age in (days, days + 100):
            file = folder / f"{age}.dump"
            file.touch()
            os.utime(file, (time.time() - age * 86400,) * 2)
    seen = examine(patient.variables, deployment=Deployment({"environment": environment}, [], True))
    assert seen["backup.age"].verdict is verdict
    assert says in seen["backup.age"].found


def test_a_providers_own_backups_are_told_and_are_enough() -> None:
    url = parse_url("postgresql://u:hidden-word@ep-a-1.eu-central-1.aws.neon.tech/d?sslmode=require")
    hosted = Subject({}, provider=providers.of(url), ways={Role.OWNER: Access(url, Tls.REQUIRE)})
    found = upkeep.backup(hosted)
    assert hosted.environment is Environment.PROD
    assert found.verdict is Verdict.PASS
    assert "Neon keeps: " in found.text
