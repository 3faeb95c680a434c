"""The one-row audit smoke test: write one row as the app, read it back, and see that the app can do no more."""

import hashlib
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

from infraops_core.access import Access, message
from infraops_core.audit.chain.record import AUDIT_EVENTS, CHAINS
from infraops_core.errors import ExitCode, UserError
from infraops_core.tls import Tls

if TYPE_CHECKING:
    from psycopg import Connection, Error

RETRY_SECONDS = 120.0
ATTEMPT_SECONDS = 15.0
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 8.0
_PASSING_STATES = ("08", "53", "57")  # connection exception, insufficient resources, operator intervention
_REFUSALS = ("authentication failed", "no password supplied", "does not exist", "no pg_hba.conf entry", "not permitted to log in",
             "permission denied", "does not support SSL", "certificate", "channel binding")  # fmt: skip

_REMEDY = "see that the role, its password and the schema are as the stack made them (pulumi up --replace with roles' URN makes them anew)"

_INSERT = """
insert into infraops_audit.audit_events
    (event_id, event_type, actor, action, resource, outcome, summary, payload, occurred_at)
values (%(event_id)s, 'smoke_test', 'infraops', 'insert', 'infraops_audit.audit_events', 'success',
        'the app wrote this row to prove that it can', %(payload)s, clock_timestamp())
"""
_BIND_TENANT = """
select set_config('infraops.tenant', coalesce(nullif(current_setting('infraops.tenant', true), ''), %(tenant)s), true)
"""
_READ_BACK = f"""
select seq, row_hash, {AUDIT_EVENTS.record} from infraops_audit.audit_events
where event_id = %(event_id)s and payload = %(payload)s::jsonb
"""  # noqa: S608, a constant

# What the app must not be able to do, and the statement that tries it. Each is rolled back should it succeed.
_FORBIDDEN: dict[str, LiteralString] = {
    "UPDATE": "update infraops_audit.audit_events set summary = summary where event_id = %(event_id)s",
    "DELETE": "delete from infraops_audit.audit_events where event_id = %(event_id)s",
    "TRUNCATE": "truncate infraops_audit.audit_events",
    "CREATE TABLE": "create table infraops_audit.smoke_test ()",
    "ALTER TABLE": "alter table infraops_audit.audit_events add column smoke_test text",
    "DROP TABLE": "drop table infraops_audit.audit_events",
    "CREATE SCHEMA": "create schema infraops_smoke_test",
    "CREATE TABLE in public": "create table public.infraops_smoke_test ()",
}

# What no attempt of ours would hit on: another table, a column that may be updated, a trigger, a foreign key that keeps or deletes rows.
_TOO_MUCH = """
select string_agg(privilege || ' on ' || t.relname, ', ' order by t.relname, privilege)
from pg_class t, unnest(array['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) as privilege
where t.relnamespace = 'infraops_audit'::regnamespace and t.relkind = 'r'
    and (privilege <> 'INSERT' or t.relname <> all (%(tables)s))
    and (has_table_privilege(t.oid, privilege)
        or privilege in ('INSERT', 'UPDATE', 'REFERENCES') and has_any_column_privilege(t.oid, privilege))
"""

# What guards the tables, and is not there: a trigger that was dropped or disabled, row-level security that was turned off
# or does not bind the app.
_UNGUARDED = """
select string_agg(format('%%s of %%s', guard, t.relname), ', ')
from pg_class t, unnest(array['chain', 'append_only', 'row-level security']) as guard
where t.relnamespace = 'infraops_audit'::regnamespace and t.relname = any (%(tables)s) and not case guard
    when 'row-level security' then row_security_active(t.oid)
    else exists (select from pg_trigger g where g.tgrelid = t.oid and g.tgname = guard and g.tgenabled in ('O', 'A')) end
"""


@dataclass(frozen=True)
class SmokeResult:
    """What was proved: the row's id and its place in the chain, and how long inserting it and reading it back took."""

    row_id: str
    seq: int
    insert_ms: float
    read_ms: float
    tls: str

    def summary(self) -> str:
        """The result in one line."""
        return (
            f"Smoke     1 row inserted in {self.insert_ms:.1f} ms, read back in {self.read_ms:.1f} ms, row {self.seq} of its chain; "
            "UPDATE, DELETE, TRUNCATE, DDL refused to the app"
        )


