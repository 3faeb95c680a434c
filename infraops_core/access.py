"""How to get into a database: one value, opened and closed by whoever uses it.

Today that is a URL. It crosses Pulumi as a plain mapping (`to_inputs`, `from_inputs`), so that other ways in
become another kind of `Access`, and no resource that takes one changes.
"""

import dataclasses
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infraops_core.database_url import DatabaseUrl, parse
from infraops_core.tls import Tls

if TYPE_CHECKING:
    from psycopg import Connection

CONNECT_SECONDS = 10


@dataclass(frozen=True)
class Access:
    """A database URL and the TLS rule it must keep."""

    url: DatabaseUrl
    tls: Tls

    @classmethod
    def from_inputs(cls, inputs: Mapping[str, Any]) -> "Access":
        """The `Access` a resource was given; the opposite of what `stacks.database` writes."""
        return cls(parse(inputs["url"]), Tls(inputs["tls"]))

    @property
    def endpoint(self) -> str:
        """Host, port and database: which server this leads to, without who asks."""
        return f"{self.url.host}:{self.url.port}/{self.url.database}"

    @contextmanager
    def connect(self, *, seconds: float, autocommit: bool = True, database: str = "") -> "Iterator[Connection]":
        """A direct connection, closed at the end, and cut off if all of its use takes longer than `seconds`.

        :param database: another database on the same server.
        :raises UserError: for a URL weaker than the TLS rule, before anything is sent.
        :raises psycopg.OperationalError: when the server can't be reached, refuses, or the time is up.
        """
        import psycopg  # here, so that the Pulumi program starts without it

        self.url.check_tls(self.tls)
        url = dataclasses.replace(self.url, database=database or self.url.database)
        connection = psycopg.connect(
            url.with_password(),
            autocommit=autocommit,
            connect_timeout=min(CONNECT_SECONDS, max(2, int(seconds))),
            application_name="infraops",
        )
        with connection, _cut_off(connection, seconds) as time_is_up:
            try:
                yield connection
            except psycopg.OperationalError as error:
                if time_is_up.is_set():
                    raise psycopg.OperationalError(f"{self.endpoint} gave no answer within {seconds:g} s") from error
                raise


@contextmanager
def _cut_off(connection: "Connection", seconds: float) -> Iterator[threading.Event]:
    """Shut the connection's socket down after `seconds`, for psycopg bounds only the connecting, not the waiting."""
    import psycopg

    time_is_up = threading.Event()

    def shut() -> None:
        time_is_up.set()
        try:
            borrowed = socket.socket(fileno=connection.fileno())
        except (OSError, psycopg.Error):
            return  # closed in the meantime
        try:
            borrowed.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the server was faster
        finally:
            borrowed.detach()

    timer = threading.Timer(seconds, shut)
    timer.daemon = True
    timer.start()
    try:
        yield time_is_up
    finally:
        timer.cancel()
