"""Migration files in dbmate's format: `VERSION_name.sql` with a `-- migrate:up` and a `-- migrate:down` block."""

import hashlib
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from infraops_core.errors import UserError

_NAME = re.compile(r"(?P<version>[0-9]+)_(?P<name>[a-z0-9_]+)\.sql")
_MARK = re.compile(r"^--[ \t]*migrate:(?P<block>up|down)\b(?P<options>.*)$", re.MULTILINE)
_STATEMENT = re.compile(r"^(?!\s*--).*\S.*$", re.MULTILINE)


@dataclass(frozen=True)
class Migration:
    """One file: its version, the SQL that applies it, and the line that SQL begins at."""

    version: str
    path: Path
    up: str
    first_line: int

    @property
    def checksum(self) -> str:
        """SHA-256 of the SQL, in hex; the same however the file's lines end."""
        return hashlib.sha256("\n".join(line.rstrip() for line in self.up.strip().split("\n")).encode()).hexdigest()


def read(folder: Path) -> list[Migration]:
    """The folder's migrations, oldest first: in the order of their names, as dbmate has it.

    :raises UserError: for a folder without any, for a file that is not named or divided as a migration or is no
        text, and for a version used twice.
    """
    migrations = [_read_file(path) for path in sorted(folder.glob("*.sql"))]
    if not migrations:
        raise UserError("there are no migrations", where=str(folder), next="restore the folder (git restore audit-schema)")
    for earlier, later in itertools.pairwise(migrations):
        if earlier.version == later.version:
            raise UserError(f"two migrations have version {later.version}", where=f"{earlier.path.name}, {later.path.name}",
                            next="give one of them a later version")  # fmt: skip
    return migrations


def checksum(migrations: Iterable[Migration]) -> str:
    """One value, in hex, for the schema that all of `migrations` make."""
    lines = "".join(f"{migration.version} {migration.checksum}\n" for migration in migrations)
    return hashlib.sha256(lines.encode()).hexdigest()


def _read_file(path: Path) -> Migration:
    name = _NAME.fullmatch(path.name)
    if not name:
        raise UserError("a migration's file is named VERSION_name.sql: digits, then small letters, digits and _", where=path.name,
                        next="rename it, or move it away")  # fmt: skip
    text = _text(path)
    marks = list(_MARK.finditer(text))
    if [mark["block"] for mark in marks] != ["up", "down"]:
        raise UserError("a migration has one -- migrate:up block, and after it one -- migrate:down", where=path.name,
                        next="divide the file so; a block may be empty")  # fmt: skip
    up, down = marks
    for mark in marks:
        if mark["options"].strip():
            raise UserError(f"the option {mark['options'].strip()} is not known to this runner", where=_place(path, text, mark.start()),
                            next="take it out")  # fmt: skip
    stray = _STATEMENT.search(text[: up.start()])
    if stray:
        raise UserError("only -- comments may stand before -- migrate:up", where=_place(path, text, stray.start()),
                        next="move the statement into the block")  # fmt: skip
    return Migration(name["version"], path, text[up.end() : down.start()], text.count("\n", 0, up.end()) + 1)


def _text(path: Path) -> str:
    """The file's text, its lines ending in newlines only."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        where = f"{path.name}:{error.object.count(10, 0, error.start) + 1}"
        raise UserError("a migration is UTF-8, and this is not", where=where, next="save the file as UTF-8") from None
    except OSError as error:
        raise UserError(f"a migration cannot be read: {error.strerror}", where=str(path), next="mend that, or move it away") from None
    for character, meaning in (("\ufeff", "a byte order mark"), ("\x00", "a NUL character")):
        if character in text:
            raise UserError(f"a migration holds {meaning}", where=_place(path, text, text.index(character)), next="take it out")
    return text


def _place(path: Path, text: str, position: int) -> str:
    return f"{path.name}:{text.count(chr(10), 0, position) + 1}"
