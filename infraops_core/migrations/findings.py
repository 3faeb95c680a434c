"""What `infraops migrate verify` finds: where a database is not what the migration files say."""

from collections.abc import Sequence
from dataclasses import dataclass

from infraops_core.migrations.status import State, Status


@dataclass(frozen=True)
class Finding:
    """One thing, and what mends it; one that is not bad only says what could not be looked at."""

    version: str
    file: str
    state: State
    what: str
    next: str
    is_bad: bool = True


def of(statuses: Sequence[Status]) -> list[Finding]:
    """The findings, in the order of the statuses."""
    return [finding for status in statuses if (finding := _of_one(status)) is not None]


def _of_one(status: Status) -> Finding | None:
    match status.state:
        case State.PENDING:
            what, then = "not applied", "infraops migrate up"
        case State.EDITED:
            what = "its file changed after it was applied"
            then = f"restore the file (git restore), or, if what was applied is what it says now: infraops migrate mark {status.version}"
        case State.INTERRUPTED | State.RUNNING:
            assert status.under_way is not None
            begun = f"statement {status.under_way.statement} of {status.under_way.statements}"
            is_running = status.state is State.RUNNING
            what = f"being applied now, at {begun}" if is_running else f"interrupted in {begun}"
            then = "let its runner end" if is_running else f"infraops migrate {status.under_way.direction} --continue"
        case State.FILE_MISSING:
            what, then = "applied, and there is no file of it", "restore the file (git restore)"
        case _ if not status.is_checksum_known:
            what = "applied by another tool, without a checksum: its content could not be compared"
            then = f"if it is what the file says: infraops migrate mark {status.version}"
            return Finding(status.version, status.file, status.state, what, then, is_bad=False)
        case _:
            return None
    return Finding(status.version, status.file, status.state, what, then)
