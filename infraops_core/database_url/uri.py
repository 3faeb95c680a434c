"""The first form of a database URL: `postgresql://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?KEY=VALUE&…`.

Source: PostgreSQL documentation, "Database Connection Control Functions", section "Connection URIs". Stricter than libpq:
who, where and what stand before the `?`, once, and nothing that a password may have in it is left to guess.
"""

import re
from urllib.parse import parse_qsl, unquote

from infraops_core.database_url import keywords
from infraops_core.database_url.refusal import refused
from infraops_core.database_url.url import is_address

SCHEMES = ("postgres://", "postgresql://")

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def read(text: str) -> list[tuple[str, str]]:
    """The keywords, in libpq's words, that a URL gives; `host` and `port` are lists with a comma between.

    :raises UserError: naming the part that is wrong; the password is in no message.
    """
    rest = text.partition("://")[2]
    if re.search(r"[\x00-\x20\x7f\ud800-\udfff]", rest):
        raise refused("the URL holds a space, a control character or half a character; percent-encode it")
    if _BAD_ESCAPE.search(rest):
        raise refused("a % in the URL starts no two-digit code; write %25 for the sign itself")
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    if "@" in path + query:
        raise refused("the URL has an @ after a / or ?; in a password write them as %40, %2F and %3F")
    credentials, at, places = authority.rpartition("@")
    user, _, password = credentials.partition(":")
    if not user and not re.search(r"(^|&)service=", query):
        raise refused("the URL names no user")
    who = [("user", _decoded(user, "user")), ("password", _decoded(password, "password"))] if at else []
    what = [("dbname", _decoded(path, "database"))]
    return [pair for pair in [*who, *_hosts_and_ports(places), *what] if pair[1]] + _parameters(query)


def _hosts_and_ports(places: str) -> list[tuple[str, str]]:
    if not places:
        return []
    hosts, ports = zip(*(_host_and_port(place) for place in places.split(",")), strict=True)
    return [("host", ",".join(hosts)), ("port", ",".join(ports) if any(ports) else "")]


def _host_and_port(place: str) -> tuple[str, str]:
    if not place.startswith("[") and place.count(":") <= 1:
        host, _, port = place.partition(":")
        return host, port
    host, bracket, after = place.removeprefix("[").partition("]")
    if not place.startswith("[") or not bracket or (after and not after.startswith(":")):
        raise refused("an IPv6 address stands in brackets, with :PORT after them")
    if ":" not in host or "%" in host or not is_address(host):
        raise refused("the address in brackets is not an IPv6 address without a zone")
    return host, after[1:]


def _parameters(query: str) -> list[tuple[str, str]]:
    if not query:
        return []
    try:
        pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        raise refused("what follows the ? is not KEY=VALUE pairs joined by &") from None
    if misplaced := sorted(set(keywords.WHO_WHERE_WHAT) & {key for key, _ in pairs}):
        raise refused(f"{', '.join(misplaced)} after the ?: who, where and what stand before it")
    return [("sslmode", "require") if pair == ("ssl", "true") else pair for pair in pairs]  # as libpq reads what JDBC calls so


def _decoded(part: str, name: str) -> str:
    try:
        return unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise refused(f"the {name} is not UTF-8 once its % codes are read") from None
