"""The three roles of an audit database, and the database itself with what a stack wants in it.

`owner` runs migrations, `app` inserts and reads audit rows, `readonly` reads. What `app` and `readonly` may do with
the audit tables is granted by the migrations that make them, as the tables' owner; on other schemas, by `grants`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, LiteralString

from infraops_core import extensions, grants, passwords
from infraops_core.access import Access, message
from infraops_core.errors import UserError
from infraops_core.settings.grants import Grant

if TYPE_CHECKING:
    from psycopg import Connection

OWNER = "infraops_owner"
APP = "infraops_app"
READONLY = "infraops_readonly"
DATABASE = "infraops"
ADMIN = "infraops_admin"
"""Of the servers we make; it makes the others."""

_TENANT = "infraops.tenant"
_SECONDS = 60
_ROLE_HAS_SET_OPTION = 160000


@dataclass(frozen=True)
class RoleSettings:
    """What the roles and their database are to be.

    :param passwords: by role name.
    :param tenant: what `app` has when it names none.
    :param database: its name.
    :param owns_database: whether it is ours, made and owned; else it is there already, and stays somebody else's.
    :param extensions: names of those to be in it.
    :param grants: rights on other schemas.
    """

    passwords: Mapping[str, str] = field(repr=False)
    tenant: str
    connection_limit: int
    database: str = DATABASE
    owns_database: bool = True
    extensions: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()


def create(access: Access, settings: RoleSettings, *, granted: Sequence[Grant] = ()) -> None:
    """Make the roles and the database, or bring those that exist to `settings`; safe to run again.

    :param access: the admin's, on the server's maintenance database, or one that is not ours; a superuser, or one with
        CREATEROLE and, where the database is to be made, CREATEDB.
    :param granted: what an earlier run gave, to be taken back where it is wanted no more.
    :raises UserError: when the server can't be reached, the admin may not do it, or the server has no extension of a name.
    """
    with _explained(access):
        with access.connect(seconds=_SECONDS) as connection:
            extensions.check(connection, access, settings.extensions)
            if not settings.owns_database:
                _check_database(connection, access, settings.database)
            for role in (OWNER, APP, READONLY):
                _have_role(connection, role, settings.passwords[role])
            if settings.owns_database:
                _have_database(connection, access, settings.database)
            else:
                _let_in(connection, settings.database)
            for statement, value in _limits(settings):
                _run(connection, statement, value)
            _have_tenant(connection, access, settings.tenant)
        with access.connect(seconds=_SECONDS, database=settings.database) as connection:
            if settings.owns_database:
                connection.execute("revoke create on schema public from public")
            elif connection.execute("select has_schema_privilege(%s, 'public', 'create')", [OWNER]).fetchone() != (True,):
                connection.execute(f"grant usage, create on schema public to {OWNER}".encode())  # the migrations' ledger is in it
            extensions.enable(connection, access, settings.extensions)
            grants.bring(connection, access, settings.grants, granted, roles={"app": APP, "readonly": READONLY}, owner=OWNER,
                         makes_schemas=settings.owns_database)  # fmt: skip


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
    """The server gets the password's SCRAM verifier, not the password, so it can't end in the server's log.

    One that fits stays, salt and all, for poolers keep copies.
    """
    from psycopg import sql

    found = connection.execute("select rolcreatedb, rolcreaterole from pg_roles where rolname = %s", [role]).fetchone()
    excess = [word for word, is_too_much in zip(("nocreatedb", "nocreaterole"), found or (), strict=False) if is_too_much]
    verifier = _kept_verifier(connection, role)
    if not passwords.fits(password, verifier):
        verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(
        sql.SQL("{verb} role {role} login {excess} password {verifier} valid until 'infinity'").format(
            verb=sql.SQL("alter" if found else "create"),
            role=sql.Identifier(role),
            verifier=sql.Literal(verifier),
            excess=sql.SQL(" ").join(map(sql.SQL, excess)),  # from Postgres 16 on only an admin who has CREATEDB may name it
        )
    )


def _kept_verifier(connection: "Connection", role: str) -> str:
    """What the server keeps of the role's password; nothing where the admin may not see it."""
    if connection.execute("select has_column_privilege('pg_authid', 'rolpassword', 'select')").fetchone() != (True,):
        return ""
    found = connection.execute("select coalesce(rolpassword, '') from pg_authid where rolname = %s", [role]).fetchone()
    return str(found[0]) if found else ""


