"""Apply the migrations a database lacks, and tell which those are.

The ledger is dbmate's: table `schema_migrations` with one column `version`.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.migrations.files import Migration

if TYPE_CHECKING:
    from psycopg import Connection, Error

LOCK_KEY = 0x696E667261  # "infra"
LEDGER = "create table if not exists public.schema_migrations (version varchar primary key)"
_LOCK_SECONDS = 60
_SECONDS = 600
_NOT_THE_FILE = ("08", "40", "53", "55P03", "57", "58")  # connection, conflict, resources, lock, shutdown, disk


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
    :raises UserError: for SQL the server refused, with file:line:column; and when the server can't be worked with.
    """
    with _explained(access), access.connect(seconds=_SECONDS) as connection:
        _end_with_us(connection)
        _lock(connection, access)
        connection.execute(LEDGER)
        done = _ledger(connection)
        for migration in migrations:
            if migration.version in done:
                continue
            print(f"Applying  {migration.path.name}")
            started = time.perf_counter()
            _apply_one(connection, migration)
            yield Applied(migration, (time.perf_counter() - started) * 1000)


def pending(access: Access, migrations: Sequence[Migration]) -> list[Migration]:
    """Those of `migrations` that the database's ledger lacks.

    :raises UserError: when the ledger can't be read.
    """
    with _explained(access), access.connect(seconds=_LOCK_SECONDS) as connection:
        known = connection.execute("select to_regclass('public.schema_migrations') is not null").fetchone()
        done = _ledger(connection) if known == (True,) else set()
    return [migration for migration in migrations if migration.version not in done]


@contextmanager
def _explained(access: Access) -> Iterator[None]:
    """Turn a server that can't be worked with into what its user can do about it."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise UserError(
            f"the migrations could not be applied or read: {_said(error)}",
            where=f"{access.endpoint} as {access.url.user}",
            next=f"see that the server runs and lets {access.url.user} in, as the database's owner; then run it again",
        ) from None


def _said(error: "Error") -> str:
    return error.diag.message_primary or " ".join(str(error).split())


def _end_with_us(connection: "Connection") -> None:
    """Have the server notice within seconds that we were killed, and not hold the lock until a long statement is done."""
    import psycopg

    with suppress(psycopg.errors.InvalidParameterValue):  # a server on an operating system that can't tell
        connection.execute("set client_connection_check_interval = '2s'")


def _lock(connection: "Connection", access: Access) -> None:
    """One runner at a time. Tried again and again rather than waited for, since a waiting statement's snapshot blocks
    another session's CREATE INDEX CONCURRENTLY."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while connection.execute("select pg_try_advisory_lock(%s)", [LOCK_KEY]).fetchone() != (True,):
        if time.monotonic() > deadline:
            holder = _holder(connection)
            raise UserError(f"another runner has been applying migrations for more than {_LOCK_SECONDS:g} s",
                            where=f"{access.endpoint}, server process {holder}",
                            next=f"let it end, or: select pg_terminate_backend({holder}); then run it again")  # fmt: skip
        time.sleep(0.2)


def _holder(connection: "Connection") -> str:
    row = connection.execute(
        "select l.pid::text from pg_locks l join pg_database d on d.oid = l.database and d.datname = current_database() "
        "where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and l.classid = %s::oid and l.objid = %s::oid",
        [LOCK_KEY >> 32, LOCK_KEY & 0xFFFFFFFF],
    ).fetchone()
    return row[0] if row else "unknown"


def _ledger(connection: "Connection") -> set[str]:
    return {row[0] for row in connection.execute("select version from public.schema_migrations")}


def _apply_one(connection: "Connection", migration: Migration) -> None:
    import psycopg
    from psycopg.pq import TransactionStatus

    try:
        with connection.transaction():
            connection.execute(migration.up.encode())
            if connection.info.transaction_status != TransactionStatus.INTRANS:
                raise UserError("a migration ended its own transaction: what it did before is not recorded", where=migration.path.name,
                                next="undo that by hand, and take its COMMIT or ROLLBACK out")  # fmt: skip
            connection.execute("insert into public.schema_migrations (version) values (%s)", [migration.version])
    except psycopg.Error as error:
        if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
            raise  # the connection, not the SQL
        raise _failed(migration, error) from None


def _failed(migration: Migration, error: "Error") -> UserError:
    then = "then run it again; what was applied before it stays applied"
    if error.sqlstate is None:  # psycopg's own refusal
        return UserError("a migration cannot COPY from or to its client", where=migration.path.name, next=f"use INSERT, {then}")
    if error.sqlstate.startswith(_NOT_THE_FILE):
        return UserError(f"a migration was not applied: {_said(error)}", where=migration.path.name, next=f"mend that, {then}")
    return UserError(f"the server refused a migration: {_said(error)}{_inside(error)}", where=_position(migration, error),
                     next=f"mend the file, {then}")  # fmt: skip


def _inside(error: "Error") -> str:
    """In which DO block or function, where the server names no place in the file."""
    inside = (error.diag.context or "").splitlines()
    return f" ({inside[-1]})" if inside and not error.diag.statement_position else ""


def _position(migration: Migration, error: "Error") -> str:
    """file:line:column of the error, or the file where the server named no place."""
    if not error.diag.statement_position:
        return migration.path.name
    before = migration.up[: int(error.diag.statement_position) - 1]
    line = migration.first_line + before.count("\n")
    return f"{migration.path.name}:{line}:{len(before) - before.rfind(chr(10))}"
