"""Where the database is now, asked again and again: an application that asks survives its database's move.

A source names the URL in force and, where it can be announced ahead, the one that will be next, so that connections to it
are open before the first write needs them. Sources that ask a cloud service live outside this package.
"""

import os
import secrets
import stat
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infraops_core.database_url import parse
from infraops_core.errors import UserError
from infraops_core.quoting import plain

_NEXT = "next:"


class UrlSource(Protocol):
    """Where `DATABASE_URL` comes from. Its methods are called from several threads at once."""

    def current(self) -> str:
        """The URL now. Asked before everything that is run, so it costs microseconds and waits for nothing once it knows one.

        :raises UserError: while no URL is known.
        """

    def refresh(self) -> str:
        """The URL now, looked up anew; this may wait a few seconds.

        :raises UserError: when the lookup fails.
        """

    def upcoming(self) -> str | None:
        """The URL announced to be next, as of the last look; costs nothing."""


@dataclass(frozen=True, repr=False)
class FixedUrl:
    """A URL that never changes.

    :raises UserError: for what is no database URL.
    """

    url: str

    def __post_init__(self) -> None:
        parse(self.url)

    def current(self) -> str:
        return self.url

    def refresh(self) -> str:
        return self.url

    def upcoming(self) -> str | None:
        return None

    def __repr__(self) -> str:
        return f"FixedUrl({str(parse(self.url))!r})"


@dataclass(frozen=True)
class EnvironmentUrl:
    """The URL in an environment variable of this process, read each time."""

    name: str = "DATABASE_URL"

    def current(self) -> str:
        url = plain(os.environ.get(self.name, ""))
        if not url:
            raise UserError(f"{self.name} is not set", where="environment", next=f"set {self.name} to the database's URL")
        return url

    def refresh(self) -> str:
        return self.current()

    def upcoming(self) -> str | None:
        return None


class FileUrl:
    """The URL in a file, and below it the one announced to be next. A file that changed is seen by the next call.

    The file is UTF-8 text of one or two lines; empty lines and lines that begin with # don't count:

        postgresql://infraops_app:PASSWORD@old.example:5432/infraops?sslmode=require
        next: postgresql://infraops_app:PASSWORD@new.example:5432/infraops?sslmode=require

    It is replaced by renaming another over it, as `write` does; a link to a file that is exchanged will do too.
    While it is gone or holds something else, the URL it held before stays in force.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._name = os.fspath(path)
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] = ()
        self._urls: tuple[str, str | None] | None = None

    def current(self) -> str:
        if self._urls is None:
            return self.refresh()
        with suppress(OSError, UserError):
            if _identity(os.stat(self._name)) != self._seen:  # noqa: PTH116 - half the time of Path.stat, and this is asked each time
                return self.refresh()
        return self._urls[0]

    def refresh(self) -> str:
        with self._lock:
            try:
                self._seen = _identity(self._path.stat())  # before the reading: a change in between is seen next time
                text = self._path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                said = getattr(error, "strerror", None) or "it is not UTF-8 text"
                raise _refused(f"the file with the database's URL can't be read: {said}", str(self._path)) from None
            self._urls = _read(text, self._path)
            return self._urls[0]

    def upcoming(self) -> str | None:
        return self._urls[1] if self._urls else None

    def __repr__(self) -> str:
        return f"FileUrl({self._name!r})"


def write(path: str | os.PathLike[str], current: str, upcoming: str | None = None) -> None:
    """Put `current`, and below it what is `upcoming`, into the file at once: readers see the old content or the new.

    On disk when this returns. A new file is its owner's alone; one that exists keeps owner, group and mode.

    :raises UserError: for what is no database URL, and where the file can't be written.
    """
    parse(current)
    if upcoming is not None:
        parse(upcoming)
    place = Path(path).resolve()  # what a link leads to is replaced, not the link
    text = f"{current.strip()}\n" + (f"{_NEXT} {upcoming.strip()}\n" if upcoming is not None else "")
    draft = place.with_name(f".{place.name}.{secrets.token_hex(6)}")
    try:
        _write_draft(draft, text, like=place)
        draft.replace(place)
        _sync(place.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UserError(f"the file with the database's URL can't be written: {error.strerror}", where=str(place),
                        next="see that the folder and the file belong to the account that runs this") from None  # fmt: skip


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size  # ctime: it may be readable now and was not before


def _read(text: str, path: Path) -> tuple[str, str | None]:
    current = upcoming = None
    for number, line in enumerate((line.strip() for line in text.split("\n")), 1):
        where = f"{path}:{number}"
        if not line or line.startswith("#"):
            continue
        if line.startswith(_NEXT) and current and not upcoming:
            upcoming = _url(line.removeprefix(_NEXT).strip(), where)
        elif not current and not line.startswith(_NEXT):
            current = _url(line, where)
        else:
            raise _refused(f"one URL and below it one line that begins with {_NEXT} is all there may be", where)
    if current is None:
        raise _refused("the file holds no URL", str(path))
    return current, upcoming


def _url(text: str, where: str) -> str:
    try:
        parse(text)
    except UserError as refused:
        raise UserError(refused.what, where=where, next=refused.next) from None
    return text


def _write_draft(draft: Path, text: str, *, like: Path) -> None:
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor, so that nobody else could ever open it
        with suppress(FileNotFoundError):
            old = like.stat()
            if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, old.st_uid, old.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refused(what: str, where: str) -> UserError:
    return UserError(what, where=where, next=f"its first line is the database's URL, a second may be: {_NEXT} URL")
