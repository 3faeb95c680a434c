"""Verify the hash chains: every row fits its hash and follows from the one before it, and signed heads are still there.

The rows' records come over COPY, in chain order and as of one moment, and are hashed here: what the server thinks of its
own hashes does not count. Memory does not grow with the number of rows.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infraops_core.audit.chain import anchors
from infraops_core.audit.chain.findings import Finding, explain
from infraops_core.audit.chain.heads import Head
from infraops_core.audit.chain.record import CHAINS
from infraops_core.audit.chain.walk import Walk

if TYPE_CHECKING:
    from psycopg import Connection

Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class Verdict:
    """What was looked at and what was found; without findings every chain is whole.

    :param chains: a tenant's rows in one table are one.
    :param heads: of those given, how many were compared with a row or an anchor.
    """

    rows: int
    chains: int
    heads: int
    findings: tuple[Finding, ...]


def verify(
    connection: "Connection", heads: Iterable[Head] = (), *, tenant: str = "", key: bytes | None = None, progress: Progress | None = None
) -> Verdict:
    """Look at every row of every tenant that the connection's role may see.

    :param connection: in `one_moment`, or in a transaction of the caller's; its role sees all tenants (`owner`, `readonly`).
    :param heads: chain heads exported earlier; a chain has to reach each of them still, with the same hash.
    :param tenant: look at this one only.
    :param key: the public key that anchors have to be signed with.
    :param progress: called now and then with a chain's name and the rows seen of it.
    """
    wanted = [head for head in heads if tenant in ("", head.tenant)]
    starts, findings = anchors.newest(connection, tenant, key)
    rows = chains = compared = 0
    for chain in CHAINS:
        walk = Walk(
            chain,
            {anchored: anchor for (table, anchored), anchor in starts.items() if table == chain.table},
            [head for head in wanted if head.chain == chain.table],
        )
        walk.over(connection, tenant, progress)
        findings += [explain(connection, broken) for broken in walk.breaks] + walk.findings
        rows, chains, compared = rows + walk.rows, chains + walk.tenants, compared + walk.compared
    return Verdict(rows, chains, compared, tuple(findings))


@contextmanager
def one_moment(connection: "Connection") -> Iterator[None]:
    """A transaction that sees all tables as of one moment and writes nothing; for an idle connection in autocommit."""
    connection.execute("set client_encoding = 'UTF8'")
    connection.execute("set jit = off")  # costs more than it gains here
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read read only")
        yield
