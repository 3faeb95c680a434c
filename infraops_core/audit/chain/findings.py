"""What a broken chain looks like, and telling from the rows around the break how it came about."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from infraops_core.audit.chain.record import Chain

if TYPE_CHECKING:
    from psycopg import Connection


class Kind(StrEnum):
    """What was done to a chain."""

    CHANGED = "changed"
    MISSING = "missing"
    REORDERED = "reordered"
    INSERTED = "inserted"
    TAIL_CUT = "tail cut"
    BAD_ANCHOR = "bad anchor"


@dataclass(frozen=True)
class Link:
    """A place in a chain: a row's position and hash, or those of the anchor or the beginning before the first row."""

    seq: int
    row_hash: bytes
    is_row: bool


@dataclass(frozen=True)
class Break:
    """The first row of a tenant that does not follow from what is before it.

    :param intact: whether the row's content fits its own hash.
    """

    chain: Chain
    tenant: str
    before: Link
    seq: int
    prev_hash: bytes
    row_hash: bytes
    intact: bool


@dataclass(frozen=True)
class Finding:
    """The first bad row of one tenant's chain; `seq` 0 where there is no row to name."""

    chain: str
    tenant: str
    seq: int
    kind: Kind
    detail: str

    def __str__(self) -> str:
        return f"{self.chain}, tenant {self.tenant}, row {self.seq}: {self.kind} ({self.detail})"


def explain(connection: "Connection", found: Break) -> Finding:
    """How the break came about, as far as the rows can tell; looked up by the connection that met it."""
    kind, seq, detail = _kind(connection, found)
    return Finding(found.chain.table, found.tenant, seq, kind, detail)


def _kind(connection: "Connection", found: Break) -> tuple[Kind, int, str]:
    before, seq = found.before, found.seq
    if seq <= before.seq:
        if before.is_row:
            return Kind.INSERTED, seq, "there are two rows at this position"
        return Kind.INSERTED, seq, f"the chain begins after row {before.seq}, as its anchor says, and here is an older row"
    if seq > before.seq + 1:
        gone = f"row {seq - 1} is" if seq == before.seq + 2 else f"rows {before.seq + 1} to {seq - 1} are"
        return Kind.MISSING, before.seq + 1, f"{gone} not there"
    follower = _prev_hash_at(connection, found, seq + 1)
    if not found.intact:
        if follower == before.row_hash:
            return Kind.INSERTED, seq, "its content does not fit its hash, and the row after it was written after the one before it"
        return Kind.CHANGED, seq, "its content does not fit its hash"
    written_after = _position_of(connection, found, found.prev_hash)
    if written_after is not None and written_after > seq:
        return Kind.REORDERED, seq, f"it was written after the row that is now at {written_after}"
    if follower == before.row_hash:
        return Kind.INSERTED, seq, "the row after it was written after the one before it"
    if written_after is not None:
        rows = f"row {before.seq} was" if written_after + 1 == before.seq else f"rows {written_after + 1} to {before.seq} were"
        return Kind.INSERTED, written_after + 1, f"row {seq} was written after row {written_after}; {rows} put between them"
    if not before.is_row:
        return Kind.MISSING, seq, "the rows it was written after are not there, and the rest was numbered anew"
    return Kind.CHANGED, before.seq, f"row {seq} was written after another row than this: one rewritten with its hash, or since removed"


def _prev_hash_at(connection: "Connection", found: Break, seq: int) -> bytes | None:
    statement = f"select prev_hash from infraops_audit.{found.chain.table} where tenant_id = %s and seq = %s"  # noqa: S608
    row = connection.execute(statement.encode(), [found.tenant, seq]).fetchone()
    return bytes(row[0]) if row and row[0] is not None else None


def _position_of(connection: "Connection", found: Break, row_hash: bytes) -> int | None:
    statement = f"select seq from infraops_audit.{found.chain.table} where tenant_id = %s and row_hash = %s limit 1"  # noqa: S608
    row = connection.execute(statement.encode(), [found.tenant, row_hash]).fetchone()
    return row[0] if row else None
