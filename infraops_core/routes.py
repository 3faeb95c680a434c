"""The order in which a URL's servers are tried, and when to stop: libpq's rules, for those who connect address by address.

libpq and psycopg would give the whole time to the first server that says nothing. Sources: PostgreSQL documentation, "Database
Connection Control Functions", sections "Specifying Multiple Hosts" and "Parameter Key Words".
"""

import os
import random
import socket
from dataclasses import dataclass, replace
from typing import Any

from infraops_core.database_url import DatabaseUrl, Place

HINTS: dict[str, Any] = {"proto": socket.IPPROTO_TCP, "type": socket.SOCK_STREAM}
"""What to ask `getaddrinfo` for."""

NO_FILE = f"{os.devnull}/none"
"""A path that is never there, for a file that libpq would look for at home; it warns of an empty one."""

_PASSES = {"prefer-standby": ("standby", "any")}


@dataclass(frozen=True)
class Route:
    """One server of a URL, and what has to be true of its session."""

    place: Place
    address: str
    """Empty where the name has yet to be resolved."""
    attributes: str

    def at(self, address: str) -> "Route":
        return replace(self, address=address)

    def parameters(self) -> dict[str, Any]:
        """What to connect with over the URL's own parameters.

        The address is said each time, or PGHOSTADDR in the environment would lead elsewhere.
        """
        return {
            "host": self.place.host, "port": self.place.port, "hostaddr": self.address,
            "target_session_attrs": self.attributes, "load_balance_hosts": "disable",
        }  # fmt: skip

    def __str__(self) -> str:
        return f"{self.place.host}:{self.place.port}" + (f" ({self.address})" if self.address else "")


def of(url: DatabaseUrl) -> list[Route]:
    """The URL's servers in the order to try them; those that would do only where nothing better is found come twice."""
    servers = list(zip(url.places, url.addresses, strict=True))
    if is_shuffled(url):
        random.shuffle(servers)
    wanted = url.parameter("target_session_attrs", "any")
    passes = _PASSES.get(wanted, (wanted,))
    return [Route(place, address, attributes) for attributes in passes for place, address in servers]


def is_shuffled(url: DatabaseUrl) -> bool:
    """Whether servers, and addresses of each, are tried in no order of their own."""
    return url.parameter("load_balance_hosts") == "random"


def without_password(url: DatabaseUrl) -> dict[str, Any]:
    """What to say to libpq of a password that the URL does not have: there is none, not in the environment and not in a file."""
    return {} if url.password or url.parameter("passfile") else {"password": "", "passfile": NO_FILE}


def distinct(found: list[Any], *, shuffled: bool = False) -> list[str]:
    """The addresses that `getaddrinfo` found, each once."""
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    return random.sample(addresses, len(addresses)) if shuffled else addresses


def is_final(error: Exception) -> bool:
    """Whether a server answered and said no, so that no other is asked: a wrong password is wrong everywhere.

    A server that starts, stops or recovers says no as well, and another may be the one in charge.
    """
    text = str(error)
    return "FATAL:" in text and "the database system is" not in text
