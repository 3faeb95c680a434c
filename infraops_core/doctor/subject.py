"""What the checks look at: a database's ways in, and what those before have learnt on the way."""

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from infraops_core.access import Access, message
from infraops_core.database_url import DatabaseUrl, Place
from infraops_core.doctor.check import Unchecked
from infraops_core.doctor.deployment import Deployment
from infraops_core.doctor.stack import Reading, StackSource
from infraops_core.errors import UserError
from infraops_core.settings import Environment, Settings

if TYPE_CHECKING:
    from psycopg import Connection, Error

    from infraops_core.certificates import Certificate
    from infraops_core.migrations.findings import Finding
    from infraops_core.providers import Provider

STEP_SECONDS = 5.0
"""How long one step of the way to a server may take: a name, a connection, an answer."""

SESSION_SECONDS = 10.0
"""How long a role's connection is used, log-in included; one that is silent for that long is given up."""

_SHORTEST_WAIT = 0.1
_COMMAND = re.compile(r"infraops (migrate|audit) [a-z]+( [0-9]+| VERSION)?")


class Role(StrEnum):
    """Who logs in."""

    APP = "app"
    OWNER = "owner"
    READONLY = "readonly"
    ADMIN = "admin"

    @property
    def variable(self) -> str:
        """The variable, and the stack's output, that holds its URL."""
        return {Role.APP: "DATABASE_URL", Role.OWNER: "DIRECT_DATABASE_URL", Role.READONLY: "READONLY_DATABASE_URL",
                Role.ADMIN: "ADMIN_DATABASE_URL"}[self]  # fmt: skip

    @property
    def variables(self) -> tuple[str, ...]:
        """The same, and the other name it may have."""
        return (self.variable, "DATABASE_URL_DIRECT") if self is Role.OWNER else (self.variable,)


@dataclass(frozen=True)
class Endpoint:
    """One place that a URL names, and the address it gives for it, where it does."""

    place: Place
    address: str = ""

    def __str__(self) -> str:
        return str(self.place)


@dataclass
class Subject:
    """A database, or a stack whose database it is.

    :param variables: what the environment says of it; a stack's outputs take their place once they are known.
    :param seconds: for all checks together.
    """

    variables: Mapping[str, str]
    stack: StackSource | None = None
    seconds: float = 30.0
    ways: dict[Role, Access] = field(default_factory=dict)
    provider: "Provider | None" = None
    settings: Settings | None = None
    reading: Reading = field(default_factory=Reading)
    deployment: Deployment | None = None
    addresses: dict[Endpoint, list[str]] = field(default_factory=dict)
    migration_findings: "list[Finding] | None" = None
    certificates: "dict[Endpoint, Certificate]" = field(default_factory=dict)
    troubles: dict[Endpoint, str] = field(default_factory=dict)
    """By place: the check that failed there."""

    def __post_init__(self) -> None:
        self._deadline = time.monotonic() + self.seconds
        self._sessions: dict[Role, Connection] = {}
        self._reasons: dict[Role, str] = {}
        self._locks = {role: threading.Lock() for role in Role}
        self._ends = {role: ExitStack() for role in Role}

    @property
    def seconds_left(self) -> float:
        """Until all has to be over."""
        return self._deadline - time.monotonic()

    def within(self, seconds: float) -> float:
        """`seconds`, or less where there are fewer left."""
        return max(_SHORTEST_WAIT, min(seconds, self.seconds_left))

    @property
    def environment(self) -> Environment:
        """What the database is for; as every command of ours takes it where nobody says."""
        if self.deployment is not None and self.deployment.outputs.get("environment") in set(Environment):
            return Environment(self.deployment.outputs["environment"])
        way = next(iter(self.ways.values()), None)
        return Environment.DEV if way is not None and way.url.is_loopback else Environment.PROD

    def of_stack(self, following: str) -> str:
        """A next step whose commands name the stack, for without one they are about the environment's database."""
        return _COMMAND.sub(rf"\g<0> --stack {self.stack.name}", following) if self.stack is not None else following

    def way(self, role: Role) -> Access:
        """How a role gets in.

        :raises Unchecked: where nothing says.
        """
        if role not in self.ways:
            raise Unchecked(f"there is no {role.variable}")
        return self.ways[role]

    def endpoints(self, url: DatabaseUrl | None = None) -> list[Endpoint]:
        """The places that one URL names, or all of them do, each once."""
        urls = [url] if url is not None else [way.url for way in self.ways.values()]
        return list(dict.fromkeys(endpoint for one in urls for endpoint in _endpoints(one)))

    def users(self, endpoint: Endpoint) -> list[Access]:
        """Whoever gets in by a place."""
        return [way for way in self.ways.values() if endpoint in self.endpoints(way.url)]

    def log_in(self, role: Role) -> "Connection":
        """Open the role's connection, which is kept for the checks after this one.

        :raises Unchecked: where there is no URL, or the way there failed.
        :raises psycopg.Error: when it isn't let in.
        """
        access = self.way(role)
        troubles = [self.troubles.get(endpoint) for endpoint in self.endpoints(access.url)]
        if all(troubles):
            self._reasons[role] = f"{troubles[0]} failed"
            raise Unchecked(self._reasons[role])
        connection = self._ends[role].enter_context(access.connect(seconds=self.within(SESSION_SECONDS)))
        self._sessions[role] = connection
        return connection

    def is_in(self, role: Role) -> bool:
        """Whether the role has logged in."""
        return role in self._sessions

    @contextmanager
    def session(self, *roles: Role) -> "Iterator[Connection]":
        """The connection of the first of `roles` that is in, for one check at a time.

        :raises Unchecked: where none is, or where it may not look.
        :raises UserError: where the connection is lost.
        """
        import psycopg

        role = next((role for role in roles if role in self._sessions), None)
        if role is None:
            asked = roles[0]
            raise Unchecked(self._reasons.get(asked, f"login.{asked} failed") if asked in self.ways else f"there is no {asked.variable}")
        with self._locks[role]:
            try:
                yield self._sessions[role]
            except psycopg.Error as error:
                raise _told(error, self.ways[role]) from None

    def close(self) -> None:
        """Close the connections, but for one that a check still waits on: that ends with its thread."""
        if not self._sessions:
            return
        import psycopg

        for role, end in self._ends.items():
            if self._locks[role].acquire(blocking=False):
                with suppress(psycopg.Error):
                    end.close()


def _endpoints(url: DatabaseUrl) -> list[Endpoint]:
    from infraops_core import hosts

    applied = hosts.applied(url)
    return [Endpoint(place, address) for place, address in zip(applied.places, applied.addresses, strict=True)]


def _told(error: "Error", access: Access) -> Exception:
    """What a server's refusal of a check's own statement means."""
    from psycopg import errors

    if isinstance(error, errors.InsufficientPrivilege):
        return Unchecked(f"{access.url.user} may not look: {message(error)}")
    if isinstance(error, errors.UndefinedTable | errors.InvalidSchemaName | errors.UndefinedColumn | errors.UndefinedFunction):
        return Unchecked(f"the schema is not all there: {message(error)}")
    return UserError(f"the server did not answer: {message(error)}", where=access.endpoint,
                     next="see that the server runs and is not overloaded; then run it again")  # fmt: skip
