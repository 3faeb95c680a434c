"""What the files say beside what the ledger says: the state of every migration."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from infraops_core.migrations.files import Migration
from infraops_core.migrations.ledger import Ledger, UnderWay


class State(StrEnum):
    """What has become of a migration."""

    APPLIED = "applied"
    PENDING = "pending"
    EDITED = "edited"
    """Applied, and its file changed since."""
    RUNNING = "running"
    """Without a transaction, and a runner is at it."""
    INTERRUPTED = "interrupted"
    """Without a transaction, begun, and no runner is at it."""
    FILE_MISSING = "file missing"
    """Applied, and there is no file of it."""


@dataclass(frozen=True)
class Status:
    """One migration's state; `file` is empty where there is none, and what the ledger doesn't hold is None."""

    version: str
    file: str
    state: State
    applied_at: datetime | None = None
    milliseconds: float | None = None
    applied_by: str | None = None
    is_checksum_known: bool = False
    under_way: UnderWay | None = None


def compare(migrations: Sequence[Migration], ledger: Ledger) -> list[Status]:
    """Each migration's state, the files' in their order and then those without one."""
    files = {migration.version: migration for migration in migrations}
    begun = {item.version: item for item in ledger.under_way}
    missing = sorted((ledger.entries.keys() | begun.keys()) - files.keys())
    return [_status(version, files.get(version), ledger, begun.get(version)) for version in (*files, *missing)]


def _status(version: str, migration: Migration | None, ledger: Ledger, under_way: UnderWay | None) -> Status:
    file = migration.path.name if migration else ""
    entry = ledger.entries.get(version)
    if under_way:
        state = State.RUNNING if under_way.is_running else State.INTERRUPTED
    elif entry is None:
        state = State.PENDING
    elif migration is None:
        state = State.FILE_MISSING
    else:
        state = State.EDITED if entry.checksum not in (None, migration.checksum) else State.APPLIED
    if entry is None:
        return Status(version, file, state, under_way=under_way)
    known = entry.checksum is not None
    return Status(version, file, state, entry.applied_at, entry.milliseconds, entry.applied_by, known, under_way)
