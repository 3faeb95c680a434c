"""Take a server folder for one stack and one run: whose it is, whose data is in it, one run at a time."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager

from infraops_core.errors import UserError
from infraops_core.servers.embedded import process
from infraops_core.servers.embedded.account import Account
from infraops_core.servers.embedded.folder import Content, Marker, ServerFolder

_LOCK_SECONDS = 60


def make_base(folder: ServerFolder) -> None:
    """Make the base folder, which the server's account must be able to pass through."""
    try:
        folder.base.mkdir(parents=True, exist_ok=True)
        folder.base.chmod(0o755)
    except OSError as error:
        raise UserError(
            f"the folder for the server cannot be made: {error.strerror}",
            where=str(folder.base),
            next="make its parent writable, or name another folder with INFRAOPS_STATE",
        ) from None


@contextmanager
def alone(folder: ServerFolder) -> Iterator[int]:
    """Hold the folder's lock, which the kernel lets go with its last holder, however that ends; yield its descriptor.

    :raises UserError: when another run holds it for more than 60 s.
    """
    with (folder.base / "lock").open("w") as file:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise UserError(
                        f"another run has worked on this server for more than {_LOCK_SECONDS} s",
                        where=str(folder.base),
                        next="let it end, then run it again",
                    ) from None
                time.sleep(0.1)
        yield file.fileno()


def claim(folder: ServerFolder, project: str, stack: str, port: int | None) -> Marker:
    """The folder's marker, written if there is none.

    :param port: the port asked for; a free one is chosen where none is, and kept.
    :raises UserError: when the folder belongs to another stack, or holds something that is not ours.
    """
    check_owner(folder, project, stack)
    marker = folder.marker()
    if marker is None:
        if folder.content() is not Content.NOTHING:
            raise UserError(
                "there is a data folder that no stack of ours has made",
                where=str(folder.data),
                next="move it away, then run it again",
            )
        marker = Marker(project, stack, port or process.free_port())
        folder.mark(marker)
    return marker


def check_owner(folder: ServerFolder, project: str, stack: str) -> None:
    """Refuse a folder that says it belongs to another stack."""
    marker = folder.marker()
    if marker is not None and (marker.project, marker.stack) != (project, stack):
        raise UserError(
            f"the server folder belongs to the stack {marker.stack} of {marker.project}, not to {stack} of {project}",
            where=str(folder.base),
            next="move it away, or run this stack with another INFRAOPS_STATE",
        )


def check_unused(folder: ServerFolder) -> None:
    """Refuse a folder that holds data already: the state that knows its passwords is another one, or is lost."""
    if folder.content() is not Content.NOTHING:
        raise UserError(
            "there is a database in this stack's folder that this state knows nothing of",
            where=str(folder.base),
            next="restore the state it was made with, or move the folder away to begin with an empty database",
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
        raise UserError(
            f"the data folder belongs to the account number {folder.data.stat().st_uid}, and the server would run as {account.name}",
            where=str(folder.data),
            next="run as the user who made it",
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
