"""Migration files in dbmate's format: `VERSION_name.sql` with `-- migrate:up` and `-- migrate:down` blocks."""

import hashlib
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from infraops_core.errors import UserError

_NAME = re.compile(r"(?P<version>\d+)_(?P<name>[a-z0-9_]+)\.sql")
_MARK = re.compile(r"^--\s*migrate:(?P<block>up|down)\b(?P<options>.*)$", re.MULTILINE)


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
        return hashlib.sha256("\n".join(line.rstrip() for line in self.up.strip().splitlines()).encode()).hexdigest()


def read(folder: Path) -> list[Migration]:
    """The folder's migrations, oldest first.

    :raises UserError: for a file that is not named or divided as a migration, and for a version used twice.
    """
    migrations = [_read_file(path) for path in sorted(folder.glob("*.sql"))]
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
        raise UserError("a migration's file is named VERSION_name.sql", where=str(path), next="rename it, or move it away")
    text = path.read_text(encoding="utf-8")
    marks = list(_MARK.finditer(text))
    if [mark["block"] for mark in marks] not in (["up"], ["up", "down"]):
        raise UserError("a migration has one -- migrate:up block, and after it at most one -- migrate:down", where=path.name,
                        next="divide the file so")  # fmt: skip
    if marks[0]["options"].strip():
        raise UserError(f"the option {marks[0]['options'].strip()} is not known to this runner",
                        where=f"{path.name}:{text.count(chr(10), 0, marks[0].start()) + 1}", next="take it out")  # fmt: skip
    end = marks[1].start() if len(marks) == 2 else len(text)
    return Migration(name["version"], path, text[marks[0].end() : end], text.count("\n", 0, marks[0].end()) + 1)
