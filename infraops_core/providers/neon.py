"""Neon: serverless Postgres with a pooler beside every endpoint."""

from infraops_core.database_url import Place
from infraops_core.providers.facts import Fact, Facts
from infraops_core.providers.provider import Provider
from infraops_core.tls import Tls

_ENDPOINT, _POOLER = "ep-", "-pooler"


class _Neon(Provider):
    def is_pooler(self, place: Place) -> bool:
        return place.host.partition(".")[0].lower().endswith(_POOLER)

    def behind(self, place: Place) -> Place:
        endpoint, dot, rest = place.host.partition(".")
        return Place(f"{endpoint[: -len(_POOLER)]}{dot}{rest}", place.port) if self.is_pooler(place) else place

    def in_front(self, place: Place) -> Place | None:
        endpoint, dot, rest = place.host.partition(".")
        return Place(f"{endpoint}{_POOLER}{dot}{rest}", place.port) if endpoint.lower().startswith(_ENDPOINT) else None


_POOLING = 'Neon Docs, "Connection pooling"'
_REPLICATION = 'Neon Docs, "Logical replication in Neon"'

NEON = _Neon(
    name="neon",
    title="Neon",
    hosted=True,
    tls=Tls.REQUIRE,
    domains=(".neon.tech",),
    most_connections=4000,
    extensions=frozenset(
        {
            "btree_gin", "btree_gist", "citext", "cube", "dict_int", "earthdistance", "fuzzystrmatch", "hstore", "intarray", "isn", "ltree",
            "pg_stat_statements", "pg_trgm", "pgcrypto", "plpgsql", "tablefunc", "unaccent", "uuid-ossp", "vector",
        }
    ),
    facts=Facts(
        hosts=Fact("`ep-NAME.REGION.CLOUD.neon.tech`", _POOLING),
        tls=Fact("refuses connections without TLS", 'Neon Docs, "Connect to Neon securely"'),
        ca=Fact(
            "sslrootcert=system, for its certificates are Let's Encrypt's, which every system trusts",
            'Neon Docs, "Connect to Neon securely": Location of system root certificates',
        ),
        pooling=Fact(
            "PgBouncer in transaction mode at `ep-NAME-pooler.…`, the database at `ep-NAME.…`, the same port; the proxy finds the "
            "endpoint by the name TLS sends (SNI)",
            f'{_POOLING}; "Connection errors" for SNI',
        ),
        connections=Fact(
            "by compute size, 104 (0.25 CU) to 4000 (9 CU and more), 7 of them reserved; 10,000 clients at the pooler", _POOLING
        ),
        extensions=Fact(
            "`create extension`; all four of uuid-ossp, pgcrypto, pg_trgm and vector", 'Neon Docs, "Supported Postgres extensions"'
        ),
        logical_replication=Fact(
            "publishes and subscribes once it is enabled for the project, which can't be undone and restarts its computes; a connected "
            "subscriber keeps the compute awake; an inactive slot is removed after about 40 hours",
            f"{_REPLICATION}: Important notices",
        ),
        replication_roles=Fact(
            "roles made in the console, by CLI or API have it; roles made by SQL don't, and it can't be granted",
            f"{_REPLICATION}: Replication roles",
        ),
        idle=Fact(
            "suspended after 5 minutes, awake again within some hundred milliseconds of the next query; paid plans can turn it off",
            'Neon Docs, "Scale to Zero"',
        ),
        backups=Fact(
            "a history to restore from: 6 hours on Free, 1 day by default and at most 7 (Launch) or 30 (Scale) days",
            'Neon Docs, "History window": Defaults and plan limits',
        ),
    ),
    prices="https://neon.com/pricing",
)  # fmt: skip
