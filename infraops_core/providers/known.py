"""Which providers there are, and whose a URL is."""

from infraops_core.database_url import DatabaseUrl
from infraops_core.errors import UserError
from infraops_core.providers.aurora import AURORA
from infraops_core.providers.cloud_sql import CLOUD_SQL
from infraops_core.providers.crunchy_bridge import CRUNCHY_BRIDGE
from infraops_core.providers.digitalocean import DIGITALOCEAN
from infraops_core.providers.neon import NEON
from infraops_core.providers.postgres import DOCKER, LOCAL, POSTGRES
from infraops_core.providers.provider import Provider
from infraops_core.providers.railway import RAILWAY
from infraops_core.providers.rds import RDS
from infraops_core.providers.render import RENDER
from infraops_core.providers.supabase import SUPABASE

ALL: tuple[Provider, ...] = (
    NEON, SUPABASE, RAILWAY, DIGITALOCEAN, RENDER, CRUNCHY_BRIDGE, CLOUD_SQL, AURORA, RDS, POSTGRES, LOCAL, DOCKER,
)  # fmt: skip
"""In the order they are asked: a host of AURORA's is one of RDS' as well."""


def of(url: DatabaseUrl) -> Provider:
    """Whose database the URL names, by its hosts; the plain one where no provider recognises them, as on loopback."""
    return next((provider for provider in ALL if provider.recognises(url)), POSTGRES)


def named(name: str) -> Provider:
    """The provider that `DATABASE_PROVIDER` names.

    :raises UserError: listing the names there are.
    """
    for provider in ALL:
        if provider.name == name:
            return provider
    raise UserError(f"there is no provider {name!r}", where="DATABASE_PROVIDER", next=f"use one of {', '.join(p.name for p in ALL)}")


def fits(provider: Provider, url: DatabaseUrl) -> bool:
    """Whether the URL may be one of the provider's, as somebody says: by its host, or by one that no provider recognises.

    The latter are addresses and domains of one's own. On loopback only who can be reached there fits. Two providers with the
    same domains can't always be told apart by a host.
    """
    if url.is_loopback:
        return provider.on_loopback
    if not provider.hosted:
        return provider is of(url)
    whose = of(url)
    return whose is POSTGRES or whose.domains == provider.domains or provider.recognises(url)
