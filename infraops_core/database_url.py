"""Database URLs: build, parse, check against a TLS rule, show without the password.

Three functions are for others: `parse`, `build` and `redact`. The form is libpq's: PostgreSQL
documentation, "Database Connection Control Functions", section "Connection URIs".
"""

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode

from infraops_core.errors import UserError
from infraops_core.tls import Tls

_SCHEMES = ("postgres", "postgresql")
_HINT = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=require"
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PASSWORD_AFTER_USER = re.compile(r"(?s)(?P<before>://[^/?#:]*:).*(?P<at>@)")
_PASSWORD_PARAMETER = re.compile(r"(?i)(?P<before>\b\w*pass(?:word|wd|phrase)?\w*\s*=\s*)('(?:[^'\\]|\\.)*'|[^&\s]+)")


@dataclass(frozen=True)
class DatabaseUrl:
    """One Postgres database as one role sees it; `repr` and `str` never show the password."""

    user: str
    password: str = field(repr=False)
    host: str
    port: int
    database: str
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def sslmode(self) -> str:
        """The `sslmode` named in the URL, or libpq's default."""
        return dict(self.parameters).get("sslmode", "prefer")

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine: the only place where TLS may be off."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def with_password(self) -> str:
        """The whole URL, password and all: for libpq, a secret output, or a user who asked for it."""
        return self._text(quote(self.password, safe=""))

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
        return self._text("***" if self.password else "")

    def _text(self, password: str) -> str:
        secret = f":{password}" if password else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        query = f"?{urlencode(self.parameters, safe='/', quote_via=quote)}" if self.parameters else ""
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
    if "\x00" in rest or re.search(r"[\x00-\x20]", rest):
        raise _refused("the URL holds a space or control character; percent-encode it")
    if _BAD_ESCAPE.search(rest):
        raise _refused("a % in the URL starts no two-digit code; write %25 for the sign itself")
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    credentials, at, place = authority.rpartition("@")
    user, _, password = credentials.partition(":")
    if not at or not user:
        raise _refused("the URL names no user")
    host, port = _host_and_port(place)
    return DatabaseUrl(
        user=_decoded(user, "user"),
        password=_decoded(password, "password"),
        host=host,
        port=port,
        database=_decoded(path, "database") or _decoded(user, "user"),
        parameters=tuple(_parameters(query)),
    )


def redact(text: str) -> str:
    """`text`, whatever it is, with everything that looks like a password replaced by `***`."""
    hidden = _PASSWORD_AFTER_USER.sub(r"\g<before>***\g<at>", text)
    return _PASSWORD_PARAMETER.sub(r"\g<before>***", hidden)


def _host_and_port(place: str) -> tuple[str, int]:
    if "," in place:
        raise _refused("the URL names several hosts; name the one to use")
    if place.startswith("["):
        host, bracket, after = place[1:].partition("]")
        if not bracket or (after and not after.startswith(":")):
            raise _refused("an IPv6 address stands in brackets, with :PORT after them")
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise _refused("the address in brackets is not an IPv6 address") from None
        port = after[1:]
    else:
        host, _, port = place.partition(":")
        host = _decoded(host, "host")
    if not host or "/" in host:
        raise _refused("the URL names no host")
    if not port:
        return host, 5432
    if not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535):
        raise _refused("the port is a number from 1 to 65535")
    return host, int(port)


def _parameters(query: str) -> list[tuple[str, str]]:
    if not query:
        return []
    try:
        pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        raise _refused("what follows the ? is not KEY=VALUE pairs joined by &") from None
    keys = [key for key, _ in pairs]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise _refused(f"the URL gives {', '.join(map(redact, twice))} twice")
    if any("\x00" in key + value for key, value in pairs):
        raise _refused("the URL holds a NUL character")
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
