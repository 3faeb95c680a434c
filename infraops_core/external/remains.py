"""What is left of a stack in a database that is not ours, once the stack is gone: told, and not removed."""

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from infraops_core.access import Access, message
from infraops_core.audit.chain.record import CHAINS
from infraops_core.errors import UserError
from infraops_core.roles import APP, OWNER, READONLY
from infraops_core.wording import counted

if TYPE_CHECKING:
    from psycopg import Connection

SECONDS = 20
_SCHEMA = "infraops_audit"
_NAMES = f"{OWNER}, {APP}, {READONLY}"
_BY_ROLES = (f"grant {_NAMES} to current_user;", f"drop owned by {_NAMES} cascade;", f"drop role {_NAMES};")
_BY_SCHEMA = (
    f"drop schema {_SCHEMA} cascade;",
    "drop table if exists public.schema_migrations, public.schema_migrations_under_way;",
)
_TABLES = """
select relname::text, row_security_active(oid) from pg_class where relnamespace = to_regnamespace(%s) and relname = any(%s)
"""


def told(access: Access, database: str, *, roles: bool, schema: bool) -> Iterator[str]:
    """Lines about what remains in `database`, and the SQL that would remove it; asked where it still answers, within 20 s.

    :param roles: whether this stack made the roles.
    :param schema: whether it applied the schema.
    """
    inside = dataclasses.replace(access, url=dataclasses.replace(access.url, database=database))
    has_schema, rows = _asked(inside, roles=roles, schema=schema)
    parts = [f"schema {_SCHEMA}: {rows}"] if has_schema else []
    parts += [f"roles {_NAMES}"] if roles else []
    yield f"Left      {inside.endpoint} as it is; of this stack remains {'in it:' if parts else 'nothing'}"
    for part in parts:
        yield f"          {part}"
    if parts:
        yield f"          to remove that for good, as the admin in database {database}:"
        for statement in _BY_ROLES if roles else _BY_SCHEMA:
            yield f"          {statement}"


def _asked(access: Access, *, roles: bool, schema: bool) -> tuple[bool, str]:
    """Whether the schema is there, and its rows in words."""
    import psycopg

    try:
        with access.connect(seconds=SECONDS) as connection:
            return _counted(connection, roles=roles)
    except psycopg.Error as error:
        return schema, f"rows not counted ({' '.join(message(error).split())})"
    except UserError as error:
        return schema, f"rows not counted ({error.what})"


def _counted(connection: "Connection", *, roles: bool) -> tuple[bool, str]:
    """As a role that row-level security hides nothing from, in a transaction that is taken back, membership and all."""
    import psycopg

    has_schema = connection.execute("select to_regnamespace(%s) is not null", [_SCHEMA]).fetchone() == (True,)
    there: list[Any] = connection.execute(_TABLES, [_SCHEMA, [chain.table for chain in CHAINS]]).fetchall()
    try:
        with connection.transaction(force_rollback=True):
            if roles and any(hides_rows for _, hides_rows in there):
                connection.execute(f"grant {READONLY} to current_user".encode())
                connection.execute(f"set local role {READONLY}".encode())
            elif any(hides_rows for _, hides_rows in there):
                return has_schema, "rows not counted (row-level security hides them from this role)"
            return has_schema, counted(sum(_rows(connection, name) for name, _ in there), "row")
    except psycopg.errors.InsufficientPrivilege as error:
        return has_schema, f"rows not counted ({message(error)})"


def _rows(connection: "Connection", table: str) -> int:
    row: Any = connection.execute(f"select count(*) from {_SCHEMA}.{table}".encode()).fetchone()  # noqa: S608, a name of ours
    return int(row[0])
