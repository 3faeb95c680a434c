"""Retention: remove a tenant's oldest rows, and leave a signed anchor from which the rest still verifies."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from infraops_core.audit.chain.heads import ANCHOR_FORMAT, Head, sign
from infraops_core.audit.chain.record import CHAINS, Chain
from infraops_core.audit.chain.verify import Progress, one_moment, verify
from infraops_core.errors import ExitCode, UserError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from psycopg import Connection


@dataclass(frozen=True)
class Pruned:
    """What went of one chain: how many rows, and the head of what went."""

    head: Head
    rows: int


def prunable(connection: "Connection", tenant: str, before: datetime) -> list[Head]:
    """Where each of the tenant's chains would be cut for everything recorded before `before` to go.

    A chain whose rows are all younger has none. The newest row of a chain always stays.
    """
    heads = [_cut(connection, chain, tenant, before) for chain in CHAINS]
    return [head for head in heads if head is not None]


def prune(connection: "Connection", heads: list[Head], key: "Ed25519PrivateKey", *, progress: Progress | None = None) -> list[Pruned]:
    """Remove what `prunable` named, all of it or nothing, once the tenant's chains have been verified.

    :param connection: the owner's, autocommit.
    :raises UserError: with exit code 2 when a chain is not whole: what is wrong with it would be gone with its rows.
    """
    from psycopg.types.json import Jsonb

    for tenant in {head.tenant for head in heads}:
        with one_moment(connection):
            verdict = verify(connection, tenant=tenant, progress=progress)
        if verdict.findings:
            raise UserError(f"nothing was pruned, for the chain is not whole: {verdict.findings[0]}", where=f"tenant {tenant}",
                            next="infraops audit verify, and keep the rows until it is known what happened",
                            code=ExitCode.FOUND_BAD)  # fmt: skip
    pruned = []
    with connection.transaction():
        for head in heads:
            arguments = [head.tenant, head.chain, head.seq, Jsonb(sign([head], key, form=ANCHOR_FORMAT))]
            row = connection.execute("select infraops_audit.prune(%s, %s, %s, %s)", arguments).fetchone()
            assert row is not None
            pruned.append(Pruned(head, row[0]))
    return pruned


def _cut(connection: "Connection", chain: Chain, tenant: str, before: datetime) -> Head | None:
    # The first row to stay is found by walking the index on (tenant_id, seq) from the oldest row on.
    table = f"infraops_audit.{chain.table}"
    statement = f"""
        with stays as (
            select coalesce(
                (select seq from {table} where tenant_id = %(tenant)s and recorded_at >= %(before)s order by seq limit 1),
                (select max(seq) from {table} where tenant_id = %(tenant)s)
            ) as seq
        )
        select t.seq, t.row_hash from {table} t, stays where t.tenant_id = %(tenant)s and t.seq = stays.seq - 1
    """  # noqa: S608, a name of ours
    row = connection.execute(statement.encode(), {"tenant": tenant, "before": before}).fetchone()
    return Head(tenant, chain.table, row[0], bytes(row[1])) if row else None
