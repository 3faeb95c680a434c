"""Which URLs lead to a pooler that keeps no session, and the direct URL to use in their place.

Two functions are for others: `pooler` and `direct`. A provider is a module that satisfies `Provider`.
"""

import dataclasses
from typing import Protocol

from infraops_core.database_url import DatabaseUrl
from infraops_core.providers import neon, supabase

_PARAMETER = "pgbouncer"  # what Prisma's users put into a pooled URL; libpq doesn't know it


class Provider(Protocol):
    """What the file of a provider says of a URL; the last two are asked only of URLs it recognises."""

    @property
    def NAME(self) -> str: ...  # noqa: N802 - a module's constant
    def recognises(self, url: DatabaseUrl, /) -> bool: ...
    def is_pooled(self, url: DatabaseUrl, /) -> bool: ...
    def direct(self, url: DatabaseUrl, /) -> DatabaseUrl: ...


PROVIDERS: tuple[Provider, ...] = (neon, supabase)


def pooler(url: DatabaseUrl) -> str:
    """Whose pooler the URL leads to, by what it says alone, for an error's text; empty for one that says nothing of a pooler."""
    for provider in PROVIDERS:
        if provider.recognises(url) and provider.is_pooled(url):
            return f"{provider.NAME}'s pooler"
    return "a pooler (it says pgbouncer=true)" if _says_pgbouncer(url) else ""


def direct(url: DatabaseUrl) -> DatabaseUrl:
    """The same database without the pooler, as far as the URL's provider is known; else the URL as it is."""
    kept = tuple((key, value) for key, value in url.foreign if key != _PARAMETER)
    plain = dataclasses.replace(url, foreign=kept)
    for provider in PROVIDERS:
        if provider.recognises(plain):
            return provider.direct(plain)
    return plain


def _says_pgbouncer(url: DatabaseUrl) -> bool:
    return dict(url.foreign).get(_PARAMETER, "").lower() in ("true", "1", "on", "yes")
