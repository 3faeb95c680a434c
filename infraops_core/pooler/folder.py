"""The files in their folder: written whole or not at all, and over others only when asked to."""

import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from infraops_core.errors import UserError
from infraops_core.pooler import ini, userlist
from infraops_core.pooler.plan import Pooler

_SECRET = 0o600
_PLAIN = 0o644


@dataclass(frozen=True)
class Written:
    """A file, and whether it is another than before."""

    path: Path
    is_new: bool


def write(pooler: Pooler, folder: Path, *, replace: bool) -> Iterator[Written]:
    """Write the configuration, and yield each file once it is there. Files that are as they would be are left alone.

    :param replace: whether files that differ may be written over.
    :raises UserError: before anything is written, where one differs and may not; where one can't be written.
    """
    folder = folder.absolute()
    try:
        files = _files(pooler, folder)
        present = {path: path.read_bytes() for path in files if path.exists()}
        other = [path.name for path in files if path in present and present[path] != files[path]]
        if other and not replace:
            raise UserError(f"{', '.join(other)} is there already, and says something else", where=str(folder),
                            next="name another folder (--out FOLDER), or write over it (--replace)")  # fmt: skip
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        for path, content in files.items():
            changes = present.get(path) != content
            if changes:
                _put(path, content, _SECRET if path.name == userlist.NAME else _PLAIN)
            yield Written(path, changes)
    except OSError as error:
        raise UserError(
            f"the configuration can't be written: {error.strerror}", where=error.filename or str(folder),
            next="see that the folder belongs to the account that runs this, or name another (--out FOLDER)",
        ) from None  # fmt: skip


def _files(pooler: Pooler, folder: Path) -> Mapping[Path, bytes]:
    """By path, in an order in which no file names one that is not there yet."""
    users = folder / userlist.NAME
    found = {users: userlist.text(pooler).encode()}
    if pooler.ca is not None:
        found[folder / ini.CA] = pooler.ca.read_bytes()
    return found | {folder / ini.NAME: ini.text(pooler, folder, users).encode()}


def _put(path: Path, content: bytes, mode: int) -> None:
    """Replace the file at once, with the owner and group it had."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _SECRET)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, so that nobody else could ever open it
            with suppress(FileNotFoundError):
                old = path.stat()
                mode = stat.S_IMODE(old.st_mode) & mode if path.name == userlist.NAME else stat.S_IMODE(old.st_mode)
                if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(descriptor, old.st_uid, old.st_gid)
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
