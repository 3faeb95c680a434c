"""Checks of the audit trail: its schema and checksums against the files, what guards its tables, the end of every chain."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from infraops_core import checkout
from infraops_core.audit.chain.record import CHAINS, GENESIS, Chain
from infraops_core.doctor.check import Found, Unchecked, failed, passed, warned
from infraops_core.doctor.subject import Role, Subject
from infraops_core.migrations import files, runner
from infraops_core.migrations.findings import Finding
from infraops_core.migrations.status import State
from infraops_core.settings import SchemaMode
from infraops_core.wording import counted

if TYPE_CHECKING:
    from psycopg import Connection

_MOST_HEADS = 100  # a table; however many tenants there are, it takes no longer

# What guards a table and is not there: a trigger that was dropped, disabled or is another function's, row-level security off,
# a policy that says something else.
_UNGUARDED = """
select array(
    select guard || ' of ' || t.relname
    from pg_class t, unnest(array['chain', 'append_only', 'row-level security', 'policy tenant']) as guard
    where t.relnamespace = 'infraops_audit'::regnamespace and t.relname = any (%(tables)s) and not case guard
        when 'row-level security' then t.relrowsecurity
        when 'policy tenant' then exists (
            select from pg_policy p where p.polrelid = t.oid and p.polname = 'tenant' and p.polwithcheck is null
                and pg_get_expr(p.polqual, p.polrelid) = '(tenant_id = current_setting(''infraops.tenant''::text, true))'
        )
        else exists (
            select from pg_trigger g join pg_proc p on p.oid = g.tgfoid
            where g.tgrelid = t.oid and g.tgname = guard and g.tgenabled in ('O', 'A') and p.pronamespace = t.relnamespace
        ) end
    order by t.relname, guard)
"""

# Policies that let more rows through than ours do: any one that permits is enough for Postgres.
_OPEN = """
select array(
    select format('policy %I of %I', p.polname, t.relname) from pg_policy p join pg_class t on t.oid = p.polrelid
    where t.relnamespace = 'infraops_audit'::regnamespace and p.polpermissive and p.polname <> 'tenant'
        and not (p.polname = 'readonly' and p.polcmd = 'r' and p.polroles = array[coalesce(to_regrole('infraops_readonly')::oid, 0)])
    order by t.relname, p.polname)
"""

# Each tenant's newest row, and the hash of the one before it, which may be an anchor by now; a tenant at a time by the index.
_HEADS = """
with recursive tenants as (
    (select tenant_id from infraops_audit.{table} order by tenant_id limit 1)
    union all
    select (select tenant_id from infraops_audit.{table} t where t.tenant_id > tenants.tenant_id order by t.tenant_id limit 1)
    from tenants where tenants.tenant_id is not null
)
select tenants.tenant_id, newest.seq, newest.row_hash, newest.prev_hash, newest.record, coalesce(
    (select row_hash from infraops_audit.{table} t where t.tenant_id = tenants.tenant_id and t.seq = newest.seq - 1),
    (select row_hash from infraops_audit.chain_anchors a
     where a.tenant_id = tenants.tenant_id and a.chain = '{table}' and a.seq = newest.seq - 1))
