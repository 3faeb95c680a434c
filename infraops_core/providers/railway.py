"""Railway: a Postgres from a template, one's own to look after, reached through a TCP proxy or the project's private network."""

from infraops_core.providers.facts import Fact, Facts
from infraops_core.providers.provider import Provider
from infraops_core.tls import Tls

_POSTGRES = 'Railway Docs, "PostgreSQL"'

RAILWAY = Provider(
    name="railway",
    title="Railway",
    hosted=True,
    tls=Tls.REQUIRE,
    domains=(".proxy.rlwy.net", ".railway.internal", ".railway.app"),
    facts=Facts(
        hosts=Fact(
            "`NAME.proxy.rlwy.net` with a port of the proxy's, `SERVICE.railway.internal` inside the project; older proxies had "
            "`.railway.app`. A domain of one's own can lead to the proxy, and no host tells that",
            'Railway Docs, "TCP Proxy"; "Private Networking"',
        ),
        tls=Fact("the image has TLS on, and doesn't insist on it", f'{_POSTGRES}; README of "postgres-ssl"'),
        ca=Fact(
            "none to have: each server signs its own certificate when it is made, for 820 days",
            'README of "postgres-ssl": Certificate expiry',
        ),
        pooling=Fact(
            "none unless added. PgBouncer of its own in front, in transaction mode by default: then `DATABASE_URL` is pooled and "
            "`DATABASE_UNPOOLED_URL` direct, and neither can be derived from the other; put pgbouncer=true into the pooled one",
            'Railway Docs, "PostgreSQL Connection Pooling": Connection strings',
        ),
        connections=Fact("the server's own `max_connections`, which can be set", f"{_POSTGRES}: Modifying the Postgres configuration"),
        extensions=Fact(
            "the default template gets none beyond its image; pgvector, PostGIS and Timescale have templates of their own",
            f"{_POSTGRES}: Extensions",
        ),
        logical_replication=Fact(
            "not found; `alter system` is open, and with it wal_level, after a restart",
            f"{_POSTGRES}: Modifying the Postgres configuration",
        ),
        backups=Fact(
            "none until scheduled: of the volume, daily (kept 6 days), weekly (1 month) or monthly (3 months); wiping the volume deletes "
            "them",
            'Railway Docs, "Backups"',
        ),
    ),
    prices="https://railway.com/pricing",
)
