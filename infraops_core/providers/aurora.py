"""Amazon Aurora PostgreSQL: clusters with a writer's and a readers' host."""

from infraops_core.providers.facts import Fact, Facts
from infraops_core.providers.rds import DOMAINS, PROXY_POOLING, TRUST, Rds
from infraops_core.tls import Tls

_CLUSTER = "cluster-"


class _Aurora(Rds):
    def is_host(self, host: str) -> bool:
        labels = host.split(".")
        return super().is_host(host) and len(labels) > 1 and labels[1].startswith(_CLUSTER)


_USER_GUIDE = "Amazon Aurora User Guide"
_REPOST = "AWS re:Post, knowledge-center"

AURORA = _Aurora(
    name="aurora",
    title="Amazon Aurora",
    hosted=True,
    tls=Tls.VERIFY_FULL,
    domains=DOMAINS,
    extensions=frozenset({"btree_gin", "btree_gist", "citext", "cube"}),
    facts=Facts(
        hosts=Fact(
            "`NAME.cluster-ID.REGION.rds.amazonaws.com` writes, `NAME.cluster-ro-ID.…` reads only. RDS' own Multi-AZ clusters have "
            "the same form, and an Aurora instance's host is like RDS': say which then",
            f'{_USER_GUIDE}, "Amazon Aurora endpoint connections"; Amazon RDS User Guide, "Connecting to a Multi-AZ DB cluster"',
        ),
        tls=Fact(
            "accepted always, required where `rds.force_ssl`=1",
            f"{_REPOST}/aurora-postgresql-ssl-certificates",
        ),
        ca=Fact(
            TRUST,
            f'{_REPOST}/aurora-postgresql-ssl-certificates; Amazon RDS User Guide, "RDS Proxy concepts and terminology": Using TLS/SSL '
            "with RDS Proxy",
        ),
        pooling=PROXY_POOLING,
        connections=Fact(
            "by instance class or capacity units; the numbers were not found",
            f'{_USER_GUIDE}, "Performance and scaling for Amazon Aurora PostgreSQL": Maximum connections',
        ),
        extensions=Fact(
            "`create extension`; the table was read down to the letter c for version 17",
            'Aurora PostgreSQL Release Notes, "Extension versions for Amazon Aurora PostgreSQL"',
        ),
        logical_replication=Fact(
            "publishes and subscribes with rds.logical_replication=1, after a reboot",
            f"{_REPOST}/rds-postgresql-use-logical-replication",
        ),
        replication_roles=Fact(
            "`grant rds_replication`, in place of the attribute",
            'Amazon RDS User Guide, "Performing logical replication for Amazon RDS for PostgreSQL"',
        ),
        idle=Fact(
            "Serverless v2 with a minimum of 0 capacity units pauses after 5 minutes to a day without a user's connection, as set, and "
            "wakes on the next one",
            f'{_USER_GUIDE}, "Scaling to Zero ACUs with automatic pause and resume for Aurora Serverless v2"; RDS API Reference, '
            '"ServerlessV2ScalingConfiguration"',
        ),
    ),
    prices="https://aws.amazon.com/rds/aurora/pricing/",
)
