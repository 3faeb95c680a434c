"""What is known of a provider, and who says so."""

from dataclasses import dataclass

READ = "2026-11"
"""When these pages were read, in stored copies that may be older than that."""


@dataclass(frozen=True)
class Fact:
    """One fact.

    :param source: the page's title and, after a colon, its section; empty where nothing was found, and then the text says so.
    :param read: year and month.
    """

    text: str
    source: str = ""
    read: str = READ

    def __str__(self) -> str:
        return self.text


NOT_FOUND = Fact("not found")
NONE_OF_ITS_OWN = Fact("whatever its server says")


@dataclass(frozen=True)
class Facts:
    """What one wants to know of a provider before going there; each field is a heading of docs/providers.md.

    :param hosts: how its hosts are named, and so recognised.
    :param tls: what it demands of a connection.
    :param ca: where the certificate of its authority comes from; ends the sentence "the CA: …".
    :param pooling: where a pooler answers and where the database itself, and how one is derived from the other.
    :param connections: how many a database takes.
    :param statements: how long a statement may take.
    :param extensions: how they are enabled, and which.
    :param logical_replication: whether it can publish and subscribe.
    :param replication_roles: whether a role with REPLICATION can be had.
    :param idle: what becomes of a database that nobody asks.
    :param backups: what it keeps by itself.
    """

    hosts: Fact = NOT_FOUND
    tls: Fact = NOT_FOUND
    ca: Fact = NOT_FOUND
    pooling: Fact = NOT_FOUND
    connections: Fact = NOT_FOUND
    statements: Fact = NOT_FOUND
    extensions: Fact = NOT_FOUND
    logical_replication: Fact = NOT_FOUND
    replication_roles: Fact = NOT_FOUND
    idle: Fact = NOT_FOUND
    backups: Fact = NOT_FOUND
