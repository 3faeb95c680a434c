"""How to get into a database: one value, opened and closed by whoever uses it.

Today that is a URL. It crosses Pulumi as a plain mapping, so that other ways in become another kind of `Access`,
and no resource that takes one changes.
"""

import dataclasses
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infraops_core.database_url import DatabaseUrl, parse, redact
from infraops_core.errors import UserError
from infraops_core.tls import Tls

if TYPE_CHECKING:
    from psycopg import Connection, Error

CONNECT_SECONDS = 10
_SHORTEST_WAIT = 2


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
        """A direct connection, closed at the end, and cut off if connecting and all of its use take longer than `seconds`.

        :param seconds: the connecting alone gets 2 at least, for psycopg waits no shorter.
        :param database: another database on the same server.
        :raises UserError: for a URL weaker than the TLS rule, before anything is sent.
        :raises psycopg.OperationalError: when the server can't be reached, refuses, or the time is up.
        """
        import psycopg  # here, so that the Pulumi program starts without it

        self.url.check_tls(self.tls)
        deadline = time.monotonic() + seconds
        connection = _connected(dataclasses.replace(self.url, database=database or self.url.database), deadline)
        connection.autocommit = autocommit
        with _cut_off(connection, deadline) as time_is_up:
            try:
                with connection:  # its commit and rollback wait for the server too
                    yield connection
            except psycopg.OperationalError as error:
                if time_is_up.is_set():
                    raise psycopg.OperationalError(f"{self.endpoint} gave no answer within {seconds:g} s") from error
                raise


def message(error: "Error") -> str:
    """What the server said, or libpq where no server did, in one line."""
    return error.diag.message_primary or " ".join(str(error).split())


def _connected(url: DatabaseUrl, deadline: float) -> "Connection":
    """A connection by the first of the host's addresses that answers; psycopg would give the whole time to each of them."""
    import psycopg

    problems: list[str] = []
    for address in _addresses(url):
        wait = max(_SHORTEST_WAIT, min(CONNECT_SECONDS, int(deadline - time.monotonic())))
        try:
            return psycopg.connect(
                url.for_libpq(), hostaddr=address, connect_timeout=wait, application_name="infraops",
                client_encoding="utf8",  # a database in SQL_ASCII would answer in bytes, and PGCLIENTENCODING decide for the others
            )  # fmt: skip
        except psycopg.errors.ConnectionTimeout:
            problems.append(f"{url.host}:{url.port} ({address}) gave no answer within {wait} s")
        except psycopg.OperationalError as error:
            problems.append(str(error).strip())
        except psycopg.ProgrammingError as error:
            raise UserError(
                f"the URL is not one that libpq takes: {redact(str(error)).strip()}",
                where=f"database URL (host {url.host})",
                next="take that out of the URL",
            ) from None
        if time.monotonic() >= deadline:
            break
    raise psycopg.OperationalError("; ".join(problems))


def _addresses(url: DatabaseUrl) -> list[str]:
    """Where the URL leads to; said to libpq each time, or PGHOSTADDR in the environment would lead elsewhere."""
    import psycopg

    if named := dict(url.parameters).get("hostaddr"):
        return [named]
    try:
        found = socket.getaddrinfo(url.host, url.port, proto=socket.IPPROTO_TCP, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise psycopg.OperationalError(f"failed to resolve host {url.host!r}: {error}") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@contextmanager
def _cut_off(connection: "Connection", deadline: float) -> Iterator[threading.Event]:
    """Shut the connection's socket down at `deadline`, for psycopg bounds only the connecting, not the waiting."""
    time_is_up = threading.Event()
    same_socket = socket.socket(fileno=os.dup(connection.fileno()))  # a descriptor of our own: psycopg's may be another's by then

    def shut() -> None:
        time_is_up.set()
        with suppress(OSError):  # the server was faster
            same_socket.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), shut)
    timer.daemon = True
    timer.start()
    try:
        yield time_is_up
    finally:
        timer.cancel()
        timer.join()
        same_socket.close()
