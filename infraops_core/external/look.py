"""Look at a database that somebody else runs: which it is, and whether we can do in it what we are asked to.

Nothing is changed. Sources: PostgreSQL documentation, "System Information Functions and Operators" (control data, access
privileges, recovery), "CREATE ROLE".
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infraops_core.access import Access, message
from infraops_core.errors import UserError
from infraops_core.external import refusals, standing_roles
from infraops_core.migrations import pooled
from infraops_core.roles import OWNER
from infraops_core.settings.external import ADMIN_URL, URL

if TYPE_CHECKING:
    from psycopg import Connection

SECONDS = 20
OLDEST, NEWEST = 15, 18
_LEDGER = "public.schema_migrations"

_FACTS = """
select current_setting('server_version'), current_setting('server_version_num')::integer / 10000, pg_is_in_recovery(),
    current_setting('transaction_read_only') = 'on', d.oid::bigint, d.datdba::bigint, pg_get_userbyid(d.datdba)::text,
    d.datistemplate, r.rolname::text, r.rolsuper or r.rolcreaterole,
    r.rolsuper or pg_has_role(d.datdba, 'usage')
        or has_database_privilege(d.oid, 'create with grant option') and has_schema_privilege('public', 'create with grant option')
        or (select coalesce(bool_and(has_database_privilege(o.oid, d.oid, 'create') and has_schema_privilege(o.oid, 'public', 'create')),
                            false) from pg_roles o where o.rolname = %(owner)s)
