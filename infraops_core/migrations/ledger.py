"""The ledger: which migrations a database has, and which one is under way in it.

The table is dbmate's, `schema_migrations` with its column `version`; the other columns are ours, and all may be null, so
that dbmate goes on with the table as if they were not there. A second table holds a migration without a transaction
while it runs, for nothing else would tell that it was interrupted.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from infraops_core.migrations.files import Block, Migration
from infraops_core.migrations.transport import Transport

LOCK_KEY = 0x696E667261  # "infra"
LOCK_HALVES = (LOCK_KEY >> 32, LOCK_KEY & 0xFFFFFFFF)  # as pg_locks shows it

# Each a statement, in this order; each does nothing where it is done. applied_at gets its default after it is there, or
# the rows that dbmate wrote would all say now.
DDL = (
    "create table if not exists public.schema_migrations (version varchar primary key)",
    "alter table public.schema_migrations add column if not exists checksum text",
    "alter table public.schema_migrations add column if not exists applied_at timestamptz",
    "alter table public.schema_migrations alter column applied_at set default now()",
    "alter table public.schema_migrations add column if not exists milliseconds double precision",
    "alter table public.schema_migrations add column if not exists applied_by text",
    "alter table public.schema_migrations alter column applied_by set default current_user",
    "create table if not exists public.schema_migrations_under_way (version varchar primary key, direction text not null, "
    "statement integer not null, statements integer not null, checksum text not null, "
    "began_at timestamptz not null default now(), applied_by text not null default current_user)",
    # Default privileges on schema public (infraops:grants) are for other tables.
    "do $$ declare given record; begin for given in select c.relname as name, r.rolname as role from pg_catalog.pg_class c, "
    "pg_catalog.aclexplode(c.relacl) a join pg_catalog.pg_roles r on r.oid = a.grantee where c.oid in "
    "('public.schema_migrations'::regclass, 'public.schema_migrations_under_way'::regclass) "
    "and r.rolname in ('infraops_app', 'infraops_readonly') loop "
    "execute format('revoke all on public.%I from %I', given.name, given.role); end loop; end $$",
)
# Whether each of the three is there: the ledger, our columns, the second table; all statements of DDL are done where it is.
_PRESENT = """
select to_regclass('public.schema_migrations') is not null,
       (select count(*) = 4 from pg_attribute where attrelid = to_regclass('public.schema_migrations') and not attisdropped
        and attname in ('checksum', 'applied_at', 'milliseconds', 'applied_by')),
       to_regclass('public.schema_migrations_under_way') is not null
"""
_ENTRIES = """
select version, checksum, extract(epoch from applied_at)::float8, milliseconds, applied_by from public.schema_migrations order by version
"""
_ENTRIES_OF_DBMATE = "select version, null, null, null, null from public.schema_migrations order by version"
_UNDER_WAY = """
select version, direction, statement, statements, checksum, extract(epoch from began_at)::float8, applied_by,
       exists (select from pg_locks l join pg_database d on d.oid = l.database and d.datname = current_database()
               where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and l.classid = $1::oid and l.objid = $2::oid)
from public.schema_migrations_under_way order by version
"""
_NOTE = """
insert into public.schema_migrations_under_way (version, direction, statement, statements, checksum) values ($1, $2, $3, $4, $5)
on conflict (version) do update set statement = excluded.statement, statements = excluded.statements, checksum = excluded.checksum
"""
_RECORD = "insert into public.schema_migrations (version, checksum, milliseconds) values ($1, $2, $3)"
_MARK = """
insert into public.schema_migrations (version, checksum) values ($1, $2) on conflict (version) do update set checksum = excluded.checksum
"""


class Direction(StrEnum):
    """Which block of a file is run."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True)
class Entry:
    """A migration that has been applied; without a checksum by dbmate, or by hand."""

    version: str
    checksum: str | None
    applied_at: datetime | None
    milliseconds: float | None
    applied_by: str | None


@dataclass(frozen=True)
class UnderWay:
    """A migration without a transaction that has begun and not ended; `statement` is the one begun last, counted from 1.

    `checksum` is of the statements before it, which are done.
    """

    version: str
    direction: Direction
    statement: int
    statements: int
    checksum: str
    began_at: datetime
    applied_by: str
    is_running: bool


@dataclass(frozen=True)
class Ledger:
    """What the database says of itself: entries by version; `is_whole` when our tables and columns are all there."""

    entries: dict[str, Entry]
    under_way: list[UnderWay]
    is_whole: bool


def read(transport: Transport) -> Ledger:
    """The ledger as it is now; makes nothing."""
    [(is_there, has_columns, has_second)] = transport.run(_PRESENT)
    rows = transport.run(_ENTRIES if has_columns else _ENTRIES_OF_DBMATE) if is_there else []
    entries = {row[0]: Entry(row[0], row[1], _time(row[2]), row[3], row[4]) for row in rows}
    return Ledger(entries, _all_under_way(transport) if has_second else [], bool(has_columns and has_second))


def make(transport: Transport) -> None:
    """Have the tables and columns, in a transaction: whoever is killed meanwhile leaves none of it."""
    transaction = transport.begin(afresh=True)
    transport.run("set local client_min_messages = warning", within=transaction)
    for statement in DDL:
        transport.run(statement, within=transaction)
    transport.commit(transaction)


def record(transport: Transport, migration: Migration, milliseconds: float, *, within: str) -> None:
    """Enter a migration as applied."""
    transport.run(_RECORD, [migration.version, migration.checksum, round(milliseconds, 1)], within=within)


def mark(transport: Transport, migration: Migration, *, within: str) -> None:
    """Enter a migration as applied as its file now is, whatever the ledger said of it."""
    transport.run(_MARK, [migration.version, migration.checksum], within=within)
    clear(transport, migration, within=within)


def remove(transport: Transport, migration: Migration, *, within: str) -> None:
    """Take a migration's entry out."""
    transport.run("delete from public.schema_migrations where version = $1", [migration.version], within=within)


def note(transport: Transport, migration: Migration, direction: Direction, block: Block, statement: int, *, within: str = "") -> None:
    """Say which statement of a migration without a transaction is begun next, counted from 1."""
    done = block.checksum(statement - 1)
    transport.run(_NOTE, [migration.version, str(direction), statement, len(block.statements), done], within=within)


def clear(transport: Transport, migration: Migration, *, within: str) -> None:
    """Say that the migration is no longer under way."""
    transport.run("delete from public.schema_migrations_under_way where version = $1", [migration.version], within=within)


def _all_under_way(transport: Transport) -> list[UnderWay]:
    return [
        UnderWay(version, Direction(direction), statement, statements, checksum, datetime.fromtimestamp(began, UTC), by, is_running)
        for version, direction, statement, statements, checksum, began, by, is_running in transport.run(_UNDER_WAY, LOCK_HALVES)
    ]


def _time(epoch: float | None) -> datetime | None:
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC)
