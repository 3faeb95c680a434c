"""Supabase: a Postgres a project, with a shared pooler in front that wants the project in the user's name."""

from infraops_core.database_url import DatabaseUrl, Place
from infraops_core.errors import UserError
from infraops_core.providers.facts import Fact, Facts
from infraops_core.providers.provider import Provider, where
from infraops_core.tls import Tls

_TRANSACTION_PORT, _SESSION_PORT = 6543, 5432
_SHARED_POOLER = ".pooler.supabase.com"


class _Supabase(Provider):
    def is_pooler(self, place: Place) -> bool:
        return place.port == _TRANSACTION_PORT

    def behind(self, place: Place) -> Place:
        return Place(place.host, _SESSION_PORT) if self.is_pooler(place) else place

    def in_front(self, place: Place) -> Place | None:
        return Place(place.host, _TRANSACTION_PORT) if place.port == _SESSION_PORT else None

    def login(self, role: str, like: DatabaseUrl) -> str:
        _, dot, project = like.user.rpartition(".")
        return f"{role}{dot}{project}" if dot and _shared(like) else role

    def role(self, url: DatabaseUrl) -> str:
        role, dot, _ = url.user.rpartition(".")
        return role if dot and _shared(url) else url.user

    def check(self, url: DatabaseUrl) -> None:
        super().check(url)
        if _shared(url) and "." not in url.user and "reference=" not in url.parameter("options"):
            raise UserError(
                f"Supabase's shared pooler finds the project by the user name, and {url.user} names none",
                where=where(url),
                next=f"write the user as {url.user}.PROJECT; the project's reference is in its dashboard under Connect",
            )


def _shared(url: DatabaseUrl) -> bool:
    return any(place.host.lower().rstrip(".").endswith(_SHARED_POOLER) for place in url.places)


_CONNECT = 'Supabase Docs, "Connect to your database"'
_POOLING = 'Supabase Docs, "Connection pooling and limits"'

SUPABASE = _Supabase(
    name="supabase",
    title="Supabase",
    hosted=True,
    tls=Tls.REQUIRE,
    domains=(".supabase.com", ".supabase.co"),
    extensions=frozenset(
        {
            "btree_gin", "btree_gist", "citext", "cube", "dict_int", "earthdistance", "fuzzystrmatch", "hstore", "intarray", "isn", "ltree",
            "pg_stat_statements", "pg_trgm", "pgcrypto", "plpgsql", "postgres_fdw", "tablefunc", "unaccent", "uuid-ossp", "vector",
        }
    ),
    facts=Facts(
        hosts=Fact("`db.PROJECT.supabase.co`, and `CLOUD-N-REGION.pooler.supabase.com` for the shared pooler", _CONNECT),
        tls=Fact("takes connections without TLS unless the project enforces it", 'Supabase Docs, "Postgres SSL Enforcement"'),
        ca=Fact(
            "the project's dashboard, Database Settings, SSL Configuration",
            'Supabase Docs, "Postgres SSL Enforcement": A note about Postgres SSL modes',
        ),
        pooling=Fact(
            "port 6543 is in transaction mode, of the shared pooler and of the dedicated one (paid plans; the database's own host). On "
            "5432 the shared pooler gives a session, and the database's host is direct: IPv6, or IPv4 as an add-on. The shared pooler "
            "wants the user as ROLE.PROJECT",
            f'{_CONNECT}; {_POOLING}; Supavisor, "Connecting: Overview" for the user',
        ),
        connections=Fact(
            "by compute size, 60 (Nano, Micro) to 500 (12XL, 16XL), and can be set; 200 to 12,000 clients at the pooler",
            'Supabase Docs, "Compute and Disk": Postgres replication slots, WAL senders, and connections',
        ),
        statements=Fact(
            "2 minutes unless a role or session sets its own `statement_timeout`; not in transaction mode", 'Supabase Docs, "Timeouts"'
        ),
        extensions=Fact(
            "`create extension`, most of them into the schema `extensions`; all four of uuid-ossp, pgcrypto, pg_trgm and vector",
            'Supabase Docs, "Postgres Extensions Overview", and its list',
        ),
        logical_replication=Fact(
            "publishes over the direct host; can't subscribe: CREATE SUBSCRIPTION is not supported",
            'Supabase Docs, "Replicate to another Postgres database using Logical Replication"; "Roles, superuser access and unsupported '
            'operations"',
        ),
        replication_roles=Fact(
            "`create role … with replication` as postgres; an older copy of the second page still refused it",
            'Supabase Docs, "Replicate to another Postgres database using Logical Replication"; "Roles, superuser access and unsupported '
            'operations"',
        ),
        idle=Fact(
            "a project of the Free plan with little activity over 7 days is paused, and can be restored for a year; paid ones are not",
            'Supabase Docs, "Project Pausing"',
        ),
        backups=Fact(
            "daily ones of paid plans, kept 7 (Pro), 14 (Team) or 30 days (Enterprise); point-in-time recovery as an add-on; the passwords "
            "of one's own roles are not in the daily ones",
            'Supabase Docs, "Database Backups"',
        ),
    ),
    prices="https://supabase.com/pricing",
)  # fmt: skip
