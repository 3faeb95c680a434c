"""What a configuration has to know of the server: how many connections there are, and the roles' SCRAM verifiers."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infraops_core.access import Access, message
from infraops_core.errors import UserError

if TYPE_CHECKING:
    from psycopg import Connection

UNLIMITED = -1
_SECONDS = 30
_SCRAM = "SCRAM-SHA-256$"

# From PostgreSQL 16 on reserved_connections keeps a part for a role of its own.
_ROOM = """
select coalesce(sum(case name when 'max_connections' then setting::int else -setting::int end), 0)
from pg_settings where name in ('max_connections', 'superuser_reserved_connections', 'reserved_connections')
"""


@dataclass(frozen=True)
class Server:
    """What the server says.

    :param limits: how many connections each role may have; `UNLIMITED` where there is no limit.
    :param room: how many there are for all roles that are no superusers.
    :param verifiers: each role's SCRAM verifier, of those that may be read.
    """

    limits: Mapping[str, int]
    room: int
    verifiers: Mapping[str, str] = field(repr=False)


def look(access: Access, roles: Sequence[str]) -> Server:
    """Ask the server about `roles`.

    :param access: the admin's where there is one; whoever may not read `pg_authid` gets no verifiers.
    :raises UserError: when the server can't be reached, refuses, or lacks one of the roles.
    """
    import psycopg  # here, so that a command starts without it

    try:
        with access.connect(seconds=_SECONDS) as connection:
            found = connection.execute("select rolname, rolconnlimit from pg_roles where rolname = any(%s)", [list(roles)]).fetchall()
            limits = {str(name): int(limit) for name, limit in found}
            row = connection.execute(_ROOM).fetchone()
            verifiers = _verifiers(connection, roles)
    except psycopg.Error as error:
        raise UserError(
            f"the server could not be asked about the roles: {message(error)}",
            where=f"{access.endpoint} as {access.url.user}",
            next="see that the server runs and lets it in, then run it again",
        ) from None
    if missing := [role for role in roles if role not in limits]:
        raise UserError(f"the server has no role {', '.join(missing)}", where=access.endpoint, next="make up brings the stack's roles back")
    assert row is not None
    return Server(limits, int(row[0]), verifiers)


def _verifiers(connection: "Connection", roles: Sequence[str]) -> dict[str, str]:
    """What `pg_authid` holds; a hosted provider's admin may not read it."""
    import psycopg

    with suppress(psycopg.errors.InsufficientPrivilege):
        found = connection.execute("select rolname, rolpassword from pg_authid where rolname = any(%s)", [list(roles)]).fetchall()
        return {str(name): str(verifier) for name, verifier in found if str(verifier).startswith(_SCRAM)}
    return {}
