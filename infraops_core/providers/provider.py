"""What the rest of the code may ask of a provider; the file of each says what differs there."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

from infraops_core.database_url import DatabaseUrl, Place
from infraops_core.errors import UserError
from infraops_core.providers.facts import Facts
from infraops_core.tls import Tls

_WORD = "pgbouncer"  # Prisma's, in a URL: a pooler in transaction mode answers; libpq doesn't know it


@dataclass(frozen=True)
class Provider:
    """Who runs a Postgres, and what follows from that for a URL.

    :param name: the value of `DATABASE_PROVIDER`.
    :param title: what people call it.
    :param hosted: whether it is somebody else's machine, so that audit writes have to be enabled by hand.
    :param tls: the weakest `sslmode` its databases may be used with; for one URL ask `rule`.
    :param domains: what its hosts end with, each with the dot before it.
    :param on_loopback: whether a URL of this machine may lead there: a server here, or a proxy of the provider's.
    :param most_connections: what none of its databases goes beyond, whatever is paid or set; None where it depends.
    :param extensions: those a source says it has; it may have others.
    :param prices: the address of the page; prices themselves change too often.
    """

    name: str
    title: str
    hosted: bool
    tls: Tls
    domains: tuple[str, ...] = ()
    on_loopback: bool = False
    most_connections: int | None = None
    extensions: frozenset[str] = frozenset()
    facts: Facts = field(default_factory=Facts, repr=False)
    prices: str = ""

    @property
    def ca(self) -> str:
        """Where the certificate comes from that `sslmode=verify-full` needs."""
        return self.facts.ca.text

    def recognises(self, url: DatabaseUrl) -> bool:
        """Whether every host of the URL is one of the provider's, by its name."""
        return all(self.is_host(place.host.lower().rstrip(".")) for place in url.places)

    def is_pooled(self, url: DatabaseUrl) -> bool:
        """Whether a pooler in transaction mode answers, which keeps no session; one in session mode is as good as none."""
        return says_pooled(url) or any(self.is_pooler(place) for place in url.places)

    def direct(self, url: DatabaseUrl) -> DatabaseUrl:
        """The same database without a pooler, as far as the URL tells; `missing` says what it doesn't tell."""
        return _moved(without_word(url), [self.behind(place) for place in url.places])

    def pooled(self, url: DatabaseUrl) -> DatabaseUrl | None:
        """The same database through the provider's pooler; None where it has none or the URL doesn't tell where."""
        if self.is_pooled(url):
            return url
        places = [self.in_front(place) for place in url.places]
        known = [place for place in places if place is not None]
        return _moved(url, known) if len(known) == len(places) else None

    def missing(self, url: DatabaseUrl) -> str:
        """What `direct` couldn't derive from a pooled URL, so that its user has to fill it in; empty where it is whole."""
        if not self.is_pooled(url):
            return ""
        told = all(self.behind(place) != place or self.in_front(place) is not None for place in url.places)
        return "" if told else "the database's own host and port"

    def login(self, role: str, like: DatabaseUrl) -> str:
        """The user name that `role` logs in with at the place of `like`."""
        return role

    def role(self, url: DatabaseUrl) -> str:
        """The role that the URL's user name stands for: `login` the other way."""
        return url.user

    def rule(self, url: DatabaseUrl) -> Tls:
        """The weakest `sslmode` for this very URL: none on this machine, where the provider may be reached over it."""
        return Tls.DISABLE if self.on_loopback and url.is_loopback else self.tls

    def check(self, url: DatabaseUrl) -> None:
        """Refuse a URL that the provider's databases must not be used with, before a byte is sent.

        :raises UserError: with what to put into the URL; the password is in no message.
        """
        rule = self.rule(url)
        if rule.accepts(url.sslmode):
            return
        if rule is Tls.VERIFY_FULL:
            add = f"put sslmode=verify-full and sslrootcert=FILE into the URL; the CA: {self.ca}"
        else:
            add = f"put sslmode={rule} into the URL"
        said = f"says sslmode={url.sslmode}" if url.parameter("sslmode") else f"says no sslmode, which means {url.sslmode}"
        raise UserError(f"{self.title} is used with sslmode={rule} or stronger, and the URL {said}", where=where(url), next=add)

    def check_connection_limit(self, limit: int) -> None:
        """Refuse more connections for a role than any of the provider's databases takes.

        :raises UserError: with the limit and its source.
        """
        if self.most_connections is not None and limit > self.most_connections:
            source = self.facts.connections
            raise UserError(
                f"{self.title} takes {self.most_connections} connections at most ({source.source}, {source.read}), not {limit}",
                where="infraops:connectionLimit",
                next=f"set it to {self.most_connections} or less",
            )

    # What a provider's file says otherwise, of one server.

    def is_host(self, host: str) -> bool:
        """Whether a host's name, in small letters and without its last dot, is one of the provider's."""
        return host.endswith(self.domains) if self.domains else False

    def is_pooler(self, place: Place) -> bool:
        """Whether the provider's pooler in transaction mode answers there."""
        return False

    def behind(self, place: Place) -> Place:
        """Where the database is that a pooler stands in front of; any other place is as it is."""
        return place

    def in_front(self, place: Place) -> Place | None:
        """Where the provider's pooler is for a database; None where it has none or nobody can tell."""
        return None


def where(url: DatabaseUrl) -> str:
    """A URL in an error: by its hosts."""
    return f"database URL (host {', '.join(place.host for place in url.places)})"


def says_pooled(url: DatabaseUrl) -> bool:
    """Whether the URL itself says `pgbouncer=true`."""
    return dict(url.foreign).get(_WORD, "").lower() in ("true", "1", "on", "yes")


def without_word(url: DatabaseUrl) -> DatabaseUrl:
    """The URL without `pgbouncer=…`."""
    return dataclasses.replace(url, foreign=tuple(pair for pair in url.foreign if pair[0] != _WORD))


def _moved(url: DatabaseUrl, places: Sequence[Place]) -> DatabaseUrl:
    """The URL with other servers; without `hostaddr` where a host has changed, for the address was the other one's."""
    first, *others = places
    kept = url.parameters
    if [place.host for place in places] != [place.host for place in url.places]:
        kept = tuple(pair for pair in kept if pair[0] != "hostaddr")
    return dataclasses.replace(url, host=first.host, port=first.port, others=tuple(others), parameters=kept)
