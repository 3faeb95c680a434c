"""Which URLs lead to a pooler that keeps no session, and what to use in their place."""

from infraops_core.database_url import DatabaseUrl
from infraops_core.providers.known import of
from infraops_core.providers.provider import says_pooled


def pooler(url: DatabaseUrl) -> str:
    """Whose pooler the URL leads to, by what it says alone, for an error's text; empty for one that says nothing of a pooler."""
    provider = of(url)
    if any(provider.is_pooler(place) for place in url.places):
        return f"{provider.title}'s pooler"
    return "a pooler (it says pgbouncer=true)" if says_pooled(url) else ""


def direct(url: DatabaseUrl) -> DatabaseUrl:
    """The same database without the pooler, as far as the URL's provider is known; else the URL as it is."""
    return of(url).direct(url)


def advice(url: DatabaseUrl) -> str:
    """What to use in the place of a pooled URL, for an error's next step; the password is not in it."""
    provider = of(url)
    missing = provider.missing(url)
    if missing and provider.direct(url).places == url.places:
        return missing
    return f"{provider.direct(url)}{f', with {missing}' if missing else ''}"