from tenants, lateral (
    select seq, row_hash, prev_hash, {record} as record
    from infraops_audit.{table} t where t.tenant_id = tenants.tenant_id order by seq desc limit 1
) newest where tenants.tenant_id is not null limit {most}
"""


def version(subject: Subject) -> Found:
    """Every migration is applied, and none that has no file."""
    migrations = _migrations(subject)
    subject.migration_findings = runner.verify(subject.way(Role.OWNER), migrations)
    found = [one for one in subject.migration_findings if one.is_bad and one.state is not State.EDITED]
    if found:
        return failed(_named(found), found[0].next)
    return passed(f"{migrations[-1].version}, {counted(len(migrations), 'migration')} applied")


def checksum(subject: Subject) -> Found:
    """What was applied is what the files say now."""
    if subject.migration_findings is None:
        raise Unchecked("the ledger could not be read")
    edited = [one for one in subject.migration_findings if one.state is State.EDITED]
    if edited:
        return failed(_named(edited), edited[0].next)
    unknown = [one for one in subject.migration_findings if not one.is_bad]
    if unknown:
        return warned(_named(unknown), unknown[0].next)
    return passed(f"sha256 {files.checksum(_migrations(subject))[:12]} of all files")


def guards(subject: Subject) -> Found:
    """The triggers that chain rows and refuse changes are on, and row-level security keeps tenants apart."""
    tables = [chain.table for chain in CHAINS]
    with subject.session(Role.OWNER, Role.READONLY) as connection:
        row = connection.execute(_UNGUARDED, {"tables": tables}).fetchone()
        there = connection.execute(
            "select count(*) from pg_class where relnamespace = 'infraops_audit'::regnamespace and relname = any (%s)", [tables]
        ).fetchone()
        opened = connection.execute(_OPEN).fetchone()
    assert row is not None
    assert opened is not None
    if there != (len(tables),):
        raise Unchecked("the schema is not all there")
    if row[0]:
        return failed(
            f"not on: {', '.join(row[0])}",
            "find out who turned it off, verify the chains (infraops audit verify), and turn it on again",
        )
    if opened[0]:
        return failed(f"tenants are not kept apart: {', '.join(opened[0])}", "find out who made it, and drop it as the owner (drop policy)")
    return passed(f"triggers and row-level security of {counted(len(tables), 'table')}")


def heads(subject: Subject) -> Found:
    """The newest row of each chain fits its hash and follows from the row before it."""
    looked = 0
    broken: list[str] = []
    with subject.session(Role.OWNER, Role.READONLY) as connection, connection.transaction():
        if subject.is_in(Role.OWNER):
            connection.execute("set local row_security = off")  # rather an error than tenants left out in silence
        for chain in CHAINS:
            count, found = _look(connection, chain)
            looked, broken = looked + count, broken + found
    if broken:
        return failed(
            f"{counted(len(broken), 'chain')} broken at the end: {'; '.join(broken[:3])}", "infraops audit verify, which names every break"
        )
    if not looked:
        return passed("no chain has begun")
    return passed(f"{counted(looked, 'chain')} whole at the end (infraops audit verify looks at every row)")


def of_head(chain: Chain, row: Sequence[object]) -> str:
    """What is wrong with a newest row, or nothing.

    :param row: tenant, position, its hash, the hash it names as the one before it, its record, and the hash that the row
        before it has, or had when it was pruned; None where neither is there.
    """
    tenant, seq, row_hash, prev_hash, record, before = row
    assert isinstance(record, bytes)
    where = f"{chain.table}, tenant {tenant}, row {seq}"
    if hashlib.sha256(record).digest() != row_hash:
        return f"{where}: its content does not fit its hash"
    if seq == 1 and before is None:
        return "" if prev_hash == GENESIS else f"{where}: a first row that follows from another"
    if before is None:
        return f"{where}: the row before it is not there, and no anchor says that it was pruned"
    return "" if before == prev_hash else f"{where}: it does not follow from the row before it"


def _look(connection: "Connection", chain: Chain) -> tuple[int, list[str]]:
    statement = _HEADS.format(table=chain.table, record=chain.record, most=_MOST_HEADS)
    rows = connection.execute(statement.encode()).fetchall()
    return len(rows), [trouble for row in rows if (trouble := of_head(chain, row))]


def _migrations(subject: Subject) -> list[files.Migration]:
    if subject.settings is not None and subject.settings.schema is SchemaMode.OFF:
        raise Unchecked("infraops:schema is off")
    return files.read(checkout.AUDIT_SCHEMA / "migrations")


def _named(found: Sequence[Finding]) -> str:
    return "; ".join(f"{one.file or one.version}: {one.what}" for one in found[:3]) + (
        f" and {len(found) - 3} more" if len(found) > 3 else ""
    )
