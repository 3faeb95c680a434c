"""Google Cloud SQL: mostly an IP address or a proxy on this machine, which no host tells."""

from infraops_core.database_url import Place
from infraops_core.providers.facts import Fact, Facts
from infraops_core.providers.provider import Provider
from infraops_core.tls import Tls

_DIRECT_PORT, _POOL_PORT = 5432, 6432


class _CloudSql(Provider):
    def is_pooler(self, place: Place) -> bool:
        return place.port == _POOL_PORT

    def behind(self, place: Place) -> Place:
        return Place(place.host, _DIRECT_PORT) if self.is_pooler(place) else place

    def in_front(self, place: Place) -> Place | None:
        return Place(place.host, _POOL_PORT) if place.port == _DIRECT_PORT else None


_MCP = 'Cloud SQL Docs, "Managed Connection Pooling overview"'
_SSL = 'Cloud SQL Docs, "Authorize with SSL/TLS certificates"'

CLOUD_SQL = _CloudSql(
    name="cloud-sql",
    title="Google Cloud SQL",
    hosted=True,
    tls=Tls.REQUIRE,
    domains=(".sql.goog",),
    on_loopback=True,
    facts=Facts(
        hosts=Fact(
            "`ID.ID.REGION.sql.goog` where the instance has a DNS name. A public or private IP and the Cloud SQL Auth Proxy on loopback "
            "can't be recognised: say `cloud-sql` then",
            'Querycop Docs, "Google Cloud SQL for PostgreSQL": Gotchas; the form is that of public repositories',
        ),
        tls=Fact(
            "takes connections without TLS unless the instance allows only encrypted ones; the Auth Proxy encrypts by itself",
            'Cloud SQL Docs, "Configure SSL/TLS certificates": Enforce SSL/TLS encryption',
        ),
        ca=Fact(
            "the instance's Connections page, Security. verify-full needs a DNS name in the certificate: with the default, a CA of the "
            "instance's own and an IP address, verify-ca is the most",
            f'{_SSL}: Server certificates; "Manage SSL/TLS certificates"; Querycop Docs, "Google Cloud SQL for PostgreSQL"',
        ),
        pooling=Fact(
            "Managed Connection Pooling (Enterprise Plus) on port 6432, the database on 5432; its mode is a setting, transaction the first",
            f"{_MCP}: Ports, Pooling options",
        ),
        connections=Fact(
            "by memory, 25 for db-f1-micro, unless the flag `max_connections` says otherwise",
            'Cloud SQL Docs, "FAQ"; Google\'s G. Otochkin, "Demystifying max connections limit in Cloud SQL for PostgreSQL"',
        ),
        extensions=Fact(
            "`create extension` as a member of cloudsqlsuperuser, and only what Cloud SQL supports; the list was not read name by name",
            'Cloud SQL Docs, "Configure PostgreSQL extensions"',
        ),
        logical_replication=Fact(
            "publishes and subscribes with the flag cloudsql.logical_decoding=on, after a restart",
            'Cloud SQL Docs, "Set up logical replication and decoding"',
        ),
        replication_roles=Fact(
            "yes: cloudsqlsuperuser may make them",
            'Cloud SQL Docs, "About PostgreSQL users and roles": Superuser restrictions and privileges',
        ),
        backups=Fact(
            "automated ones, the last 7 (Enterprise) or 15 (Enterprise Plus) kept, 1 to 365 as a setting",
            'Cloud SQL Docs, "About Cloud SQL backups"',
        ),
    ),
    prices="https://cloud.google.com/sql/pricing",
)
