"""DigitalOcean Managed PostgreSQL: pools have names of their own, in the place of the database's."""

from infraops_core.database_url import DatabaseUrl, Place
from infraops_core.providers.facts import Fact, Facts
from infraops_core.providers.provider import Provider
from infraops_core.tls import Tls

_DIRECT_PORT, _POOL_PORT = 25060, 25061


class _DigitalOcean(Provider):
    def is_pooler(self, place: Place) -> bool:
        return place.port == _POOL_PORT

    def behind(self, place: Place) -> Place:
        return Place(place.host, _DIRECT_PORT) if self.is_pooler(place) else place

    def missing(self, url: DatabaseUrl) -> str:
        if any(self.is_pooler(place) for place in url.places):
            return f"the database's own name in place of the pool's, {url.database}"
        return super().missing(url)


_POOLS = 'DigitalOcean Docs, "How to Manage Connection Pools for PostgreSQL Database Clusters"'

DIGITALOCEAN = _DigitalOcean(
    name="digitalocean",
    title="DigitalOcean",
    hosted=True,
    tls=Tls.VERIFY_FULL,
    domains=(".ondigitalocean.com",),
    extensions=frozenset({"vector"}),
    facts=Facts(
        hosts=Fact(
            "`NAME-do-user-N-N.X.db.ondigitalocean.com`, with `private-` before it inside the VPC",
            'DigitalOcean Docs, "Best Practices" for the private one; the form is that of connection strings in public repositories',
        ),
        tls=Fact(
            "its connection strings say sslmode=require; verify-full is how it says to secure a cluster further",
            'DigitalOcean Docs, "How to Secure PostgreSQL Managed Database Clusters" (its summary)',
        ),
        ca=Fact(
            "`doctl databases get-ca CLUSTER`, or the API's /v2/databases/CLUSTER/ca",
            'DigitalOcean Docs, "doctl databases get-ca"; "pydo.databases.get_ca()"',
        ),
        pooling=Fact(
            "PgBouncer on port 25061, the database on 25060 of the same host. The pool's name stands in place of the database's, so the "
            "direct URL needs that by hand, and the pooled one can't be derived. Each pool has a mode, transaction by default; a URL "
            "can't tell, and is taken to be that",
            f'{_POOLS}; Ansible module "database_connection_pool" for the default; the ports are those of public connection strings',
        ),
        connections=Fact("by memory; 22 for the smallest cluster", f"{_POOLS} (the page of 2019)"),
        extensions=Fact(
            "`create extension` as doadmin; vector. The page with the whole list was not found",
            'DigitalOcean Docs, "How to Enable pgvector"; "Supported PostgreSQL Extensions"',
        ),
        backups=Fact("point-in-time recovery over the last 7 days, into a new cluster", 'DigitalOcean Docs, "PostgreSQL Limits"'),
    ),
    prices="https://www.digitalocean.com/pricing/managed-databases",
)
