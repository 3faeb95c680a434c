"""One Postgres database as one role sees it: where it is, who asks, and what libpq is told besides."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from infraops_core.database_url.redaction import hidden
from infraops_core.errors import UserError
from infraops_core.tls import Tls

_WITHOUT_TLS = {
    "disable": "is without TLS",
    "allow": "has TLS only where the server insists on it",
    "prefer": "goes on without TLS where the server has none",
}


@dataclass(frozen=True)
class Place:
    """A server's host and port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, repr=False)
class DatabaseUrl:
    """One Postgres database as one role sees it; `repr` and `str` never show the password."""

    user: str
    password: str
    host: str
    port: int
    database: str
    parameters: tuple[tuple[str, str], ...] = ()
    """What libpq knows, besides who, where and what."""
    foreign: tuple[tuple[str, str], ...] = ()
    """What other libraries read from a URL, as `pgbouncer=true`, and libpq would refuse."""
    others: tuple[Place, ...] = ()
    """Further servers of the same database, in the order to try them."""

    @property
    def places(self) -> tuple[Place, ...]:
        """Every server the URL names, in order."""
        return (Place(self.host, self.port), *self.others)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The address that `hostaddr` gives each of `places`; empty for one whose name is to be resolved."""
        return tuple(self.parameter("hostaddr").split(",")) if self.parameter("hostaddr") else ("",) * len(self.places)

    @property
    def endpoint(self) -> str:
        """Host and port of every server, and the database: what this leads to, without who asks."""
        return f"{','.join(map(str, self.places))}/{self.database}"

    def parameter(self, name: str, default: str = "") -> str:
        """The value of a key that libpq knows, or `default` where the URL does not have it."""
        return dict(self.parameters).get(name, default)

    @property
    def sslmode(self) -> str:
        """The `sslmode` named in the URL, or libpq's default: `verify-full` beside `sslrootcert=system`, else `prefer`."""
        return self.parameter("sslmode", "verify-full" if self.parameter("sslrootcert") == "system" else "prefer")

    @property
    def is_loopback(self) -> bool:
        """Whether every host, by name and by `hostaddr`, is this machine: the only place where TLS may be off."""
        return not self._elsewhere()

    def with_password(self) -> str:
        """The whole URL, password and all: a secret output, or for a user who asked for it."""
        return self._text(quote(self.password, safe=""), self.parameters + self.foreign)

    def for_libpq(self) -> str:
        """The URL without what libpq does not know, password and all: for a driver or a program of Postgres."""
        return self._text(quote(self.password, safe=""), self.parameters)

    def check_tls(self, rule: Tls) -> None:
        """Refuse a URL whose `sslmode` is weaker than `rule`, before a byte is sent.

        :raises UserError: naming the mode found and the one needed.
        """
        where = f"database URL (host {self.host})"
        if rule is Tls.DISABLE and (host := self._elsewhere()):
            raise UserError(
                f"TLS may be off for loopback only, and {host} is another machine",
                where=where,
                next="add sslmode=require, or verify-full with the provider's CA, to the URL",
            )
        if not rule.accepts(self.sslmode):
            said = f"the URL says sslmode={self.sslmode}" if self.parameter("sslmode") else f"without sslmode the URL means {self.sslmode}"
            meaning = f", which {_WITHOUT_TLS[self.sslmode]}" if self.sslmode in _WITHOUT_TLS else ""
            raise UserError(
                f"{said}{meaning}, but this database needs sslmode={rule} or stronger", where=where, next=f"put sslmode={rule} into the URL"
            )

    def _elsewhere(self) -> str:
        """The first host or address that is not this machine."""
        hosts = [*(place.host for place in self.places), *filter(None, self.addresses)]
        return next((host for host in hosts if not _is_loopback(host)), "")

    def __str__(self) -> str:
        shown = tuple((key, hidden(key, value)) for key, value in self.parameters + self.foreign)
        return self._text("***" if self.password else "", shown)

    def __repr__(self) -> str:
        return f"DatabaseUrl({str(self)!r})"

    def _text(self, password: str, parameters: tuple[tuple[str, str], ...]) -> str:
        secret = f":{password}" if password else ""
        query = f"?{urlencode(parameters, safe='/*', quote_via=quote)}" if parameters else ""
        places = ",".join(map(str, self.places))
        return f"postgresql://{quote(self.user, safe='')}{secret}@{places}/{quote(self.database, safe='')}{query}"


def build(user: str, password: str, *, host: str, port: int, database: str, sslmode: Tls) -> DatabaseUrl:
    """The URL of `database` on `host` for one role."""
    return DatabaseUrl(user, password, host, port, database, (("sslmode", str(sslmode)),))


def is_address(text: str) -> bool:
    """Whether `text` is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)
