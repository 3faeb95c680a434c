"""Database URLs: build, parse, check against a TLS rule, show without the password.

Three functions are for others: `parse`, `build` and `redact`. The form is libpq's: PostgreSQL
documentation, "Database Connection Control Functions", section "Connection URIs".
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlencode

from infraops_core.errors import UserError
from infraops_core.tls import Tls

_SCHEMES = ("postgres", "postgresql")
_HINT = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=require"
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST_NAME = re.compile(r"(?!.{254})[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_BEFORE_THE_QUERY = {"user", "password", "host", "port", "dbname", "service"}  # libpq would let them overrule what stands there
_FOREIGN = {"pgbouncer"}
_SECRET_PARAMETER = re.compile(r"pass|secret|scram_")

# Up to the last @ of the line. Where the line has none and no port follows, the password has a line end in it.
_PASSWORD_AFTER_USER = re.compile(r"(?s)(?P<before>://[^\n:]*:)(?:[^\n]*|(?![0-9]{1,5}(?:[/?\s]|$)).{0,200}?\n[^\n]*)(?P<at>@)")
_PASSWORD_BY_NAME = re.compile(
    r"""(?ix) (?P<before> \b\w*pass (?: \w*["']?\s*= | \w*["']\s*: | (?:word|wd)?\s*: | word\s+(?=') ) \s*)
    (?: '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.)*" | [^&\s]+ )"""
)


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

    @property
    def sslmode(self) -> str:
        """The `sslmode` named in the URL, or libpq's default."""
        return dict(self.parameters).get("sslmode", "prefer")

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine: the only place where TLS may be off."""
        return all(_is_loopback(place) for place in (self.host, dict(self.parameters).get("hostaddr", self.host)))

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
        if rule is Tls.DISABLE and not self.is_loopback:
            raise UserError(
                f"TLS may be off for loopback only, and {self.host} is another machine",
                where=f"database URL (host {self.host})",
                next="add sslmode=require, or verify-full with the provider's CA, to the URL",
            )
        if not rule.accepts(self.sslmode):
            raise UserError(
                f"the URL says sslmode={self.sslmode}, but this database needs sslmode={rule} or stronger",
                where=f"database URL (host {self.host})",
                next=f"put sslmode={rule} into the URL",
            )

    def __str__(self) -> str:
        shown = tuple((key, "***" if _SECRET_PARAMETER.search(key) else value) for key, value in self.parameters + self.foreign)
        return self._text("***" if self.password else "", shown)

    def __repr__(self) -> str:
        return f"DatabaseUrl({str(self)!r})"

    def _text(self, password: str, parameters: tuple[tuple[str, str], ...]) -> str:
        secret = f":{password}" if password else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        query = f"?{urlencode(parameters, safe='/*', quote_via=quote)}" if parameters else ""
        return f"postgresql://{quote(self.user, safe='')}{secret}@{host}:{self.port}/{quote(self.database, safe='')}{query}"


def build(user: str, password: str, *, host: str, port: int, database: str, sslmode: Tls) -> DatabaseUrl:
    """The URL of `database` on `host` for one role."""
    return DatabaseUrl(user, password, host, port, database, (("sslmode", str(sslmode)),))


def parse(text: str) -> DatabaseUrl:
    """The parts of a `postgresql://` URL with one host; port 5432 and the user's own database by default.

    :raises UserError: naming the part that is wrong; the password is in no message.
    """
    scheme, separator, rest = text.strip().partition("://")
    if not separator or scheme not in _SCHEMES:
        raise _refused("a database URL begins with postgres:// or postgresql://")
    if re.search(r"[\x00-\x20\x7f\ud800-\udfff]", rest):
        raise _refused("the URL holds a space, a control character or half a character; percent-encode it")
    if _BAD_ESCAPE.search(rest):
        raise _refused("a % in the URL starts no two-digit code; write %25 for the sign itself")
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    if "@" in path + query:
        raise _refused("the URL has an @ after a / or ?; in a password write them as %40, %2F and %3F")
    credentials, at, place = authority.rpartition("@")
    user, _, password = credentials.partition(":")
    if not at or not user:
        raise _refused("the URL names no user")
    host, port = _host_and_port(place)
    pairs = _parameters(query)
    return DatabaseUrl(
        user=_decoded(user, "user"),
        password=_decoded(password, "password"),
        host=host,
        port=port,
        database=_decoded(path, "database") or _decoded(user, "user"),
        parameters=tuple(pair for pair in pairs if pair[0] not in _FOREIGN),
        foreign=tuple(pair for pair in pairs if pair[0] in _FOREIGN),
    )


def redact(text: str) -> str:
    """`text`, whatever it is, with everything that looks like a password replaced by `***`."""
    hidden = _PASSWORD_AFTER_USER.sub(r"\g<before>***\g<at>", text)
    return _PASSWORD_BY_NAME.sub(r"\g<before>***", hidden)


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _host_and_port(place: str) -> tuple[str, int]:
    if "," in place:
        raise _refused("the URL names several hosts; name the one to use")
    if place.startswith("[") or place.count(":") > 1:
        host, bracket, after = place.removeprefix("[").partition("]")
        if not place.startswith("[") or not bracket or (after and not after.startswith(":")):
            raise _refused("an IPv6 address stands in brackets, with :PORT after them")
        if ":" not in host or "%" in host or not _is_address(host):
            raise _refused("the address in brackets is not an IPv6 address without a zone")
        port = after[1:]
    else:
        host, _, port = place.partition(":")
        if not host:
            raise _refused("the URL names no host")
        if not _HOST_NAME.fullmatch(host):
            raise _refused("the host is a name of letters, digits, - and dots, or an address; a folder with a socket will not do")
    if not port:
        return host, 5432
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise _refused("the port is a number from 1 to 65535")
    return host, int(port)


def _parameters(query: str) -> list[tuple[str, str]]:
    if not query:
        return []
    try:
        pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        raise _refused("what follows the ? is not KEY=VALUE pairs joined by &") from None
    if any("\x00" in key + value for key, value in pairs):
        raise _refused("the URL holds a NUL character")
    keys = [key for key, _ in pairs]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise _refused(f"the URL gives {', '.join(twice)} twice")
    if misplaced := sorted(_BEFORE_THE_QUERY & set(keys)):
        raise _refused(f"{', '.join(misplaced)} after the ?: who, where and what stand before it")
    if not _is_address(dict(pairs).get("hostaddr", "::1")):
        raise _refused("hostaddr is one IP address")
    return pairs


def _decoded(part: str, name: str) -> str:
    try:
        decoded = unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise _refused(f"the {name} is not UTF-8 once its % codes are read") from None
    if "\x00" in decoded:
        raise _refused(f"the {name} holds a NUL character")
    return decoded


def _refused(what: str) -> UserError:
    return UserError(what, where="database URL", next=f"write it as {_HINT}")
