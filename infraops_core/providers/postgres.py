"""Plain Postgres: whoever runs it, no host tells; and our own targets on this machine."""

from infraops_core.providers.facts import NONE_OF_ITS_OWN, Fact, Facts
from infraops_core.providers.provider import Provider
from infraops_core.tls import Tls

POSTGRES = Provider(
    name="postgres",
    title="Postgres",
    hosted=False,
    tls=Tls.REQUIRE,
    on_loopback=True,
    facts=Facts(
        hosts=Fact("any that no provider recognises; every address, and loopback"),
        tls=Fact("on another machine sslmode=require or stronger; on loopback none"),
        ca=Fact("the one that signed the server's certificate"),
        pooling=Fact("a URL with pgbouncer=true is pooled; any other is asked how it behaves"),
        connections=NONE_OF_ITS_OWN,
        statements=NONE_OF_ITS_OWN,
        extensions=NONE_OF_ITS_OWN,
        logical_replication=NONE_OF_ITS_OWN,
        replication_roles=NONE_OF_ITS_OWN,
        idle=Fact("nothing"),
        backups=Fact("none by itself"),
    ),
)
LOCAL = Provider(name="local", title="Postgres on this machine", hosted=False, tls=Tls.DISABLE, on_loopback=True, facts=POSTGRES.facts)
DOCKER = Provider(
    name="docker", title="Postgres in a container on this machine", hosted=False, tls=Tls.DISABLE, on_loopback=True, facts=POSTGRES.facts
)
