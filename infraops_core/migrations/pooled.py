"""A pooled connection is refused: between transactions it drops what a session holds, and with it the runner's lock.

A provider's pooler is known by its URL. Another's is known by what it does: libpq was told the process id of one
server process, and another one answers. Then two connections show whether a session stays with its client.
"""

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from infraops_core.access import Access
from infraops_core.database_url import DatabaseUrl
from infraops_core.errors import UserError
from infraops_core.providers import pooled

if TYPE_CHECKING:
    from psycopg import Connection

_PROOF_SECONDS = 3
_ROUNDS = 3
_WHY = "it drops what a session holds between transactions, and with it the lock that keeps two runners apart"


def refuse_url(url: DatabaseUrl) -> None:
    """Refuse a URL that names a pooler, before anything is sent.

    :raises UserError: with the direct URL, without its password.
    """
    if whose := pooled.pooler(url):
        raise UserError(f"migrations cannot run through {whose}: {_WHY}", where=f"database URL (host {url.host}, port {url.port})",
                        next=f"use the direct URL: {pooled.advice(url)}")  # fmt: skip


def refuse_session(access: Access, connection: "Connection") -> None:
    """Refuse a connection whose session doesn't stay with it; a pooler in session mode passes.

    :raises UserError: when a pooler is shown to give the session away.
    """
    if _server_process(connection) == connection.info.backend_pid:  # a pooler makes up the number it tells libpq
        return
    if _gives_sessions_away(access, connection):
        raise UserError(f"migrations cannot run through a pooler in transaction or statement mode: {_WHY}", where=access.endpoint,
                        next="use the database's own host and port, or a pool in session mode")  # fmt: skip


def _gives_sessions_away(access: Access, connection: "Connection") -> bool:
    """Whether another connection gets our server process while we are idle, or we get another one while it is busy."""
    import psycopg

    mark = secrets.token_hex(8)
    connection.execute("select set_config('infraops.session', %s, false)", [mark])
    try:
        with connection.transaction():
            ours = _server_process(connection)
    except psycopg.Error as error:
        if error.sqlstate is None:
            raise
        return True  # a pool in statement mode has no transactions
    with suppress(psycopg.OperationalError), access.connect(seconds=_PROOF_SECONDS) as other:
        for _ in range(_ROUNDS):
            with other.transaction():
                if _server_process(other) == ours or _server_process(connection) != ours:
                    return True
    # Where the other one was let in by nobody in time, a small pool is all ours, and so is the session.
    kept = connection.execute("select current_setting('infraops.session', true)").fetchone() == (mark,)
    return not kept or _server_process(connection) != ours


def _server_process(connection: "Connection") -> int:
    row = connection.execute("select pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])
