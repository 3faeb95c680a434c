"""The three roles of an audit database, and the database itself.

`owner` runs migrations, `app` inserts and reads audit rows, `readonly` reads. What `app` and `readonly` may do with
the tables is granted by the migrations that make them, as the tables' owner.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, LiteralString

from infraops_core.access import Access, message
from infraops_core.errors import UserError

if TYPE_CHECKING:
    from psycopg import Connection

OWNER = "infraops_owner"
APP = "infraops_app"
READONLY = "infraops_readonly"
DATABASE = "infraops"
_TENANT = "infraops.tenant"
_SECONDS = 60


@dataclass(frozen=True)
class RoleSettings:
    """What the roles are to be; `passwords` by role name, and the tenant `app` has when it names none."""

    passwords: Mapping[str, str] = field(repr=False)
    tenant: str
    connection_limit: int


def create(access: Access, settings: RoleSettings) -> None:
    """Make the roles and the database, or bring those that exist to `settings`; safe to run again.

    :param access: the admin's, on the server's maintenance database; a superuser, or one with CREATEROLE and CREATEDB.
    :raises UserError: when the server can't be reached, or the admin may not do it.
    """
    with _explained(access):
        with access.connect(seconds=_SECONDS) as connection:
            for role in (OWNER, APP, READONLY):
                _have_role(connection, role, settings.passwords[role])
            _have_database(connection, access)
            for statement, value in _limits(settings):
                _run(connection, statement, value)
            _have_tenant(connection, access, settings.tenant)
        with access.connect(seconds=_SECONDS, database=DATABASE) as connection:
            connection.execute("revoke create on schema public from public")


@contextmanager
def _explained(access: Access) -> Iterator[None]:
    """Turn what the server says into what its user can do about it."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        said = message(error)
        remedy = "see that the server runs and lets it in"
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            remedy = "let it make roles and databases (CREATEROLE, CREATEDB) and alter those that exist"
        raise UserError(
            f"the roles could not be made: {said}", where=f"{access.endpoint} as {access.url.user}", next=f"{remedy}, then: pulumi up"
        ) from None


def _have_role(connection: "Connection", role: str, password: str) -> None:
    """The server gets the password's SCRAM verifier, not the password, so it can't end in the server's log."""
    from psycopg import sql

    exists = connection.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone() is not None
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(
        sql.SQL("{verb} role {role} login nocreatedb nocreaterole password {verifier}").format(
            verb=sql.SQL("alter" if exists else "create"), role=sql.Identifier(role), verifier=sql.Literal(verifier)
        )
    )


def _have_database(connection: "Connection", access: Access) -> None:
    from psycopg import sql

    names = {"owner": sql.Identifier(OWNER), "database": sql.Identifier(DATABASE), "app": sql.Identifier(APP),
             "readonly": sql.Identifier(READONLY)}  # fmt: skip
    found = connection.execute("select pg_get_userbyid(datdba)::text from pg_database where datname = %s", [DATABASE]).fetchone()
    if found is not None and found[0] != OWNER:
        raise UserError(
            f"there is a database {DATABASE} already, and it belongs to {found[0]}",
            where=access.endpoint,
            next=f"if it may be used: alter database {DATABASE} owner to {OWNER}; else rename it; then: pulumi up",
        )
    # An admin who is no superuser must be a member of the role it gives the database to (PostgreSQL 16, CREATE DATABASE).
    if connection.execute("select pg_has_role(%s, 'usage') and pg_has_role(%s, 'set')", [OWNER, OWNER]).fetchone() != (True,):
        connection.execute(sql.SQL("grant {owner} to current_user").format(**names))
    if found is None:
        connection.execute(sql.SQL("create database {database} owner {owner}").format(**names))
    connection.execute(sql.SQL("revoke all on database {database} from public").format(**names))
    connection.execute(sql.SQL("grant connect on database {database} to {app}, {readonly}").format(**names))


def _limits(settings: RoleSettings) -> list[tuple[LiteralString, str | int]]:
    return [
        ("alter role {app} set statement_timeout = {value}", "30s"),
        ("alter role {app} set idle_in_transaction_session_timeout = {value}", "10s"),
        ("alter role {app} connection limit {value}", settings.connection_limit),
    ]


def _have_tenant(connection: "Connection", access: Access, tenant: str) -> None:
    """Give `app` its default tenant. Postgres lets only superusers, and those they grant it to, keep a parameter that
    no extension has declared; where the tenant is right already, nobody needs to."""
    import psycopg

    row = connection.execute("select coalesce(%s = any(rolconfig), false) from pg_roles where rolname = %s", [f"{_TENANT}={tenant}", APP])
    if row.fetchone() == (True,):
        return
    try:
        _run(connection, "alter role {app} set infraops.tenant = {value}", tenant)
    except psycopg.errors.InsufficientPrivilege:
        raise UserError(
            f"{access.url.user} may not give {APP} its default tenant: Postgres leaves the parameter {_TENANT} to superusers",
            where=access.endpoint,
            next=f"as a superuser, once: grant set on parameter {_TENANT} to {access.url.user} "
            f"(or: alter role {APP} set {_TENANT} = '{tenant}'); then: pulumi up",
        ) from None


def _run(connection: "Connection", statement: LiteralString, value: str | int) -> None:
    from psycopg import sql

    connection.execute(sql.SQL(statement).format(app=sql.Identifier(APP), value=sql.Literal(value)))
