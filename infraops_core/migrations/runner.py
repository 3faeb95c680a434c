"""Apply the migrations a database lacks, and tell which those are.

The ledger is dbmate's: table `schema_migrations` with one column `version`.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.migrations.files import Migration

if TYPE_CHECKING:
    from psycopg import Connection, Error

_LOCK_KEY = 0x696E667261  # "infra"
_LOCK_SECONDS = 60
_SECONDS = 600


@dataclass(frozen=True)
class Applied:
    """A migration that has been committed, and how long it took."""

    migration: Migration
    milliseconds: float


def apply(access: Access, migrations: Sequence[Migration]) -> Iterator[Applied]:
    """Apply those of `migrations` that the ledger lacks, each in a transaction of its own; yield it after its commit.

    Exactly once even when several runners start together. When it stops early, everything yielded stays applied
    and nothing else is.

    :param access: the owner's, direct.
    :raises UserError: for SQL the server refused, with file:line:column.
    """
    with access.connect(seconds=_SECONDS) as connection:
        _lock(connection)
        connection.execute("create table if not exists public.schema_migrations (version varchar primary key)")
        done = _ledger(connection)
        for migration in migrations:
            if migration.version in done:
                continue
            print(f"Applying  {migration.path.name}")
            started = time.perf_counter()
            _apply_one(connection, migration)
            yield Applied(migration, (time.perf_counter() - started) * 1000)


def pending(access: Access, migrations: Sequence[Migration]) -> list[Migration]:
    """Those of `migrations` that the database's ledger lacks."""
    with access.connect(seconds=_LOCK_SECONDS) as connection:
        known = connection.execute("select to_regclass('public.schema_migrations') is not null").fetchone()
        done = _ledger(connection) if known == (True,) else set()
    return [migration for migration in migrations if migration.version not in done]


def _lock(connection: "Connection") -> None:
    """One runner at a time. Tried again and again rather than waited for, since a waiting statement's snapshot blocks
    another session's CREATE INDEX CONCURRENTLY."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while connection.execute("select pg_try_advisory_lock(%s)", [_LOCK_KEY]).fetchone() != (True,):
        if time.monotonic() > deadline:
            raise UserError(f"another runner has been applying migrations for more than {_LOCK_SECONDS} s",
                            where=f"host {connection.info.host}", next="let it end, then run it again")  # fmt: skip
        time.sleep(0.2)


def _ledger(connection: "Connection") -> set[str]:
    return {row[0] for row in connection.execute("select version from public.schema_migrations")}


def _apply_one(connection: "Connection", migration: Migration) -> None:
    import psycopg

    try:
        with connection.transaction():
            connection.execute(migration.up.encode())
            connection.execute("insert into public.schema_migrations (version) values (%s)", [migration.version])
    except psycopg.Error as error:
        if error.diag.sqlstate is None:
            raise  # the connection, not the SQL
        raise UserError(
            f"the server refused a migration: {error.diag.message_primary}",
            where=_position(migration, error),
            next="mend the file; what was applied before it stays applied",
        ) from None


def _position(migration: Migration, error: "Error") -> str:
    """file:line:column of the error, or the file where the server named no place."""
    if not error.diag.statement_position:
        return migration.path.name
    before = migration.up[: int(error.diag.statement_position) - 1]
    line = migration.first_line + before.count("\n")
    return f"{migration.path.name}:{line}:{len(before) - before.rfind(chr(10))}"
