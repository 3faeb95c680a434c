"""The hosts file: servers that are reached at another address than their name's, as through a tunnel.

`INFRAOPS_HOSTS` names it; a line is `NAME ADDRESS PORT`, or `NAME:PORT ADDRESS PORT` where a name has a database and its pooler.
It becomes `hostaddr` and port whenever we connect, and the name stays what the server's certificate is checked against.
docs/database-url.md shows one.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from infraops_core.database_url import DatabaseUrl, Place
from infraops_core.database_url.url import is_address
from infraops_core.errors import UserError
from infraops_core.quoting import plain

VARIABLE = "INFRAOPS_HOSTS"

_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")


class Entry(NamedTuple):
    """Where a name leads to."""

    address: str
    port: int


def applied(url: DatabaseUrl, environment: Mapping[str, str] | None = None) -> DatabaseUrl:
    """`url` with the address and port that the hosts file has for its hosts; as it is where there is no hosts file.

    A host whose `hostaddr` the URL gives itself stays. The file is read again once it has changed.

    :param environment: where `INFRAOPS_HOSTS` is looked up; this process' unless given.
    :raises UserError: where the file is not there, or for a mistake in it, with file and line.
    """
    file = plain((os.environ if environment is None else environment).get(VARIABLE, ""))
    if not file:
        return url
    entries = _entries(file)
    pairs = [_led(place, address, entries) for place, address in zip(url.places, url.addresses, strict=True)]
    places, addresses = [place for place, _ in pairs], [address for _, address in pairs]
    kept = tuple(pair for pair in url.parameters if pair[0] != "hostaddr")
    added = (("hostaddr", ",".join(addresses)),) if any(addresses) else ()
    return replace(url, port=places[0].port, others=tuple(places[1:]), parameters=kept + added)


def read(file: Path) -> dict[str, Entry]:
    """The entries of a hosts file, by name in small letters and without a dot at its end, with `:PORT` where the line has one.

    :raises UserError: where it can't be read, or for a line that is wrong, with file and line.
    """
    return dict(_read(file))


def _led(place: Place, address: str, entries: Mapping[str, Entry]) -> tuple[Place, str]:
    name = _key(place.host)
    entry = entries.get(f"{name}:{place.port}") or entries.get(name)
    return (place, address) if address or entry is None else (replace(place, port=entry.port), entry.address)


def _entries(file: str) -> Mapping[str, Entry]:
    try:
        found = os.stat(file)  # noqa: PTH116 - half the time of Path.stat, and this is asked for each connection
    except OSError as error:
        raise _unreadable(file, error) from None
    return _read_once(file, (found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size))


@lru_cache(maxsize=8)
def _read_once(file: str, _identity: tuple[int, ...]) -> Mapping[str, Entry]:
    return _read(Path(file))


def _read(file: Path) -> Mapping[str, Entry]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(str(file), error) from None
    entries: dict[str, Entry] = {}
    lines: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        name, entry = _line(words, f"{file}:{number}")
        if name in entries:
            raise _wrong(f"{name} stands in line {lines[name]} too, and a name leads to one place", f"{file}:{number}")
        entries[name], lines[name] = entry, number
    return entries


def _line(words: list[str], where: str) -> tuple[str, Entry]:
    if len(words) != 3:
        raise _wrong(f"a line has a name, an address and a port, and this one has {len(words)} of them", where)
    name, address, port = words
    host, colon, asked = name.partition(":")
    if is_address(name) or not _NAME.fullmatch(host) or (colon and not _is_port(asked)):
        raise _wrong(f"{name[:60]!r} is no host name, nor one with a port", where)
    if not is_address(address):
        raise _wrong(f"{address[:60]!r} is no IP address", where)
    if not _is_port(port):
        raise _wrong(f"{port[:60]!r} is no port from 1 to 65535", where)
    return _key(host) + colon + asked, Entry(address, int(port))


def _is_port(text: str) -> bool:
    return _PORT.fullmatch(text) is not None and int(text) <= 65535


def _key(name: str) -> str:
    return name.lower().rstrip(".")


def _unreadable(file: str, error: OSError | UnicodeDecodeError) -> UserError:
    said = getattr(error, "strerror", None) or "it is not UTF-8 text"
    return UserError(f"the hosts file can't be read: {said}", where=f"{VARIABLE} ({file})",
                     next=f"mend the file, or unset {VARIABLE} to go by the names' own addresses")  # fmt: skip


def _wrong(what: str, where: str) -> UserError:
    return UserError(what, where=where, next="write a line as: NAME ADDRESS PORT, for example db.example.com 127.0.0.1 15432")
