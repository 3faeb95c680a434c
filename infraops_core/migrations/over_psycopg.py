"""The runner's transport over a psycopg connection of its own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from infraops_core.access import Access, message
from infraops_core.migrations import pooled
from infraops_core.migrations.transport import LOCK_TIMEOUT_MILLISECONDS, ServerError, Value

if TYPE_CHECKING:
    from psycopg import Connection, Error

_TRANSACTION = "the session's"
_AFRESH = (
    "reset session authorization; reset role; reset all; set client_encoding = 'UTF8'; set standard_conforming_strings = on; "
    "set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; "  # a role's are the app's, and too short for an index
    f"set lock_timeout = {LOCK_TIMEOUT_MILLISECONDS}"
)
# A long statement is silent; this is how we notice within a minute that the way to the server is lost.
_KEEPALIVES = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
# The server notices within seconds that we were killed, and does not hold the lock until a long statement is done.
_END_WITH_US = "set client_connection_check_interval = '2s'"


@contextmanager
def opened(access: Access, *, seconds: float) -> "Iterator[PsycopgTransport]":
    """A transport, closed at the end, and cut off once `seconds` are over.

    :raises UserError: for a URL or a server that is a pooler, and one weaker than its TLS rule.
    :raises ServerError: when the server can't be reached, and for what the body lets through.
    """
    import psycopg

    pooled.refuse_url(access.url)
    try:
        with _kept_alive(access).connect(seconds=seconds) as connection:
            connection.prepare_threshold = None
            pooled.refuse_session(access, connection)
            with _cause_of_a_loss():  # it is what `connect` knows the end of our time by
                yield PsycopgTransport(connection)
    except psycopg.Error as error:
        raise _server_error(error, is_lost=True) from error


class PsycopgTransport:
    """A `Transport`; its session has one transaction at a time."""

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._notices_our_end: bool | None = None

    def run(self, sql: str, parameters: Sequence[Value] = (), *, within: str = "") -> list[tuple[Any, ...]]:
        from psycopg import RawCursor

        with self._errors(sql), RawCursor(self._connection) as cursor:
            cursor.execute(sql.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def begin(self, *, afresh: bool = False) -> str:
        self.run(f"{self._settings()}; begin" if afresh else "begin")
        return _TRANSACTION

    def commit(self, transaction: str) -> None:
        self.run("commit")

    def rollback(self, transaction: str) -> None:
        from psycopg.pq import TransactionStatus

        status = self._connection.info.transaction_status
        if status == TransactionStatus.ACTIVE:  # a COPY that nobody feeds can't be ended but so
            self._connection.close()
        elif status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            self.run("rollback")

    def start_afresh(self) -> None:
        self.run(self._settings())

    def try_lock(self, key: int) -> bool:
        return self.run("select pg_try_advisory_lock($1)", [key]) == [(True,)]

    def _settings(self) -> str:
        if self._notices_our_end is None:
            self._notices_our_end = False
            with suppress(ServerError):  # a server on an operating system that can't tell
                self.run(_END_WITH_US)
                self._notices_our_end = True
        return f"{_AFRESH}; {_END_WITH_US}" if self._notices_our_end else _AFRESH

    @contextmanager
    def _errors(self, sql: str) -> Iterator[None]:
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            is_lost = self._connection.closed or (error.sqlstate is None and isinstance(error, psycopg.OperationalError))
            raise _server_error(error, position=self._position(error, sql), is_lost=is_lost) from error

    def _position(self, error: "Error", sql: str) -> int:
        counted = int(error.diag.statement_position or 0)
        if counted and self._connection.info.parameter_status("server_encoding") == "SQL_ASCII":  # it counts bytes
            return len(sql.encode()[: counted - 1].decode(errors="ignore")) + 1
        return counted


def _kept_alive(access: Access) -> Access:
    given = dict(access.url.parameters)
    added = ((key, value) for key, value in _KEEPALIVES.items() if key not in given)
    return replace(access, url=replace(access.url, parameters=(*access.url.parameters, *added)))


@contextmanager
def _cause_of_a_loss() -> Iterator[None]:
    import psycopg

    try:
        yield
    except ServerError as error:
        if error.is_lost and isinstance(error.__cause__, psycopg.Error):
            raise error.__cause__ from None
        raise


def _server_error(error: "Error", *, position: int = 0, is_lost: bool) -> ServerError:
    told = error.diag
    return ServerError(
        message(error),
        sqlstate=error.sqlstate or "",
        position=position,
        context=told.context or "",
        is_lost=is_lost,
    )
