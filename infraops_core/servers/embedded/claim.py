"""Take a server folder for one stack and one run: whose it is, whose data is in it, one run at a time."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from infraops_core.errors import UserError
from infraops_core.servers import loopback
from infraops_core.servers.content import Content
from infraops_core.servers.embedded import disk
from infraops_core.servers.embedded.account import Account
from infraops_core.servers.embedded.folder import Marker, ServerFolder

_LOCK_SECONDS = 60


def make_base(folder: ServerFolder) -> None:
    """Make the base folder; as root so that the server's account can pass through all that is new, whatever our umask."""
    new = [path for path in (folder.base, *folder.base.parents) if not os.access(path, os.F_OK)]
    try:
        folder.base.mkdir(parents=True, exist_ok=True)
        for path in new if os.geteuid() == 0 else ():
            path.chmod(0o755)
    except OSError as error:
        raise UserError(
            f"the folder for the server cannot be made: {error.strerror}",
            where=str(folder.base),
            next="make its parent writable, or name another folder with INFRAOPS_STATE",
        ) from None


@contextmanager
def alone(folder: ServerFolder) -> Iterator[int]:
    """Hold the folder's lock, and make the folder if there is none; yield the lock's descriptor.

    :raises UserError: when another run holds it for more than 60 s, or the file system refuses something meanwhile.
    """
    with disk.refusals_told(folder.base):
        while (lock := hold(folder)) is None:
            make_base(folder)
        with lock:
            yield lock.fileno()


def hold(folder: ServerFolder) -> IO[str] | None:
    """The folder's lock, held until it is closed; `None` where there is no folder, or no longer.

    The kernel lets it go with its last holder, however that ends. A program started with its descriptor is a holder.

    :raises UserError: when another run holds it for more than 60 s.
    """
    path = folder.base / "lock"
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            file = path.open("a")
        except (FileNotFoundError, NotADirectoryError):
            return None
        if _lock(file, deadline, folder) and _is_still(path, file):
            return file
        file.close()
        if time.monotonic() > deadline:
            raise UserError(
                f"another run has worked on this server for more than {_LOCK_SECONDS} s",
                where=str(folder.base),
                next="let it end, then run it again",
            )


def claim(folder: ServerFolder, project: str, stack: str, port: int | None) -> Marker:
    """The folder's marker, written if there is none.

    :param port: the port asked for; a free one is chosen where none is, and kept.
    :raises UserError: when the folder belongs to another stack, or holds something that is not ours.
    """
    marker = check_owner(folder, project, stack)
    if marker is None:
        marker = Marker(project, stack, port or loopback.free_port())
        folder.mark(marker)
    return marker


def check_owner(folder: ServerFolder, project: str, stack: str) -> Marker | None:
    """The folder's marker, if it has one; refuse another stack's folder, and data that nobody has marked."""
    marker = folder.marker()
    if marker is None and folder.content() is not Content.NOTHING:
        raise UserError(
            "there is a data folder that no stack of ours has made",
            where=str(folder.data),
            next="move it away, then run it again",
        )
    if marker is not None and (marker.project, marker.stack) != (project, stack):
        raise UserError(
            f"the server folder belongs to the stack {marker.stack} of {marker.project}, not to {stack} of {project}",
            where=str(folder.base),
            next="move it away, or run this stack with another INFRAOPS_STATE",
        )
    return marker


def check_unused(folder: ServerFolder) -> None:
    """Refuse a folder that holds data already: the state that knows its passwords is another one, or is lost."""
    if folder.content() is not Content.NOTHING:
        raise UserError(
            "there is a database in this stack's folder that this state knows nothing of",
            where=str(folder.base),
            next="restore the state it was made with, or move the folder away to begin with an empty database",
        )


def check_way(folder: ServerFolder, account: Account) -> None:
    """Refuse a folder that the account which runs the server cannot come to."""
    if not account.can_enter(folder.base):
        raise UserError(
            f"the account {account.name}, which runs the server, cannot enter the server's folder",
            where=str(folder.base),
            next="open it and the folders above it (chmod o+x), or name another folder with INFRAOPS_STATE",
        )


def check_data(folder: ServerFolder, major: int, account: Account) -> None:
    """Refuse data that this server cannot or must not run on; an empty folder is fine."""
    content = folder.content()
    if content is Content.BROKEN:
        raise UserError(
            "the data folder is not a whole Postgres data folder",
            where=str(folder.data),
            next="restore it, or move it away to begin with an empty database; then run it again",
        )
    if content is Content.NOTHING:
        return
    if not account.owns(folder.data):
        hand_over = f"chown -R {account.name} {folder.data} {folder.log.parent}, or "
        raise UserError(
            f"the data folder belongs to the account number {folder.data.stat().st_uid}, and the server would run as {account.name}",
            where=str(folder.data),
            next=f"{hand_over if account.is_another else ''}run as the user who made it",
        )
    check_major(folder, major)


def check_major(folder: ServerFolder, major: int) -> None:
    """Refuse another major version than the one that made the data."""
    if folder.content() is Content.COMPLETE and folder.major() != major:
        raise UserError(
            f"the data was made by Postgres {folder.major()}, and this stack asks for {major}",
            where=str(folder.data),
            next=f"pulumi config set infraops:postgresVersion {folder.major()}; another major version wants a second stack and a cutover",
        )


def _lock(file: IO[str], deadline: float, folder: ServerFolder) -> bool:
    told = False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
        else:
            return True
        if not told:
            print(f"Waiting  for another run that works on {folder.base}")
            told = True
        time.sleep(0.1)


def _is_still(path: Path, file: IO[str]) -> bool:
    """Whether the open file is the one of that name: `remove` may have deleted it while we waited."""
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False
