"""`userlist.txt`: who may come in, and what their password is checked with.

PgBouncer documentation, "pgbouncer.ini", section "Authentication file format" (2026-11): with SCRAM verifiers in it the pooler
can log in to the server only if they are the server's own, salt and all; with passwords it always can. `auth_query` would
need a role that reads `pg_authid`, and that role's password in this very file; who may not read `pg_authid` can't make one.
"""

from infraops_core.pooler.plan import Pooler

NAME = "userlist.txt"


def text(pooler: Pooler) -> str:
    """The file, a line a user."""
    return "".join(f"{_quoted(user)} {_quoted(secret)}\n" for user, secret in pooler.secrets.items())


def told(pooler: Pooler) -> str:
    """What it holds, and why, for the command's output."""
    if pooler.are_verifiers:
        return "the server's own SCRAM verifiers; write it anew when a password has changed"
    return "the passwords themselves, for this login may not read the server's SCRAM verifiers (pg_authid)"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
