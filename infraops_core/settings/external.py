"""What the file of a stack of target `external` may say besides, and what of it does not go together."""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from infraops_core import database_url, providers, reading, role_urls
from infraops_core.database_url import DatabaseUrl
from infraops_core.errors import UserError
from infraops_core.providers import Provider
from infraops_core.role_urls import Like
from infraops_core.settings.every_stack import SchemaMode, Settings
from infraops_core.settings.setting import Setting
from infraops_core.tls import Tls

URL, ADMIN_URL, DIRECT_URL, READONLY_URL = "databaseUrl", "adminDatabaseUrl", "directDatabaseUrl", "readonlyDatabaseUrl"

_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir", "passfile")


class RolesFrom(StrEnum):
    """Who makes the roles: this program, or somebody else (`given`) who gives us their URLs."""

    MAKE = "make"
    GIVEN = "given"


@dataclass(frozen=True)
class ExternalSettings(Settings):
    """A Postgres that is there already. A URL is None where it is not given, or encrypted and not at hand."""

    database_url: DatabaseUrl | None = field(repr=False)
    admin_database_url: DatabaseUrl | None = field(repr=False)
    direct_database_url: DatabaseUrl | None = field(repr=False)
    readonly_database_url: DatabaseUrl | None = field(repr=False)
    roles: RolesFrom
    named_provider: Provider | None
    hosted_writes: bool | None

    @property
    def provider(self) -> Provider:
        """Who runs the database: the one named, or whose host it is."""
        assert self.database_url is not None
        return self.named_provider or providers.of(self.database_url)

    @property
    def like(self) -> Like:
        """What the URLs of our roles are like."""
        assert self.database_url is not None
        beside = self.admin_database_url if self.roles is RolesFrom.MAKE else self.direct_database_url
        found = role_urls.direct(self.database_url, self.provider)
        return Like(self.database_url, _at(self.database_url, beside) if beside else found or self.database_url, self.provider)

    @property
    def admin(self) -> DatabaseUrl | None:
        """The role that makes the others, direct; None where they are given and it is not."""
        if self.roles is RolesFrom.GIVEN or self.admin_database_url is not None:
            return self.admin_database_url
        return self.like.direct

    @property
    def urls(self) -> list[DatabaseUrl]:
        """The URLs that are at hand."""
        return [url for _, url in _at_hand(self)]

    @property
    def tls(self) -> Tls:
        """The rule that every URL of the stack keeps."""
        return role_urls.rule(self.urls)

    @property
    def writes_enabled(self) -> bool:
        """Whether applications may write audit events: on another machine than this, once the user has said so."""
        on_this = not self.provider.hosted and all(url.is_loopback for url in self.urls)
        return on_this if self.hosted_writes is None else self.hosted_writes


def problem(key: str, url: DatabaseUrl, provider: Provider) -> str:
    """What is wrong with one URL for the setting `key`, whatever the others are; empty where nothing is."""
    try:
        provider.check(url)
    except UserError as error:
        return f"{error.what}; {error.next}"
    if relative := [f"{name}={url.parameter(name)}" for name in _FILES if not _is_found_anywhere(url.parameter(name))]:
        return f"{relative[0]} is found from one folder only, and others use this URL too: give the file's whole path"
    if key in (ADMIN_URL, DIRECT_URL) and provider.is_pooled(url):
        found = role_urls.direct(url, provider)
        then = f"use {found.places[0]}" if found else "use the database's own host and port"
        return f"leads to a pooler ({url.places[0]}), and this one must be direct: {then}"
    return ""


def check(settings: ExternalSettings, given: Container[str]) -> Iterator[tuple[str, str]]:
    """Each key with what is wrong with it in the company of the others.

    :param given: the keys that the file has; values that are not at hand are left for later.
    """
    yield from _by_roles(settings, given)
    first = settings.database_url
    if first is None:
        return
    yield from _provider(settings, first)
    wrong = [(key, found) for key, url in _at_hand(settings) if (found := problem(key, url, settings.provider))]
    yield from wrong
    missing = settings.provider.missing(first)
    if settings.roles is RolesFrom.MAKE and ADMIN_URL not in given and missing:
        yield ADMIN_URL, f"is missing: {URL} leads to a pooler ({first.places[0]}), and only you know {missing}"
    if not wrong and settings.tls is Tls.DISABLE and not all(url.is_loopback for url in settings.urls):
        yield URL, "one rule has to hold for all URLs: put sslmode=require, or stronger, into each"


def _is_found_anywhere(file: str) -> bool:
    return file in ("", "system") or Path(file).is_absolute()


def _by_roles(settings: ExternalSettings, given: Container[str]) -> Iterator[tuple[str, str]]:
    if settings.roles is RolesFrom.MAKE:
        for key in (DIRECT_URL, READONLY_URL):
            if key in given:
                yield key, "is of use with infraops:roles: given only; else the role and its URL are made"
    elif settings.roles is RolesFrom.GIVEN:
        if DIRECT_URL not in given and settings.schema is not SchemaMode.OFF:
            yield DIRECT_URL, "is missing: the owner's URL, for the schema; or infraops:schema: off"
        for key in ("extensions", "grants", "connectionLimit"):
            if key in given:
                yield key, "is of use with infraops:roles: make only; else whoever made the roles sees to it"


def _provider(settings: ExternalSettings, url: DatabaseUrl) -> Iterator[tuple[str, str]]:
    named, whose = settings.named_provider, providers.of(url)
    if named and not providers.fits(named, url):
        host = f"the host of {URL} is one of {whose.title}'s" if whose.recognises(url) else f"{named.title} is not at {url.host}"
        yield "provider", f"{host}: leave this out"
        return
    for key, other in _at_hand(settings):
        if not providers.fits(settings.provider, other):
            yield key, f"its host ({other.host}) is not one of {settings.provider.title}'s, and that of {URL} is"
    if settings.roles is RolesFrom.MAKE:
        try:
            settings.provider.check_connection_limit(settings.connection_limit)
        except UserError as error:
            yield "connectionLimit", error.what


def _at_hand(settings: ExternalSettings) -> list[tuple[str, DatabaseUrl]]:
    pairs = [(setting.key, getattr(settings, setting.field)) for setting in EXTERNAL if setting.secret]
    return [(key, url) for key, url in pairs if url is not None]


def _at(database: DatabaseUrl, place: DatabaseUrl) -> DatabaseUrl:
    """`place`, which may name the maintenance database, with the database that is ours to use."""
    return replace(place, database=database.database)


def _url(value: Any) -> tuple[Any, str]:
    """A database URL, as a secret holds it."""
    if not isinstance(value, str):
        return None, "postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=require"
    try:
        return database_url.parse(value), ""
    except UserError as error:
        return None, database_url.told(error)


def _named(value: Any) -> tuple[Any, str]:
    """A provider by its name; those of our own targets are none."""
    known = {provider.name: provider for provider in providers.ALL if provider.tls is not Tls.DISABLE}
    found = known.get(value) if isinstance(value, str) else None
    return found, "" if found else f"one of: {', '.join(known)}"


EXTERNAL = (
    Setting(URL, "database_url", _url, required=True, secret=True),
    Setting(ADMIN_URL, "admin_database_url", _url, secret=True),
    Setting(DIRECT_URL, "direct_database_url", _url, secret=True),
    Setting(READONLY_URL, "readonly_database_url", _url, secret=True),
    Setting("roles", "roles", reading.choice(RolesFrom), RolesFrom.MAKE),
    Setting("provider", "named_provider", _named),
    Setting("hostedWrites", "hosted_writes", reading.boolean),
)
