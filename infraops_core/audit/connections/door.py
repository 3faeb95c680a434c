"""The way into one database: how its connections are opened, and why the last try to get in failed."""

import threading
import time
import weakref
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout

from infraops_core import hosts, routes
from infraops_core.audit.connections import retry
from infraops_core.database_url import DatabaseUrl, parse, redact
from infraops_core.errors import UserError
from infraops_core.routes import Route
from infraops_core.tls import Tls

_SHORTEST_WAIT = 2  # psycopg waits no shorter
_COOL_OFF_SECONDS = 0.005
_COOL_OFF_WHEN_FULL_SECONDS = 0.5

# Where the other end vanished without a word: data unanswered this long, or silence and then probes unanswered.
_VANISHED = {"tcp_user_timeout": "10000", "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "2"}


@dataclass(frozen=True)
class Failure:
    """A connection that could not be made."""

    at: float
    error: psycopg.Error


class Door:
    """One URL and the rules for what is opened there; shared by the threads or tasks that open.

    :raises UserError: for a URL that libpq won't take or that is weaker than the TLS rule; nothing has been sent then.
    """

    def __init__(self, text: str, tls: Tls, seconds: float) -> None:
        self.text = text
        self.url: DatabaseUrl = parse(text)
        self._tls = tls
        _check_options(self.url)
        self.servers()
        self.seconds = seconds
        self.longest: float = max(_SHORTEST_WAIT, seconds)
        """Seconds that connecting takes at most."""
        self.failures = 0
        self.failure: Failure | None = None
        self._lock = threading.Lock()
        self._through: weakref.WeakSet[Any] = weakref.WeakSet()

    @property
    def endpoint(self) -> str:
        """Host, port and database: which server this leads to, without who asks."""
        return self.url.endpoint

    def servers(self) -> list[Route]:
        """The servers in the order to try them, with the addresses that the URL or the hosts file names.

        Asked for each connection that is made, so that a changed hosts file is obeyed.

        :raises UserError: for a URL weaker than the TLS rule, or a mistake in the hosts file.
        """
        url = hosts.applied(self.url)
        url.check_tls(self._tls)
        return routes.of(url)

    def at(self, server: Route, found: list[Any]) -> list[Route]:
        """The server at each address that `getaddrinfo` found."""
        return [server.at(address) for address in routes.distinct(found, shuffled=routes.is_shuffled(self.url))]

    def parameters(self, route: Route, wait: int) -> dict[str, Any]:
        """What to connect with over the URL's own parameters."""
        vanished = {key: value for key, value in _VANISHED.items() if not self.url.parameter(key)}
        return vanished | route.parameters() | routes.without_password(self.url) | {
            "connect_timeout": wait, "autocommit": True, "application_name": "infraops-audit", "client_encoding": "UTF8",
        }  # fmt: skip

    def waits(self, ways: list[Route]) -> list[tuple[Route, int]]:
        """The ways with the seconds for each: together no more than connecting may take, where there is time for all."""
        each = max(_SHORTEST_WAIT, int(self.seconds / max(1, len(ways))))
        self.longest = max(self.longest, each * len(ways))
        return [(way, each) for way in ways]

    def check_cooled_off(self) -> None:
        """Answer with the last failure what was asked while it was still going on, instead of trying once more each."""
        failure = self.failure
        if failure is None:
            return
        cool_off = _COOL_OFF_WHEN_FULL_SECONDS if retry.is_full(failure.error) else _COOL_OFF_SECONDS
        if time.monotonic() < failure.at + cool_off:
            self.failures += 1
            raise failure.error.with_traceback(None)

    def opened(self, session: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
        """A connection was made."""
        self.failure = None
        with self._lock:
            self._through.add(session)

    def left_open(self) -> list[Any]:
        """The connections that came through and are open."""
        with self._lock:
            return [session for session in self._through if not session.closed]

    def not_opened(self, problems: list[psycopg.Error]) -> psycopg.Error:
        """Note that none of the addresses let us in; the error to raise."""
        error = problems[0] if len(problems) == 1 else psycopg.OperationalError("; ".join(str(problem).strip() for problem in problems))
        self.failure = Failure(time.monotonic(), error)
        self.failures += 1
        return error

    def explain(self, failures: int, *, is_over: bool) -> None:
        """Raise why somebody who waits for a connection won't get one; go on waiting where one may come yet.

        :param failures: how many there were when the waiting began.
        """
        failure, opened = self.failure, len(self.left_open())
        full = failure is not None and retry.is_full(failure.error) and opened  # one that is in use comes back
        if failure is not None and (is_over or (self.failures != failures and not full)):
            raise failure.error.with_traceback(None)
        if is_over:
            raise PoolTimeout(f"none of {opened} connections came free" if opened else f"{self.endpoint} let nobody in yet")

    def no_answer(self, route: Route, wait: float) -> psycopg.OperationalError:
        """What to say of an address that accepted nothing or said nothing."""
        return psycopg.OperationalError(f"{route} gave no answer within {wait:g} s")

    def unresolved(self, server: Route, error: Exception) -> psycopg.OperationalError:
        """What to say of a host without an address."""
        return psycopg.OperationalError(f"failed to resolve host {server.place.host!r}: {error}")


def _check_options(url: DatabaseUrl) -> None:
    try:
        psycopg.conninfo.conninfo_to_dict(url.for_libpq())
    except psycopg.ProgrammingError as error:
        raise UserError(
            f"the URL is not one that libpq takes: {redact(str(error)).strip()}",
            where=f"database URL (host {url.host})",
            next="take that out of the URL",
        ) from None