def _have_database(connection: "Connection", access: Access, database: str) -> None:
    from psycopg import sql

    names = {"owner": sql.Identifier(OWNER), "database": sql.Identifier(database), "app": sql.Identifier(APP),
             "readonly": sql.Identifier(READONLY)}  # fmt: skip
    found = connection.execute("select pg_get_userbyid(datdba)::text from pg_database where datname = %s", [database]).fetchone()
    if found is not None and found[0] != OWNER:
        raise UserError(
            f"there is a database {database} already, and it belongs to {found[0]}",
            where=access.endpoint,
            next=f"if it may be used: alter database {database} owner to {OWNER}; else rename it; then: pulumi up",
        )
    # An admin who is no superuser must be a member of the role it gives the database to (PostgreSQL 16, CREATE DATABASE).
    given = "set" if connection.info.server_version >= _ROLE_HAS_SET_OPTION else "member"
    if connection.execute("select pg_has_role(%s, 'usage') and pg_has_role(%s, %s)", [OWNER, OWNER, given]).fetchone() != (True,):
        connection.execute(sql.SQL("grant {owner} to current_user").format(**names))
    if found is None:
        connection.execute(sql.SQL("create database {database} owner {owner}").format(**names))
    connection.execute(sql.SQL("revoke all on database {database} from public").format(**names))
    connection.execute(sql.SQL("grant connect on database {database} to {app}, {readonly}").format(**names))


def _check_database(connection: "Connection", access: Access, database: str) -> None:
    if connection.execute("select from pg_database where datname = %s", [database]).fetchone() is None:
        raise UserError(f"there is no database {database}", where=access.endpoint, next="mend the URL, or make it; then: pulumi up")


def _let_in(connection: "Connection", database: str) -> None:
    """What the roles need of a database that is somebody else's, where they don't have it yet."""
    from psycopg import sql

    for role, privilege in ((OWNER, "connect"), (OWNER, "create"), (APP, "connect"), (READONLY, "connect")):
        if connection.execute("select has_database_privilege(%s, %s, %s)", [role, database, privilege]).fetchone() == (True,):
            continue
        words = {"privilege": sql.SQL(privilege), "database": sql.Identifier(database), "role": sql.Identifier(role)}
        connection.execute(sql.SQL("grant {privilege} on database {database} to {role}").format(**words))


def _limits(settings: RoleSettings) -> list[tuple[LiteralString, str | int]]:
    return [
        ("alter role {app} set statement_timeout = {value}", "30s"),
        ("alter role {app} set idle_in_transaction_session_timeout = {value}", "10s"),
        ("alter role {app} connection limit {value}", settings.connection_limit),
    ]


def _have_tenant(connection: "Connection", access: Access, tenant: str) -> None:
    """Give `app` its default tenant, where that may be done: Postgres lets only superusers, and those they grant it to,
    keep a parameter that no extension has declared. Stores name their tenant in each statement and need no default.

    :raises UserError: where it has another one, under which rows would be written unseen.
    """
    import psycopg

    query = "select substr(kept, %s) from pg_roles, unnest(rolconfig) as kept where rolname = %s and starts_with(kept, %s)"
    found = connection.execute(query, [len(_TENANT) + 2, APP, f"{_TENANT}="]).fetchone()
    if found == (tenant,):
        return
    try:
        _run(connection, "alter role {app} set infraops.tenant = {value}", tenant)
    except psycopg.errors.InsufficientPrivilege:
        remedy = f"grant set on parameter {_TENANT} to {access.url.user} (or: alter role {APP} set {_TENANT} = '{tenant}')"
        if found is None:
            print(f"Tenant    {APP} gets no default: Postgres leaves that to superusers; SQL by hand names one, stores do. {remedy}")
            return
        raise UserError(
            f"the default tenant of {APP} is {found[0]}, and {access.url.user} may not change it: Postgres leaves that to superusers",
            where=access.endpoint,
            next=f"as a superuser, once: {remedy}; then: pulumi up",
        ) from None


def _run(connection: "Connection", statement: LiteralString, value: str | int) -> None:
    from psycopg import sql

    connection.execute(sql.SQL(statement).format(app=sql.Identifier(APP), value=sql.Literal(value)))
