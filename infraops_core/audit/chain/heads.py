"""Chain heads: where each tenant's chains end, signed, so that a tail cut off later is noticed.

The document and how to check it without this program: docs/audit-heads.md.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from infraops_core.audit.chain import keys
from infraops_core.audit.chain.record import CHAINS
from infraops_core.errors import ExitCode, UserError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from psycopg import Connection

FORMAT = "infraops-audit-heads/1"
ANCHOR_FORMAT = "infraops-audit-anchor/1"  # another, or heads exported for verifying would do as leave to remove what is before them

# A tenant at a time by the index on (tenant_id, seq): a few rows read of each, however long its chain.
_NEWEST = """
with recursive tenants as (
    (select tenant_id from infraops_audit.{table} order by tenant_id limit 1)
    union all
    select (select tenant_id from infraops_audit.{table} t where t.tenant_id > tenants.tenant_id order by t.tenant_id limit 1)
    from tenants where tenants.tenant_id is not null
)
select tenant_id, newest.seq, newest.row_hash from tenants, lateral (
    select seq, row_hash from infraops_audit.{table} t where t.tenant_id = tenants.tenant_id order by seq desc limit 1
) newest where tenant_id is not null order by tenant_id
"""


@dataclass(frozen=True)
class Head:
    """The newest row of one tenant's chain at some moment; of an anchor, the newest that was removed."""

    tenant: str
    chain: str
    seq: int
    row_hash: bytes


@dataclass(frozen=True)
class SignedHeads:
    """A document whose signature fits the public key it names; whose key that is, its reader has to know."""

    heads: tuple[Head, ...]
    made_at: str
    public_key: bytes


def current(connection: "Connection") -> list[Head]:
    """The heads of every chain, as of the connection's snapshot."""
    return [
        Head(tenant, chain.table, seq, bytes(row_hash))
        for chain in CHAINS
        for tenant, seq, row_hash in connection.execute(_NEWEST.format(table=chain.table).encode())
    ]


def sign(heads: Iterable[Head], key: "Ed25519PrivateKey", *, form: str = FORMAT) -> dict[str, Any]:
    """The document that states `heads`, signed; plain JSON values.

    :param form: `ANCHOR_FORMAT` for the one head up to which rows are removed.
    """
    document: dict[str, Any] = {
        "format": form,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "heads": [{"tenant": head.tenant, "chain": head.chain, "seq": head.seq, "row_hash": head.row_hash.hex()} for head in heads],
        "public_key": base64.b64encode(keys.raw(key.public_key())).decode(),
    }
    return document | {"signature": base64.b64encode(key.sign(_signed_bytes(document))).decode()}


def read(text: str | bytes, where: str, *, form: str = FORMAT) -> SignedHeads:
    """The heads of a document whose signature is right.

    :param form: what the document has to be.
    :raises UserError: for text that is no such document; with exit code 2 when it was altered after it was signed.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise _not_heads(where, "it is not JSON") from None
    return check(document, where, form=form)


def check(document: object, where: str, *, form: str = FORMAT) -> SignedHeads:
    """As `read`, of a document that was parsed before."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if not isinstance(document, Mapping) or document.get("format") != form:
        raise _not_heads(where, f"its format is not {form}")
    try:
        heads = tuple(_head(entry) for entry in document["heads"])
        public = base64.b64decode(document["public_key"], validate=True)
        signature = base64.b64decode(document["signature"], validate=True)
        made_at = str(document["made_at"])
        key = Ed25519PublicKey.from_public_bytes(public)
    except (KeyError, TypeError, ValueError) as error:
        raise _not_heads(where, f"a part is missing or not as it must be ({error})") from None
    try:
        key.verify(signature, _signed_bytes({name: value for name, value in document.items() if name != "signature"}))
    except InvalidSignature:
        raise UserError("the heads were altered after they were signed", where=where, next="use the file as it was exported",
                        code=ExitCode.FOUND_BAD) from None  # fmt: skip
    return SignedHeads(heads, made_at, public)


def _head(entry: Mapping[str, Any]) -> Head:
    tenant, chain, seq, row_hash = entry["tenant"], entry["chain"], entry["seq"], bytes.fromhex(entry["row_hash"])
    if not isinstance(tenant, str) or chain not in {known.table for known in CHAINS} or type(seq) is not int or len(row_hash) != 32:
        raise ValueError(f"no head of a chain: {tenant!r}, {chain!r}, {seq!r}")
    return Head(tenant, chain, seq, row_hash)


def _signed_bytes(document: Mapping[str, Any]) -> bytes:
    """The document as it is signed: JSON with sorted names, no blanks, ASCII only."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _not_heads(where: str, why: str) -> UserError:
    return UserError(f"this is no file of chain heads: {why}", where=where, next="infraops audit heads --sign KEY.pem > heads.json",
                     code=ExitCode.COULD_NOT_CHECK)  # fmt: skip
