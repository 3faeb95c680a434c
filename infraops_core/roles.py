"""The three roles of an audit database, and the database itself.

`owner` runs migrations, `app` inserts and reads audit rows, `readonly` reads. What `app` and `readonly` may do with
the tables is granted by the migrations that make them, as the tables' owner.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, LiteralString

from infraops_core.access import Access

if TYPE_CHECKING:
    from psycopg import Connection

OWNER = "infraops_owner"
APP = "infraops_app"
READONLY = "infraops_readonly"
DATABASE = "infraops"
_SECONDS = 60


@dataclass(frozen=True)
class RoleSettings:
    """What the roles are to be; `passwords` by role name, and the tenant `app` has when it names none."""

    passwords: Mapping[str, str] = field(repr=False)
    tenant: str
    connection_limit: int


def create(access: Access, settings: RoleSettings) -> None:
    """Make the roles and the database, or bring those that exist to `settings`; safe to run again.

    :param access: the admin's, on the server's maintenance database.
    :raises psycopg.Error: when the admin may not do it.
    """
    with access.connect(seconds=_SECONDS) as connection:
        for role in (OWNER, APP, READONLY):
            _have_role(connection, role, settings.passwords[role])
        _have_database(connection)
        for statement, value in _limits(settings):
            _run(connection, statement, value)
    with access.connect(seconds=_SECONDS, database=DATABASE) as connection:
        connection.execute("revoke create on schema public from public")


def _have_role(connection: "Connection", role: str, password: str) -> None:
    """The server gets the password's SCRAM verifier, not the password, so it can't end in the server's log."""
    from psycopg import sql

    exists = connection.execute("select from pg_roles where rolname = %s", [role]).fetchone()
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(
        sql.SQL("{verb} role {role} login nocreatedb nocreaterole password {verifier}").format(
            verb=sql.SQL("alter" if exists else "create"), role=sql.Identifier(role), verifier=sql.Literal(verifier)
        )
    )


def _have_database(connection: "Connection") -> None:
    from psycopg import sql

    names = {"owner": sql.Identifier(OWNER), "database": sql.Identifier(DATABASE), "app": sql.Identifier(APP),
             "readonly": sql.Identifier(READONLY)}  # fmt: skip
    if not connection.execute("select from pg_database where datname = %s", [DATABASE]).fetchone():
        # An admin who is no superuser must be a member of the role it gives the database to (PostgreSQL 16, CREATE DATABASE).
        if connection.execute("select rolsuper from pg_roles where rolname = current_user").fetchone() != (True,):
            connection.execute(sql.SQL("grant {owner} to current_user").format(**names))
        connection.execute(sql.SQL("create database {database} owner {owner}").format(**names))
    connection.execute(sql.SQL("revoke all on database {database} from public").format(**names))
    connection.execute(sql.SQL("grant connect on database {database} to {app}, {readonly}").format(**names))


def _limits(settings: RoleSettings) -> list[tuple[LiteralString, str | int]]:
    return [
        ("alter role {app} set statement_timeout = {value}", "30s"),
        ("alter role {app} set idle_in_transaction_session_timeout = {value}", "10s"),
        ("alter role {app} set infraops.tenant = {value}", settings.tenant),
        ("alter role {app} connection limit {value}", settings.connection_limit),
    ]


def _run(connection: "Connection", statement: LiteralString, value: str | int) -> None:
    from psycopg import sql

    connection.execute(sql.SQL(statement).format(app=sql.Identifier(APP), value=sql.Literal(value)))
