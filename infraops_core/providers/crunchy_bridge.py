"""Crunchy Bridge: a superuser of one's own, and PgBouncer on the next port."""

from infraops_core.database_url import Place
from infraops_core.providers.facts import Fact, Facts
from infraops_core.providers.provider import Provider
from infraops_core.tls import Tls

_DIRECT_PORT, _POOL_PORT = 5432, 5431


class _CrunchyBridge(Provider):
    def is_pooler(self, place: Place) -> bool:
        return place.port == _POOL_PORT

    def behind(self, place: Place) -> Place:
        return Place(place.host, _DIRECT_PORT) if self.is_pooler(place) else place

    def in_front(self, place: Place) -> Place | None:
        return Place(place.host, _POOL_PORT) if place.port == _DIRECT_PORT else None


_PGBOUNCER = 'Crunchy Bridge Docs, "PgBouncer"'

CRUNCHY_BRIDGE = _CrunchyBridge(
    name="crunchy-bridge",
    title="Crunchy Bridge",
    hosted=True,
    tls=Tls.REQUIRE,
    domains=(".postgresbridge.com",),
    extensions=frozenset({"vector"}),
    facts=Facts(
        hosts=Fact("`p.ID.db.postgresbridge.com`", _PGBOUNCER),
        tls=Fact("required", 'Crunchy Bridge Docs, "Connecting"'),
        ca=Fact(
            "`GET /teams/TEAM.pem` of its API, one for all clusters of a team, for verify-ca or verify-full; whether a certificate names "
            "its host: not found",
            'Crunchy Bridge Docs, "Certificate"',
        ),
        pooling=Fact(
            "PgBouncer in transaction mode on port 5431, the database on 5432 of the same host; needs `create extension crunchy_pooler` in "
            "each database, and lets no superuser and no role with REPLICATION in",
            f'{_PGBOUNCER}; Snowflake Docs, "Snowflake Postgres Connection Pooling", for the mode of the same pooler',
        ),
        connections=Fact("500 unless `max_connections` is set", _PGBOUNCER),
        extensions=Fact(
            "`create extension` as postgres, a superuser; vector. The page with the whole list was not found",
            'Crunchy Bridge Docs, "User management"; pgvector issue 54, "Hosted Providers"',
        ),
        logical_replication=Fact("on by default: wal_level=logical, 10 slots, 10 senders", 'Crunchy Bridge Docs, "Logical replication"'),
        replication_roles=Fact("yes: postgres is a superuser", 'Crunchy Bridge Docs, "Cluster role"'),
        idle=Fact("runs until it is suspended by hand; data and backups stay then", 'Crunchy Bridge Docs, "Backups": Backup retention'),
        backups=Fact(
            "a base backup a day and the WAL every minute or 16 MB, kept 10 days, restored as a fork; gone 5 days after the cluster",
            'Crunchy Bridge Docs, "Backups"',
        ),
    ),
    prices="https://www.crunchydata.com/pricing",
)