def run(access: Access, details: Mapping[str, Any], *, tenant: str, retry_seconds: float = RETRY_SECONDS) -> SmokeResult:
    """Insert exactly one row through `access`, which is the app's, and prove it.

    A lost connection is tried again with the same row id, so a row is never written twice; a wrong result is not.

    :param details: what goes into the row's payload.
    :param tenant: whose row it is, where the app has no tenant of its own by default.
    :raises UserError: when the database can't be reached within `retry_seconds`, or anything is not as it must be.
    """
    import psycopg

    event_id = str(uuid.uuid4())
    deadline = time.monotonic() + retry_seconds
    pause = _FIRST_PAUSE
    while True:
        try:
            with access.connect(seconds=min(ATTEMPT_SECONDS, max(1.0, deadline - time.monotonic()))) as connection:
                return _prove(connection, access, event_id, details, tenant)
        except psycopg.Error as error:
            said = message(error)
            if not _may_pass(error):
                raise _failed(access, f"the database refused the app: {said}", _REMEDY, ExitCode.COULD_NOT_CHECK) from None
            if time.monotonic() + pause > deadline:
                remedy = "see that the server runs and lets this machine in"
                late = f"the database could not be reached for {retry_seconds:g} s: {said}"
                raise _failed(access, late, remedy, ExitCode.COULD_NOT_CHECK) from None
            print(f"Waiting   {pause:g} s for {access.endpoint}: {said}")
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


def _may_pass(error: "Error") -> bool:
    """Whether waiting may mend it: no connection, or a server that is starting, stopping or full.

    For a connection that was never made libpq has no code, only a text.
    """
    import psycopg

    if not isinstance(error, psycopg.OperationalError):
        return False
    if error.sqlstate:
        return error.sqlstate.startswith(_PASSING_STATES)
    return not any(text in str(error) for text in _REFUSALS)


def _prove(connection: "Connection", access: Access, event_id: str, details: Mapping[str, Any], tenant: str) -> SmokeResult:
    tls = _check_tls(connection, access)
    payload = json.dumps(dict(details))
    insert_ms = _insert(connection, event_id, payload, tenant)
    with _as_tenant(connection, tenant):
        started = time.perf_counter()
        rows = connection.execute(_READ_BACK.encode(), {"event_id": event_id, "payload": payload}).fetchall()
        read_ms = (time.perf_counter() - started) * 1000
    if len(rows) != 1:
        raise _failed(access, f"one row was written and {len(rows) or 'none'} came back equal")
    seq, row_hash, record = rows[0]
    if hashlib.sha256(record).digest() != row_hash:
        raise _failed(access, "the row's hash is not that of its content: the chain's trigger is not the schema's")
    for what, statement in _FORBIDDEN.items():
        _check_refused(connection, access, what, statement, event_id)
    tables = {"tables": [chain.table for chain in CHAINS]}
    too_much = connection.execute(_TOO_MUCH, tables).fetchone()
    if too_much != (None,):
        raise _failed(access, f"the app has {too_much and too_much[0]} or a part of it, and it must not")
    unguarded = connection.execute(_UNGUARDED, tables).fetchone()
    if unguarded != (None,):
        raise _failed(access, f"the trail is not guarded: {unguarded and unguarded[0]} is off")
    return SmokeResult(event_id, seq, insert_ms, read_ms, tls)


@contextmanager
def _as_tenant(connection: "Connection", tenant: str) -> Iterator[None]:
    """A transaction of the app's default tenant, or of `tenant` where it has none; a pooler keeps no setting for longer."""
    with connection.transaction():
        connection.execute(_BIND_TENANT, {"tenant": tenant})
        yield


def _check_tls(connection: "Connection", access: Access) -> str:
    encrypted = bool(connection.pgconn.ssl_in_use)
    if access.tls is not Tls.DISABLE and not encrypted:
        raise _failed(access, f"the connection is not encrypted, and the rule is {access.tls}")
    return access.url.sslmode if encrypted else "off (loopback)"


def _insert(connection: "Connection", event_id: str, payload: str, tenant: str) -> float:
    """Milliseconds of the insert that wrote the row; an earlier attempt may have written it before its connection broke."""
    import psycopg

    started = time.perf_counter()
    with suppress(psycopg.errors.UniqueViolation), _as_tenant(connection, tenant):  # read back and compared like any other
        started = time.perf_counter()
        connection.execute(_INSERT, {"event_id": event_id, "payload": payload})
    return (time.perf_counter() - started) * 1000


def _check_refused(connection: "Connection", access: Access, what: str, statement: LiteralString, event_id: str) -> None:
    import psycopg

    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement, {"event_id": event_id})
    except psycopg.errors.InsufficientPrivilege:
        return
    except psycopg.errors.RestrictViolation:
        raise _failed(access, f"the app has the privilege to {what}, and only a trigger stopped it") from None
    raise _failed(access, f"the app was allowed to {what}, and it must not be")


def _failed(access: Access, what: str, remedy: str = "mend that", code: ExitCode = ExitCode.FOUND_BAD) -> UserError:
    return UserError(
        f"smoke test failed: {what}", where=f"{access.endpoint} as {access.url.user}", next=f"{remedy}, then: pulumi up", code=code
    )
