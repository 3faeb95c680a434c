"""A server's first answer: to its admin, over TCP, which is what being ready means."""

import time
from contextlib import suppress

import psutil

from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.servers import first_answer
from infraops_core.servers.embedded import process
from infraops_core.servers.embedded.folder import ServerFolder
from infraops_core.servers.first_answer import Silence


def first(folder: ServerFolder, access: Access) -> tuple[str, str] | None:
    """The server's version and its cluster's own number; `None` from a server that has ended meanwhile.

    :raises UserError: when it refuses the password, or gives no answer for 30 s, or reads its log for more than 300 s.
    """
    begun = time.monotonic()
    while True:
        told = first_answer.ask(access, data_in="folder", where=str(folder.base), otherwise="move the folder away")
        if not isinstance(told, Silence):
            return told
        if process.postmaster(folder) is None:
            return None
        if time.monotonic() - begun > told.seconds:
            raise _silent(folder, access, told.said)
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
