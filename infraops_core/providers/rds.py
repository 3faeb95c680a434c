"""Amazon RDS for PostgreSQL, and RDS Proxy, which pools for it and for Aurora."""

from infraops_core.database_url import Place
from infraops_core.providers.facts import Fact, Facts
from infraops_core.providers.provider import Provider
from infraops_core.tls import Tls

DOMAINS = (".rds.amazonaws.com",)
TRUST = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem; for RDS Proxy the roots of Amazon Trust Services"
_PROXY = "proxy-"


class Rds(Provider):
    """What RDS and Aurora have in common: a proxy in front of either has a host of its own, which doesn't tell whose it is."""

    def is_pooler(self, place: Place) -> bool:
        return any(label.startswith(_PROXY) for label in place.host.lower().split(".")[1:])


_USER_GUIDE = "Amazon RDS User Guide"
PROXY_POOLING = Fact(
    "RDS Proxy at `NAME.proxy-ID.REGION.rds.amazonaws.com`: it changes server connections between transactions, unless it pins the "
    "session because of what it sees (SET, PREPARE, temporary tables). The host behind it can't be derived",
    f'{_USER_GUIDE}, "RDS Proxy concepts and terminology": Connection pooling; "Avoiding pinning an RDS Proxy"',
)

RDS = Rds(
    name="rds",
    title="Amazon RDS",
    hosted=True,
    tls=Tls.VERIFY_FULL,
    domains=DOMAINS,
    extensions=frozenset({"vector"}),
    facts=Facts(
        hosts=Fact(
            "`NAME.ID.REGION.rds.amazonaws.com`; an Aurora instance's has the same form",
            f'{_USER_GUIDE}, "Connecting to a Multi-AZ DB cluster": Types of Multi-AZ DB cluster endpoints',
        ),
        tls=Fact(
            "required from version 15 on (`rds.force_ssl`=1 by default); the certificate names the endpoint",
            f'{_USER_GUIDE}, "Using SSL with a PostgreSQL DB instance"; "Updating applications to connect to PostgreSQL DB instances using '
            'new SSL/TLS certificates"',
        ),
        ca=Fact(
            TRUST,
            f'{_USER_GUIDE}, "Using SSL/TLS to encrypt a connection to a DB instance"; "RDS Proxy concepts and terminology": Using TLS/SSL '
            "with RDS Proxy",
        ),
        pooling=PROXY_POOLING,
        connections=Fact(
            "LEAST(DBInstanceClassMemory/9531392, 5000) unless the parameter group says otherwise",
            f'{_USER_GUIDE}, "Quotas and constraints for Amazon RDS": Maximum number of database connections',
        ),
        extensions=Fact(
            "`create extension`, the trusted ones by anybody, the others by rds_superuser; vector from 15.2 on. The table was not read "
            "name by name: `show rds.extensions`",
            f'{_USER_GUIDE}, "Supported PostgreSQL extension versions"; AWS What\'s New, 2023-05, for pgvector',
        ),
        logical_replication=Fact(
            "publishes and subscribes with the static parameter rds.logical_replication=1, after a reboot",
            f'{_USER_GUIDE}, "Performing logical replication for Amazon RDS for PostgreSQL"',
        ),
        replication_roles=Fact(
            "`grant rds_replication`, in place of the attribute",
            f'{_USER_GUIDE}, "Performing logical replication for Amazon RDS for PostgreSQL"',
        ),
        backups=Fact(
            "automated ones with point-in-time recovery, 0 to 35 days; 7 from the console, 1 from CLI and API by default",
            f'{_USER_GUIDE}, "Backup retention period"',
        ),
    ),
    prices="https://aws.amazon.com/rds/postgresql/pricing/",
)
