"""Checks of what an application meets when it uses the database: a pooler, limits, timeouts, extensions."""

import inspect
from dataclasses import dataclass

from infraops_core.doctor.check import Found, Unchecked, Verdict, failed, passed, warned
from infraops_core.doctor.subject import Role, Subject
from infraops_core.errors import UserError
from infraops_core.migrations import pooled as behaviour
from infraops_core.providers import pooled
from infraops_core.wording import counted

LONGEST_TIMEOUT_SECONDS = 300
FULL_SHARE = 0.8

# reserved_connections is there from PostgreSQL 16 on.
_CONNECTIONS = """
select rolconnlimit, current_setting('max_connections')::int,
    current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true)::int, 0),
    (select coalesce(sum(numbackends), 0)::int from pg_stat_database),
    (select count(*)::int from pg_stat_activity where usename = current_user)
from pg_roles where rolname = current_user
"""
_TIMEOUTS = """
select name, setting::int / 1000.0, current_user::text, source = 'client' from pg_settings
where name in ('statement_timeout', 'idle_in_transaction_session_timeout') order by 1 desc
"""


@dataclass(frozen=True)
class Connections:
    """How many connections there may be and are.

    :param role_limit: the app's own; -1 for none.
    :param reserved: of `server_limit`, for superusers and their like.
    """

    role_limit: int
    server_limit: int
    reserved: int
    server_in_use: int
    role_in_use: int


def pooler(subject: Subject) -> Found:
    """The owner's connection keeps its session, and the app's URL says so where its doesn't."""
    if not {Role.OWNER, Role.APP} & subject.ways.keys():
        raise Unchecked("there is neither DATABASE_URL nor DIRECT_DATABASE_URL")
    told = [_of_owner(subject)] if Role.OWNER in subject.ways else []
    told += [_of_app(subject)] if Role.APP in subject.ways else []
    worst = next((one for verdict in (Verdict.FAIL, Verdict.WARN) for one in told if one.verdict is verdict), None)
    return worst or passed(", ".join(one.text for one in told))


def connections(subject: Subject) -> Found:
    """The app gets as many connections as the audit store's pool may want, and they are not all in use."""
    with subject.session(Role.APP) as connection:
        row = connection.execute(_CONNECTIONS).fetchone()
    assert row is not None
    return of_connections(Connections(*row), pool_size())


def of_connections(found: Connections, pool: int) -> Found:
    """What there is to say of the connections, where a pool may want `pool` of them."""
    for_all = found.server_limit - found.reserved
    limit = for_all if found.role_limit < 0 else min(found.role_limit, for_all)
    whose = "infraops:connectionLimit" if limit < for_all else "max_connections of the server"
    text = f"{limit} for the app, {found.role_in_use} in use; the server has {for_all}, {found.server_in_use} in use; a pool wants {pool}"
    if limit < pool:
        return warned(text, f"raise {whose}, or give the audit store max_size={limit}")
    if found.role_in_use >= FULL_SHARE * limit or found.server_in_use >= FULL_SHARE * for_all:
        return warned(text, f"end what holds connections, or raise {whose}")
    return passed(text)


def pool_size() -> int:
    """How many connections the audit store's pool takes unless it is told otherwise."""
    from infraops_core.audit.postgres import PostgresAuditStore  # brings psycopg's pool along

    return int(inspect.signature(PostgresAuditStore).parameters["max_size"].default)


def timeouts(subject: Subject) -> Found:
    """The app's statements, and its transactions that do nothing, end by themselves."""
    with subject.session(Role.APP) as connection:
        rows = connection.execute(_TIMEOUTS).fetchall()
    found = of_timeouts({name: float(seconds) for name, seconds, *_ in rows}, rows[0][2])
    if found.verdict is Verdict.WARN and any(is_the_urls for *_, is_the_urls in rows):
        return warned(found.text, f"take it out of the options of {Role.APP.variable}, or make it shorter there")
    return found


def of_timeouts(found: dict[str, float], role: str) -> Found:
    """What there is to say of a role's timeouts, by name in seconds; 0 is none."""
    text = ", ".join(f"{name} {seconds:g} s" if seconds else f"{name} is off" for name, seconds in found.items())
    wrong = [name for name, seconds in found.items() if not 0 < seconds <= LONGEST_TIMEOUT_SECONDS]
    if wrong:
        return warned(text, "as the admin: " + "; ".join(f"alter role {role} set {name} = '30s'" for name in wrong))
    return passed(text)


def extensions(subject: Subject) -> Found:
    """Every extension that the stack's file asks for is enabled in the database."""
    if subject.settings is None:
        raise Unchecked("no stack's file says which are asked for")
    asked = subject.settings.extensions
    if not asked:
        return passed("none is asked for")
    with subject.session(Role.OWNER, Role.READONLY, Role.APP) as connection:
        have = dict(connection.execute("select extname, extversion from pg_extension").fetchall())
    missing = [name for name in asked if name not in have]
    if missing:
        return failed(f"{counted(len(missing), 'extension')} not enabled: {', '.join(missing)}", f"infraops up {subject.settings.stack}")
    return passed(", ".join(f"{name} {have[name]}" for name in asked))


def _of_owner(subject: Subject) -> Found:
    access = subject.way(Role.OWNER)
    with subject.session(Role.OWNER) as connection:
        try:
            behaviour.refuse_url(access.url)
            behaviour.refuse_session(access, connection)
        except UserError as error:
            return failed(f"{Role.OWNER.variable} leads through a pooler: {error.what}", error.next)
    return passed(f"{Role.OWNER.variable} is direct")


def _of_app(subject: Subject) -> Found:
    access, name = subject.way(Role.APP), Role.APP.variable
    with subject.session(Role.APP) as connection:
        try:
            behaviour.refuse_session(access, connection)
        except UserError:
            if pooled.pooler(access.url):
                return passed(f"{name} is pooled, as its URL says")
            return warned(f"{name} leads through a pooler in transaction mode, and its URL does not say so",
                          f"add pgbouncer=true to {name}, so that libraries keep no session")  # fmt: skip
    return passed(f"{name} keeps its session")
