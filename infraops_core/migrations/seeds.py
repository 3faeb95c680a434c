"""Seeds: rows to work with in dev and staging, from `audit-schema/seeds/ENVIRONMENT/*.sql`.

Each file is applied in a transaction of its own and can be applied again at any time: the second application must change
no row. That is not taken on trust: each file is run twice within its transaction, and counted.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infraops_core import checkout
from infraops_core.access import Access, message
from infraops_core.errors import UserError
from infraops_core.migrations import files, statements
from infraops_core.settings import Environment

if TYPE_CHECKING:
    from psycopg import Connection

_SECONDS = 600
_FOLDER = checkout.AUDIT_SCHEMA / "seeds"
_AGAIN = "write it so that it may run again: INSERT … ON CONFLICT DO NOTHING, with keys of its own; then run it again"
_CHANGED = """
select format('%I.%I', schemaname, relname), n_tup_ins + n_tup_upd + n_tup_del from pg_stat_xact_user_tables
where n_tup_ins + n_tup_upd + n_tup_del > 0
"""


@dataclass(frozen=True)
class Seeded:
    """A seed that has been committed: how many rows it wrote (none when they were there), and how long it took."""

    path: Path
    rows: int
    milliseconds: float


def read(environment: Environment, folder: Path = _FOLDER) -> list[Path]:
    """The seeds of an environment in the order of their names.

    :raises UserError: for prod, and where there are none.
    """
    if environment is Environment.PROD:
        raise UserError("seeds are for dev and staging: a prod database gets none", where="infraops:environment is prod",
                        next="write a migration if prod needs these rows")  # fmt: skip
    found = sorted(path for path in (folder / environment).glob("*.sql") if not path.name.startswith("."))
    if not found:
        raise UserError(f"there are no seeds for {environment}", where=str(folder / environment), next="put a file NAME.sql there")
    return found


def apply(access: Access, environment: Environment, folder: Path = _FOLDER) -> Iterator[Seeded]:
    """Apply the environment's seeds, each in a transaction of its own; yield it after its commit.

    :param access: the owner's, direct.
    :raises UserError: for prod; for SQL the server refused, with file:line:column; for a seed that would write more each
        time; and when the server can't be worked with. What was yielded before stays.
    """
    import psycopg

    paths = read(environment, folder)
    try:
        with access.connect(seconds=_SECONDS) as connection:
            for path in paths:
                print(f"Seeding   {path.name}")
                began = time.perf_counter()
                with connection.transaction():
                    rows = _apply_one(connection, path)
                yield Seeded(path, rows, (time.perf_counter() - began) * 1000)
    except psycopg.Error as error:
        raise UserError(f"the seeds could not be applied: {message(error)}", where=f"{access.endpoint} as {access.url.user}",
                        next=f"see that the server runs and lets {access.url.user} in; then run it again") from None  # fmt: skip


def _apply_one(connection: "Connection", path: Path) -> int:
    """Run the file twice; how many rows the first time wrote, when the second wrote none."""
    sql = files.text(path, kind="a seed")
    found = statements.split(sql, file=path.name)
    _refuse_truncate(path, sql, found)
    before = _changed(connection)
    _run(connection, path, sql, found, "")
    first = _changed(connection)
    _run(connection, path, sql, found, " when run again")
    second = _changed(connection)
    more = {table: number - first.get(table, 0) for table, number in second.items() if number > first.get(table, 0)}
    if more:
        told = ", ".join(f"{number} row{'s' if number > 1 else ''} of {table}" for table, number in sorted(more.items()))
        raise UserError(f"a seed is not idempotent: run again, it changes {told}", where=path.name, next=_AGAIN)
    return sum(first.values()) - sum(before.values())


def _refuse_truncate(path: Path, sql: str, found: list[statements.Statement]) -> None:
    """The server forgets what a transaction wrote to a table before a TRUNCATE, so the rows can't be counted."""
    for statement in found:
        if statements.tokens(statement.text, limit=1) == ["truncate"]:
            raise UserError("a seed is not idempotent: it empties a table", where=_place(path, sql, statement.start), next=_AGAIN)


def _run(connection: "Connection", path: Path, sql: str, found: list[statements.Statement], again: str) -> None:
    import psycopg
    from psycopg.pq import TransactionStatus

    for statement in found:
        try:
            connection.execute(statement.text.encode())
        except psycopg.Error as error:
            if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
                raise  # the connection, not the SQL
            inside = int(error.diag.statement_position or 1) - 1
            raise UserError(f"the server refused a seed{again}: {message(error)}", where=_place(path, sql, statement.start + inside),
                            next=_AGAIN if again else "mend the file, then run it again") from None  # fmt: skip
        if connection.info.transaction_status != TransactionStatus.INTRANS:
            raise UserError("a seed ended its own transaction", where=_place(path, sql, statement.start),
                            next="take its COMMIT or ROLLBACK out, then run it again")  # fmt: skip


def _changed(connection: "Connection") -> dict[str, int]:
    """How many rows of each table this transaction has inserted, updated and deleted, triggers and functions included."""
    return dict(connection.execute(_CHANGED).fetchall())


def _place(path: Path, sql: str, offset: int) -> str:
    line, column = statements.place(sql, offset)
    return f"{path.name}:{line}:{column}"
