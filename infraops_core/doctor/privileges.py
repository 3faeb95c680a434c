"""Checks of what the roles may do, by what the catalogs say: nothing is tried."""

from typing import TYPE_CHECKING

from infraops_core.audit.chain.record import CHAINS
from infraops_core.doctor.check import Found, failed, passed
from infraops_core.doctor.subject import Role, Subject

if TYPE_CHECKING:
    from psycopg import Connection

# What a role is that must only use tables: an attribute, a membership in a role that owns or may do more, be it by way of
# others or by SET ROLE only, an object it owns.
_STANDING = """
select array_remove(array[
    case when rolsuper then 'is a superuser' end,
    case when rolcreaterole then 'may make roles (CREATEROLE)' end,
    case when rolcreatedb then 'may make databases (CREATEDB)' end,
    case when rolbypassrls then 'passes row-level security (BYPASSRLS)' end,
    case when rolreplication then 'may replicate (REPLICATION)' end,
    case when current_setting('session_replication_role') = 'replica' then 'fires no trigger (session_replication_role is replica)' end
], null)
|| array(
    select 'is a member of ' || o.rolname from pg_roles o
    where not r.rolsuper and o.oid <> r.oid and pg_has_role(r.oid, o.oid, 'member')
        and (o.rolsuper or o.rolcreaterole or o.rolcreatedb or o.rolbypassrls or o.rolreplication
        or o.rolname ~ '^pg_(read_all_data|read_server|write|execute|maintain|signal_backend|create_subscription)'
        or exists (select from pg_class c where c.relowner = o.oid) or exists (select from pg_database d where d.datdba = o.oid))
    order by 1)
|| array(
    select 'owns ' || c.oid::regclass from pg_class c
    where c.relowner = r.oid and c.relkind in ('r', 'p', 'v', 'm', 'S') order by 1 limit 3)
from pg_roles r where rolname = current_user
"""

_MAKES = """
select array(select 'CREATE in database ' || current_database() where has_database_privilege(current_database(), 'CREATE'))
|| array(
    select 'CREATE in schema ' || nspname from pg_namespace
    where nspname !~ '^pg_' and nspname <> 'information_schema' and has_schema_privilege(oid, 'CREATE') order by 1)
"""

# More than the trail is for; a privilege on some columns counts, and none on a function that removes rows.
_ON_THE_TRAIL = """
select array(
    select privilege || ' on infraops_audit.' || t.relname
    from pg_class t, unnest(array['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) as privilege
    where t.relnamespace = 'infraops_audit'::regnamespace and t.relkind in ('r', 'p')
        and (privilege <> 'INSERT' or t.relname <> all (%(appended)s))
        and (has_table_privilege(t.oid, privilege)
            or privilege in ('INSERT', 'UPDATE', 'REFERENCES') and has_any_column_privilege(t.oid, privilege))
    order by t.relname, privilege)
|| array(
    select 'EXECUTE on infraops_audit.' || proname from pg_proc p
    where pronamespace = 'infraops_audit'::regnamespace and prorettype <> 'trigger'::regtype
        and has_function_privilege(p.oid, 'EXECUTE') order by 1)
"""

# PostgreSQL 15 and later.
_SWITCHES = """
select array(select 'may turn triggers off (SET session_replication_role)' where has_parameter_privilege('session_replication_role', 'SET'))
"""
_HAS_PARAMETER_PRIVILEGES = 150000

# What says which migrations were applied; a grant on schema public, or PUBLIC's, may have let others in.
_ON_THE_LEDGER = """
select array(
    select privilege || ' on public.' || t.relname
    from pg_class t, unnest(array['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) as privilege
    where t.relnamespace = 'public'::regnamespace and t.relname in ('schema_migrations', 'schema_migrations_under_way')
        and (has_table_privilege(t.oid, privilege)
            or privilege in ('INSERT', 'UPDATE', 'REFERENCES') and has_any_column_privilege(t.oid, privilege))
    order by t.relname, privilege)
"""

_LACKS = """
select array(
    select privilege || ' on infraops_audit.' || t.relname
    from pg_class t, unnest(%(wanted)s::text[]) as privilege
    where t.relnamespace = 'infraops_audit'::regnamespace and t.relname = any (%(tables)s) and not has_table_privilege(t.oid, privilege)
    order by t.relname, privilege)
"""

_TABLES = [chain.table for chain in CHAINS]


def app(subject: Subject) -> Found:
    """The app adds rows to the trail and reads them, and can do no more to it; it makes nothing."""
    return _judged(subject, Role.APP, needed=["SELECT", "INSERT"], appended=_TABLES)


def readonly(subject: Subject) -> Found:
    """The readonly role reads the trail and writes nothing to it; it makes nothing."""
    return _judged(subject, Role.READONLY, needed=["SELECT"], appended=[])


def _judged(subject: Subject, role: Role, *, needed: list[str], appended: list[str]) -> Found:
    with subject.session(role) as connection:
        if too_much := _too_much(connection, appended=appended):
            return failed(f"it may do too much: {_some(too_much)}", "revoke that (as the owner, or the admin); then run it again")
        if lacks := _list(connection, _LACKS, wanted=needed, tables=_TABLES):
            return failed(f"it lacks {_some(lacks)}", "grant it anew: infraops migrate up")
    return passed(f"{' and '.join(needed)} on the trail, no DDL, no attribute")


def _too_much(connection: "Connection", *, appended: list[str]) -> list[str]:
    found = _list(connection, _STANDING) + _list(connection, _MAKES)
    if connection.info.server_version >= _HAS_PARAMETER_PRIVILEGES:
        found += _list(connection, _SWITCHES)
    if any("superuser" in one for one in found):
        return found[:1]  # all the rest follows from it
    return found + _list(connection, _ON_THE_LEDGER) + _list(connection, _ON_THE_TRAIL, appended=appended)


def _list(connection: "Connection", statement: str, **parameters: list[str]) -> list[str]:
    row = connection.execute(statement.encode(), parameters or None).fetchone()
    assert row is not None
    return list(row[0])


def _some(found: list[str]) -> str:
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return ", ".join(found[:5]) + more
