"""A server's first answer: to its admin, over TCP, which is what being ready means."""

import time
from contextlib import suppress

import psutil

from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.servers.embedded import process, start
from infraops_core.servers.embedded.folder import ServerFolder

_TRY_SECONDS = 10
_ANSWER_SECONDS = 30
_STARTING = ("the database system is starting up", "the database system is not yet accepting connections")


def first(folder: ServerFolder, access: Access) -> tuple[str, str] | None:
    """The server's version and its cluster's own number; `None` from a server that has ended meanwhile.

    :raises UserError: when it refuses the password, or gives no answer for 30 s, or reads its log for more than 300 s.
    """
    import psycopg

    begun = time.monotonic()
    while True:
        try:
            with access.connect(seconds=_TRY_SECONDS) as connection:
                row = connection.execute(
                    "select current_setting('server_version'), system_identifier::text from pg_control_system()"
                ).fetchone()
            assert row is not None
            return row[0].split()[0], row[1]
        except psycopg.OperationalError as error:
            said = " ".join(str(error).split())
        if "password authentication failed" in said:
            raise UserError(
                f"the server in this folder does not know this stack's password of {access.url.user}: "
                "it was made under another state or another passphrase",
                where=str(folder.base),
                next="restore that state, or move the folder away to begin with an empty database",
            )
        if process.postmaster(folder) is None:
            return None
        allowed = start.SECONDS if any(words in said for words in _STARTING) else _ANSWER_SECONDS
        if time.monotonic() - begun > allowed:
            raise _silent(folder, access, said)
        time.sleep(0.2)


def _silent(folder: ServerFolder, access: Access, said: str) -> UserError:
    with suppress(psutil.Error):
        server = process.postmaster(folder)
        if server is not None and server.status() == psutil.STATUS_STOPPED:
            return UserError(
                f"the server gives no answer: its process {server.pid} has been halted",
                where=access.endpoint,
                next=f"kill -CONT {server.pid}; then run it again",
            )
    return UserError(
        f"the server runs but gives no answer: {said}",
        where=access.endpoint,
        next=f"read {folder.log}, mend what it says, then run it again",
    )
