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

from infraops_core import hosts, routes, tls_failures
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
        return self.url.endpoint

    @contextmanager
    def connect(self, *, seconds: float, autocommit: bool = True, database: str = "") -> "Iterator[Connection]":
        """A direct connection, closed at the end, and cut off if connecting and all of its use take longer than `seconds`.

        Of several hosts it is the first that fits, in libpq's order; a hosts file (`INFRAOPS_HOSTS`) is gone by.

        :param seconds: the connecting alone gets 2 at least, for psycopg waits no shorter.
        :param database: another database on the same server.
        :raises UserError: for a URL weaker than the TLS rule, or a file it needs that is not there, before anything is sent.
        :raises psycopg.OperationalError: when the server can't be reached, refuses, or the time is up.
        """
        import psycopg  # here, so that the Pulumi program starts without it

        url = hosts.applied(self.url)
        url.check_tls(self.tls)
        tls_failures.check_files(url)
        deadline = time.monotonic() + seconds
        connection = _connected(dataclasses.replace(url, database=database or url.database), deadline)
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
    """A connection by the first address that answers and fits; psycopg would give the whole time to each of them.

    Servers share the time; of one server's addresses the first may take all that it has.
    """
    import psycopg

    problems: list[str] = []
    servers = routes.of(url)
    for number, server in enumerate(servers):
        share = time.monotonic() + (deadline - time.monotonic()) / (len(servers) - number)
        for route in _resolved(url, server, problems):
            try:
                return _opened(url, route, share)
            except psycopg.OperationalError as error:
                problems.append(_told(error, url, route, deadline))
                if routes.is_final(error):
                    raise psycopg.OperationalError("; ".join(problems)) from None
            if time.monotonic() >= share:
                break
        if time.monotonic() >= deadline:
            break
    raise psycopg.OperationalError("; ".join(problems))


def _resolved(url: DatabaseUrl, server: routes.Route, problems: list[str]) -> list[routes.Route]:
    """The server at each of its addresses; of one without any, `problems` has why."""
    if server.address:
        return [server]
    try:
        found = socket.getaddrinfo(server.place.host, server.place.port, **routes.HINTS)
    except (OSError, UnicodeError) as error:
        problems.append(f"failed to resolve host {server.place.host!r}: {error}")
        return []
    return [server.at(address) for address in routes.distinct(found, shuffled=routes.is_shuffled(url))]


def _opened(url: DatabaseUrl, route: routes.Route, until: float) -> "Connection":
    import psycopg

    wait = max(_SHORTEST_WAIT, min(_longest_wait(url), int(until - time.monotonic())))
    try:
        return psycopg.connect(
            url.for_libpq(), **route.parameters(), **routes.without_password(url), connect_timeout=wait, application_name="infraops",
            prepare_threshold=None,  # a pooler may give the next execution to a server that has not prepared it
            client_encoding="utf8",  # a database in SQL_ASCII would answer in bytes, and PGCLIENTENCODING decide for the others
        )  # fmt: skip
    except psycopg.errors.ConnectionTimeout:
        raise psycopg.OperationalError(f"{route} gave no answer within {wait} s") from None
    except psycopg.ProgrammingError as error:
        raise UserError(
            f"the URL is not one that libpq takes: {redact(str(error)).strip()}",
            where=f"database URL (host {url.host})",
            next="take that out of the URL",
        ) from None


def _longest_wait(url: DatabaseUrl) -> int:
    """Our own, or the URL's `connect_timeout` where that is shorter; what libpq takes for endless is not."""
    asked = int(url.parameter("connect_timeout", "0"))
    return min(asked, CONNECT_SECONDS) if asked > 0 else CONNECT_SECONDS


def _told(error: "Error", url: DatabaseUrl, route: routes.Route, deadline: float) -> str:
    left = deadline - time.monotonic()
    return tls_failures.explained(" ".join(str(error).split()), url, route.place, route.address, seconds=left)


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