from pg_database d, pg_roles r where d.datname = current_database() and r.rolname = current_user
"""
_LEDGERS_OWNER = "select pg_get_userbyid(relowner)::text from pg_class where oid = to_regclass(%(ledger)s)"
_SYSTEM = "select system_identifier::text from pg_control_system()"


@dataclass(frozen=True)
class Asked:
    """What is to be done in the database, and where its URL comes from.

    :param major: the version it is to be; None for any that will do.
    :param setting: the stack's setting that holds the URL.
    :param before: the identity of the database that the stack had until now; on another server no role is known to be its own.
    """

    database: str
    makes_roles: bool
    makes_schema: bool
    major: int | None
    setting: str
    stack: str
    before: str = ""


@dataclass(frozen=True)
class Looked:
    """Which database it is, and the version of its server (`17.10`).

    The identity is of the cluster and the database in it; a copy by dump and restore is another one, a physical copy is not.
    Where the cluster's may not be read, host, port and owner stand for it.
    """

    identity: str
    server_version: str


def at(access: Access, asked: Asked) -> Looked:
    """Look through `access`, the admin's, or the strongest role there is; ends within 20 s.

    :raises UserError: saying what keeps us from doing what is asked, and who can mend it how.
    """
    inside = dataclasses.replace(access, url=dataclasses.replace(access.url, database=asked.database))
    with _explained(inside, asked), inside.connect(seconds=SECONDS) as connection:
        if asked.setting != URL or asked.makes_roles:
            _refuse_pooler(inside, connection, asked)
        return _looked(inside, connection, asked)


@contextmanager
def _explained(access: Access, asked: Asked) -> Iterator[None]:
    import psycopg

    named = f"infraops:{asked.setting}"
    try:
        yield
    except psycopg.Error as error:
        raise refusals.explained(message(error), access, asked.setting, asked.stack) from None
    except UserError as error:  # of the URL itself, whose name only we know
        raise UserError(error.what, where=error.where if named in error.where else f"{named}, {error.where}", next=error.next) from None


def _refuse_pooler(access: Access, connection: "Connection", asked: Asked) -> None:
    try:
        pooled.refuse_session(access, connection)
    except UserError as error:
        raise _refused(
            access, asked, "a pooler in transaction mode answers there, and roles and schema need a session of their own",
            f"{error.next}: infraops secret set {asked.stack} {ADMIN_URL if asked.makes_roles else asked.setting}",
        ) from None  # fmt: skip


def _looked(access: Access, connection: "Connection", asked: Asked) -> Looked:
    row: Any = connection.execute(_FACTS, {"owner": OWNER}).fetchone()
    version, major, is_standby, is_read_only, oid, owner_oid, owner, is_template, admin, makes_roles, lets_in = row
    version = version.split()[0]
    _check_version(access, asked, version, major)
    if is_standby:
        by_itself = ", or put target_session_attrs=read-write into the URL" if len(access.url.places) > 1 else ""
        raise _refused(
            access, asked, "this server is a standby: it only repeats what its primary does", f"name the primary's host{by_itself}"
        )
    if is_template:
        remedy = f"name another: infraops secret set {asked.stack} {URL}"
        raise _refused(access, asked, "the database is a template: whatever is made in it is in every database made later", remedy)
    if is_read_only:
        reset = f"alter database {refusals.in_sql(asked.database)} reset default_transaction_read_only"
        remedy = f"see why its provider did that (a full disk?), or: {reset}"
        raise _refused(access, asked, "the database takes no writes: default_transaction_read_only is on", remedy)
    if asked.makes_roles:
        _check_rights(access, asked, admin, owner=owner, makes_roles=makes_roles, lets_in=lets_in)
    if asked.makes_roles and asked.makes_schema:
        _check_ledger(access, connection, asked)
    system = _system(connection)
    cluster = system or f"{access.url.host}:{access.url.port}"
    if asked.makes_roles and not asked.before.startswith(f"{cluster}-"):
        _check_standing_roles(access, connection, asked, admin)
    return Looked(f"{cluster}-{oid}" if system else f"{cluster}-{oid}-{owner_oid}", version)


def _check_version(access: Access, asked: Asked, version: str, major: int) -> None:
    if major < OLDEST:
        remedy = "upgrade it, or take another"
        raise _refused(access, asked, f"the server is Postgres {version}, and the oldest that will do is {OLDEST}", remedy)
    if asked.major is not None and major != asked.major:
        remedy = f"pulumi config set infraops:postgresVersion {major} --stack {asked.stack}, or take another server"
        raise _refused(access, asked, f"the server is Postgres {version}, and this stack asks for {asked.major}", remedy)
    if major > NEWEST:
        print(f"warning: Postgres {version} is newer than the newest that this was tried with, {NEWEST}")


def _check_rights(access: Access, asked: Asked, admin: str, *, owner: str, makes_roles: bool, lets_in: bool) -> None:
    if not makes_roles:
        raise _refused(
            access, asked, f"{admin} may not make roles",
            f"alter role {refusals.in_sql(admin)} createrole; or infraops secret set {asked.stack} {ADMIN_URL}; or infraops:roles: given",
        )  # fmt: skip
    if not lets_in:
        raise _refused(
            access, asked, f"{admin} may not let {OWNER} create in database {asked.database}, which belongs to {owner}",
            f"as {owner}: grant create on database {refusals.in_sql(asked.database)} to {refusals.in_sql(admin)} with grant option; "
            f"grant create on schema public to {refusals.in_sql(admin)} with grant option",
        )  # fmt: skip


def _check_ledger(access: Access, connection: "Connection", asked: Asked) -> None:
    """The migrations' ledger has the name that other tools use too; two of them in one table would take each other's rows for theirs."""
    row = connection.execute(_LEDGERS_OWNER, {"ledger": _LEDGER}).fetchone()
    if row is not None and row[0] != OWNER:
        raise _refused(
            access, asked, f"the database has a table {_LEDGER} already, of {row[0]}: another program's migrations are in it",
            f"give the audit trail a database of its own on that server; if the table is ours: alter table {_LEDGER} owner to {OWNER}",
        )  # fmt: skip


def _check_standing_roles(access: Access, connection: "Connection", asked: Asked, admin: str) -> None:
    what, remedy = standing_roles.problem(connection, admin, asked.stack)
    if what:
        raise _refused(access, asked, what, remedy)


def _system(connection: "Connection") -> str:
    """The cluster's own number; empty where its provider lets nobody read that."""
    import psycopg

    try:
        row = connection.execute(_SYSTEM).fetchone()
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFunction, psycopg.errors.FeatureNotSupported):
        return ""
    return str(row[0]) if row else ""


def _refused(access: Access, asked: Asked, what: str, remedy: str) -> UserError:
    return UserError(what, where=refusals.place(access, asked.setting), next=f"{remedy}; then: pulumi up")
