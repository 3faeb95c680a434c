"""Which of a database's errors may pass, and how long to wait between tries.

A cutover, a restart and a failover each show as errors: a connection that is lost or refused, a server that has become
read-only, a role that may not log in or write any more. Every other error is the statement's own and is not tried again.
SQLSTATE codes: PostgreSQL documentation, "PostgreSQL Error Codes".
"""

import logging
import random
import time
from enum import Enum, auto
from typing import TYPE_CHECKING

from infraops_core.access import message
from infraops_core.database_url import redact
from infraops_core.errors import UserError

if TYPE_CHECKING:
    from psycopg import Error

_logger = logging.getLogger("infraops.audit")

_FIRST_PAUSE = 0.01
_LONGEST_PAUSE = 1.0

_ANOTHER_TURN = ("40", "53", "55P03")  # rolled back for others' sake, out of something, a lock not to be had
_LOST = ("08", "57P", "25P03", "25P04", "25006")  # and read-only: after a failover a new connection may lead to the new primary
_SHUT_OUT = ("28", "42501", "3D000")
_BROKEN_POLICY = "ExecWithCheckOptions"  # the server's function that says 42501 for row-level security: the row is wrong, not the place
_OLD_SNAPSHOT = "_seq"

# For a connection that was never made libpq has no code, only a text.
_FULL_TEXTS = ("too many", "remaining connection slots", "no more connections allowed")
_SHUT_OUT_TEXTS = ("authentication failed", "not permitted to log in", "no password supplied", "does not exist", "permission denied",
                   "no pg_hba.conf entry", "not currently accepting connections")  # fmt: skip
_HOPELESS_TEXTS = ("does not support SSL", "certificate", "invalid connection option", "invalid sslmode")


class Chance(Enum):
    """What may mend an error."""

    NONE = auto()
    """Nothing: the statement or the setup is wrong."""
    TURN = auto()
    """Its turn comes: others were in the way."""
    CONNECTION = auto()
    """Another connection, there or where the source says by now."""
    SOURCE = auto()
    """The source names another database, or whoever closed this one opens it again."""


def of_operation(error: "Error", *, connection_lost: bool) -> Chance:
    """What may mend an error met on an open connection."""
    import psycopg

    code = error.sqlstate or ""
    if connection_lost or code.startswith(_LOST):
        return Chance.CONNECTION
    if code.startswith(_ANOTHER_TURN):
        return Chance.TURN
    if isinstance(error, psycopg.errors.UniqueViolation) and (error.diag.constraint_name or "").endswith(_OLD_SNAPSHOT):
        return Chance.TURN
    if code.startswith(_SHUT_OUT) and error.diag.source_function != _BROKEN_POLICY:
        return Chance.SOURCE
    return Chance.NONE


def of_connecting(error: "Error") -> Chance:
    """What may mend an error met while connecting."""
    text = str(error)
    if is_full(error):
        return Chance.TURN
    if any(known in text for known in _HOPELESS_TEXTS):
        return Chance.NONE
    if any(known in text for known in _SHUT_OUT_TEXTS):
        return Chance.SOURCE
    return Chance.CONNECTION


def is_full(error: "Error") -> bool:
    """Whether the server takes no more connections, of all or of this role."""
    return (error.sqlstate or "") == "53300" or any(known in str(error) for known in _FULL_TEXTS)


def said(error: "Error") -> str:
    """The error's message in one line."""
    return redact(message(error))


class Retry:
    """The tries of one operation: how many, what went wrong last, when the next may be, and when it is over."""

    def __init__(self, seconds: float, *, source_can_change: bool) -> None:
        self.seconds = seconds
        self.deadline = time.monotonic() + seconds
        self.tries = 0
        self.chance = Chance.NONE
        self._source_can_change = source_can_change
        self._pause = _FIRST_PAUSE
        self._last = ("", "")
        self._source_said = ""

    def may_go_on(self, said: str, chance: Chance, endpoint: str) -> bool:
        """Note a try that failed at `endpoint` and what was said there; whether another may mend it."""
        self.tries += 1
        self.chance = chance
        self._last = (said, endpoint)
        _logger.info("try %d failed at %s: %s", self.tries, endpoint, said)
        return chance is Chance.CONNECTION or chance is Chance.TURN or (chance is Chance.SOURCE and self._source_can_change)

    def source_failed(self, refused: UserError) -> None:
        """Note that the source could not say where the database is."""
        self._source_said = refused.what

    def moved(self) -> None:
        """The database is elsewhere now: what failed before says nothing about it."""
        self._pause = _FIRST_PAUSE

    def pause(self) -> float:
        """Seconds until the next try: longer each time, and never the same, or all clients would come at once."""
        pause = self._pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return min(pause, self.deadline - time.monotonic())

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.deadline

    def given_up(self) -> UserError:
        """What to tell whoever waited."""
        said, endpoint = self._last
        asked = f"; the source of the URL failed too: {self._source_said}" if self._source_said else ""
        times = "once" if self.tries == 1 else f"{self.tries} times"
        return UserError(
            f"the database did not do it within {self.seconds:g} s, tried {times}; last it said: {said}{asked}",
            where=endpoint,
            next=_NEXT[self.chance],
        )

    def refused(self) -> UserError:
        """What to tell whoever was not let in, where waiting won't help."""
        said, endpoint = self._last
        return UserError(f"the database can't be entered: {said}", where=endpoint, next=_NEXT[self.chance])


_NEXT = {
    Chance.NONE: "mend that in the URL or on the server",
    Chance.TURN: "see what keeps the server busy: locks, connections, disk",
    Chance.CONNECTION: "see that the server runs, lets this machine in and takes writes",
    Chance.SOURCE: "see that the URL names the live database, and that its role may log in and write there",
}
