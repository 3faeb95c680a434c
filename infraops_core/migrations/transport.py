"""What the runner asks of a way to run SQL: a statement a call, and transactions by their id.

It asks for no more than that, so that a service without sessions (a Data API) can be one. What needs a session there
is the transport's own matter: the lock, and the settings that every migration begins with.
"""

from collections.abc import Sequence
from typing import Any, Protocol

Value = str | int | float | bool | None

LOCK_TIMEOUT_MILLISECONDS = 5000


class ServerError(Exception):
    """What the server, or the way to it, said of a call.

    :param sqlstate: five characters; empty when the error is not the server's.
    :param position: of the character in the statement that it is about, counted from 1; 0 when none is named.
    :param context: in which function or block it happened, the innermost first.
    :param is_lost: the connection is gone, and whether the call's work was done is not known.
    """

    def __init__(self, message: str, *, sqlstate: str = "", position: int = 0, context: str = "", is_lost: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.position = position
        self.context = context
        self.is_lost = is_lost


class Transport(Protocol):
    """A direct way to one database; every method raises `ServerError`."""

    def run(self, sql: str, parameters: Sequence[Value] = (), *, within: str = "") -> list[tuple[Any, ...]]:
        """The rows of one statement, run in the transaction `within`, or by itself and committed.

        :param parameters: stand in `sql` as $1, $2, …; without any, nothing in it is one.
        """
        ...

    def begin(self, *, afresh: bool = False) -> str:
        """A new transaction's id; `afresh` undoes first what earlier migrations SET."""
        ...

    def commit(self, transaction: str) -> None:
        """Commit it."""
        ...

    def rollback(self, transaction: str) -> None:
        """Undo it; one that the server has undone already is no error."""
        ...

    def start_afresh(self) -> None:
        """Undo what earlier migrations SET, and have the settings that every one begins with."""
        ...

    def try_lock(self, key: int) -> bool:
        """Whether the advisory lock `key` is now ours, until the transport is closed; does not wait."""
        ...
