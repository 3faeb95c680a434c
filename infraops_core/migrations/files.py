"""Migration files in dbmate's format: `VERSION_name.sql` with a `-- migrate:up` and a `-- migrate:down` block.

Behind either mark may stand `transaction:false`, for what Postgres refuses inside a transaction.
"""

import hashlib
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from infraops_core.errors import UserError
from infraops_core.migrations import statements
from infraops_core.migrations.statements import Statement

_TITLE = re.compile(r"[a-z0-9_]+")
_TEMPLATE = "-- migrate:up\n\n\n-- migrate:down\n\n"
_NAME = re.compile(r"(?P<version>[0-9]+)(?P<name>[ !#-.0-~]*)\.sql")  # dbmate takes any name that begins with digits
_MARK = re.compile(r"^--[ \t]*migrate:(?P<block>up|down)\b(?P<options>.*)$", re.MULTILINE)
# What a reviewer's terminal or editor would not show, or obey.
_HIDDEN = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ufeff\u202a-\u202e\u2066-\u2069]")
_MEANINGS = {"\ufeff": "a byte order mark", "\x00": "a NUL character"}
_STATEMENT = re.compile(r"^(?!\s*--).*\S.*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """What stands between two marks: its SQL, the line of the file that begins in, and whether it runs in a transaction."""

    file: str
    sql: str
    first_line: int
    transaction: bool = True

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """Its statements.

        :raises UserError: for what is no SQL, with file:line:column.
        """
        return tuple(statements.split(self.sql, file=self.file, first_line=self.first_line))

    def checksum(self, count: int | None = None) -> str:
        """SHA-256, in hex, of the first `count` statements, or of all, and of the option `transaction`.

        What stands outside the statements, comments and whitespace, doesn't count; all that stands inside does.
        """
        of = hashlib.sha256(b"" if self.transaction else b"transaction:false\n")
        for statement in self.statements[:count]:
            text = statement.text.encode()
            of.update(b"%d\n%b\n" % (len(text), text))
        return of.hexdigest()

    def place(self, offset: int) -> str:
        """file:line:column of a character of the SQL."""
        line, column = statements.place(self.sql, offset, first_line=self.first_line)
        return f"{self.file}:{line}:{column}"


@dataclass(frozen=True)
class Migration:
    """One file: its version, and what applies and what reverts it."""

    version: str
    path: Path
    up: Block
    down: Block

    @cached_property
    def checksum(self) -> str:
        """What `up` is known by in the ledger."""
        return self.up.checksum()


def read(folder: Path) -> list[Migration]:
    """The folder's migrations, oldest first: in the order of their names, as dbmate has it.

    :raises UserError: for a folder without any, for a file that is not named or divided as a migration or is no
        text, and for a version used twice.
    """
    paths = (path for path in folder.glob("*.sql") if not path.name.startswith("."))  # an editor's lock is no migration
    migrations = [_read_file(path) for path in sorted(paths)]
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


def new(folder: Path, name: str) -> Path:
    """Make the file of a migration yet to be written, its version the time now in UTC, and return its path.

    :raises UserError: for a name that no migration can have, a version that is used already, and a folder that can't
        be written to.
    """
    if not _TITLE.fullmatch(name):
        raise UserError(f"{name!r} is no name for a migration: it is made of small letters, digits and _",
                        where="infraops migrate new", next="for example: infraops migrate new audit_events_by_actor")  # fmt: skip
    version = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
    path = folder / f"{version}_{name}.sql"
    try:
        if taken := sorted(folder.glob(f"{version}_*.sql")):
            raise FileExistsError(17, "this second's version is used already", taken[0].name)
        with path.open("x", encoding="utf-8") as file:
            file.write(_TEMPLATE)
    except OSError as error:
        raise UserError(f"the migration's file could not be made: {error.strerror}", where=error.filename or str(path),
                        next="mend that, then run it again")  from None  # fmt: skip
    return path


def text(path: Path, *, kind: str = "a migration") -> str:
    """The file's text, its lines ending in newlines only.

    :param kind: what its errors call it.
    :raises UserError: for what is no text that a server takes as it stands.
    """
    try:
        found = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        where = f"{path.name}:{error.object.count(10, 0, error.start) + 1}"
        raise UserError(f"{kind} is UTF-8, and this is not", where=where, next="save the file as UTF-8") from None
    except OSError as error:
        raise UserError(f"{kind} cannot be read: {error.strerror}", where=str(path), next="mend that, or move it away") from None
    if hidden := _HIDDEN.search(found):
        meaning = _MEANINGS.get(hidden[0], f"the control character U+{ord(hidden[0]):04X}")
        raise UserError(f"{kind} holds {meaning}", where=_place(path, found, hidden.start()), next="take it out")
    return found


def _read_file(path: Path) -> Migration:
    name = _NAME.fullmatch(path.name)
    if not name:
        raise UserError("a migration's file is named VERSION_name.sql: digits first, then plain characters", where=path.name,
                        next="rename it, or move it away")  # fmt: skip
    script = text(path)
    marks = list(_MARK.finditer(script))
    if [mark["block"] for mark in marks] != ["up", "down"]:
        raise UserError("a migration has one -- migrate:up block, and after it one -- migrate:down", where=path.name,
                        next="divide the file so; a block may be empty")  # fmt: skip
    up, down = marks
    stray = _STATEMENT.search(script[: up.start()])
    if stray:
        raise UserError("only -- comments may stand before -- migrate:up", where=_place(path, script, stray.start()),
                        next="move the statement into the block")  # fmt: skip
    return Migration(name["version"], path, _block(path, script, up, down.start()), _block(path, script, down, len(script)))


def _block(path: Path, script: str, mark: re.Match[str], end: int) -> Block:
    transaction = True
    for option in mark["options"].split():
        if option not in ("transaction:true", "transaction:false"):
            raise UserError(f"the option {option} is not known to this runner", where=_place(path, script, mark.start()),
                            next="take it out; there is transaction:false")  # fmt: skip
        transaction = option == "transaction:true"
    block = Block(path.name, script[mark.end() : end], script.count("\n", 0, mark.end()) + 1, transaction)
    _ = block.statements  # what is no SQL is told before anything runs
    return block


def _place(path: Path, script: str, position: int) -> str:
    return f"{path.name}:{script.count(chr(10), 0, position) + 1}"
