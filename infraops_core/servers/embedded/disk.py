"""What a file system refuses, told so that a user can mend it."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infraops_core.errors import UserError

NEEDED_BYTES = 100 * 2**20  # a new data folder has 40 MiB; its first log segments and a copy of the programs come to that

_NOTHING_BYTES = 64 * 2**10
_FULL = {errno.ENOSPC, errno.EDQUOT}
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_SPACE = "No space left on device"  # as C programs print it


def check_space(base: Path) -> None:
    """Refuse to begin a new server where it would not fit."""
    free = shutil.disk_usage(base).free
    if free < NEEDED_BYTES:
        raise UserError(
            f"the disk is too full: a new server needs {NEEDED_BYTES // 2**20} MiB, and {free // 2**20} MiB are free",
            where=str(base),
            next=_MAKE_SPACE,
        )


def full(base: Path, said: str) -> UserError | None:
    """The error for a program that failed for want of space; `None` when it was for something else.

    :param said: what it said; on a full disk a server cannot even log why.
    """
    if _NO_SPACE in said or shutil.disk_usage(base).free < _NOTHING_BYTES:
        return UserError(f"the disk is full: {said}", where=str(base), next=_MAKE_SPACE)
    return None


@contextmanager
def refusals_told(base: Path) -> Iterator[None]:
    """Tell what the file system refuses about the folder `base` as a user's error; other errors stay what they are."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise UserError(f"the disk is full: {error.strerror}", where=str(error.filename or base), next=_MAKE_SPACE) from None
        if error.errno in _CLOSED:
            raise UserError(
                f"the server's folder cannot be used: {error.strerror}",
                where=str(error.filename or base),
                next="run as the user who made it, or name another folder with INFRAOPS_STATE",
            ) from None
        raise


_MAKE_SPACE = "free some space, or name another folder with INFRAOPS_STATE; then run it again"
