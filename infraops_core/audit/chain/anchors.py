"""Anchors: where a chain begins whose oldest rows were pruned."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from infraops_core.audit.chain import heads, keys
from infraops_core.audit.chain.findings import Finding, Kind
from infraops_core.audit.chain.heads import Head
from infraops_core.errors import UserError

if TYPE_CHECKING:
    from psycopg import Connection

_NEWEST = """
select distinct on (chain, tenant_id) chain, tenant_id, seq, coalesce(row_hash, ''), coalesce(signed_head::text, '')
from infraops_audit.chain_anchors where %(tenant)s in ('', tenant_id) order by chain, tenant_id, seq desc
"""


@dataclass(frozen=True)
class Anchor:
    """The newest row that was removed from a tenant's chain; the rest follows from it."""

    seq: int
    row_hash: bytes


def newest(connection: "Connection", tenant: str, key: bytes | None) -> tuple[dict[tuple[str, str], Anchor], list[Finding]]:
    """Each chain's newest anchor by (chain, tenant), and what is wrong with those that are not signed as they must be.

    :param tenant: this one's only; all of them, where it is empty.
    :param key: the public key they have to be signed with; any, where it is None.
    """
    anchors: dict[tuple[str, str], Anchor] = {}
    findings: list[Finding] = []
    for chain, name, seq, row_hash, document in connection.execute(_NEWEST, {"tenant": tenant}):
        anchors[chain, name] = Anchor(seq, bytes(row_hash))
        problem = _problem(Head(name, chain, seq, bytes(row_hash)), document, key)
        if problem:
            findings.append(Finding(chain, name, seq, Kind.BAD_ANCHOR, problem))
    return anchors, findings


def _problem(head: Head, document: str, key: bytes | None) -> str:
    try:
        signed = heads.read(document, "anchor", form=heads.ANCHOR_FORMAT)
    except UserError as refused:
        return refused.what
    if signed.heads != (head,):
        return "the head that was signed is another"
    if key is not None and signed.public_key != key:
        return f"it is signed with another key, {keys.fingerprint(signed.public_key)}"
    return ""
