"""Walk along one table's chains, tenant after tenant, and note where a row does not follow from the one before it."""

import hashlib
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infraops_core.audit.chain.anchors import Anchor
from infraops_core.audit.chain.findings import Break, Finding, Kind, Link
from infraops_core.audit.chain.heads import Head
from infraops_core.audit.chain.record import GENESIS, Chain

if TYPE_CHECKING:
    from psycopg import Connection, sql
    from psycopg.abc import Buffer

_EVERY = 100_000

# A row as COPY sends it in binary: PostgreSQL documentation, "COPY", section "Binary Format".
_HEADER = b"PGCOPY\n\xff\r\n\x00"
_HEADER_BYTES = 19
_RECORD = 54  # three fields before it: how many they are, the row's hash and position, each after its length
_FIELD_HEAD = 8  # inside a record: a field's type and length


@dataclass
class Walk:
    """What was met along the chains of one table.

    :param anchors: by tenant.
    :param heads: of this chain, of any tenants.
    """

    chain: Chain
    anchors: Mapping[str, Anchor]
    heads: Iterable[Head]
    breaks: list[Break] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    rows: int = 0
    tenants: int = 0
    compared: int = 0

    def __post_init__(self) -> None:
        self._tenant = ""
        self._broken = False
        self._anchored = set(self.anchors)  # tenants whose rows are still to come
        self._unseen: dict[str, list[Head]] = {}  # heads not passed yet, the nearest last
        for head in sorted(self.heads, key=lambda head: -head.seq):
            self._unseen.setdefault(head.tenant, []).append(head)

    def over(self, connection: "Connection", tenant: str, progress: Callable[[str, int], None] | None) -> None:
        """Walk to the end, as of the connection's snapshot; along one tenant's chain only, if one is named."""
        before = 4 + _FIELD_HEAD + len(self.chain.name) + _FIELD_HEAD
        fields = struct.Struct(f">6x32s4xQ4x{before}x32s")
        unpack, sha256 = fields.unpack_from, hashlib.sha256
        last, due, head = GENESIS, 0, 0
        # This loop sees every row, hence its short names and its one comparison; whatever is not plain goes to _step.
        with connection.cursor().copy(self._statement(tenant)) as copied:
            for data in copied:
                if not self.rows and data[: len(_HEADER)] == _HEADER:
                    data = data[_HEADER_BYTES:]  # noqa: PLW2901
                if len(data) < fields.size:  # the header alone, or the end
                    continue
                row_hash, seq, prev_hash = unpack(data)
                intact = sha256(data[_RECORD:]).digest() == row_hash
                if intact and prev_hash == last and seq == due and due != head:
                    last = row_hash
                    due += 1
                else:
                    whose = _text(data, fields.size)
                    last, due, head = self._step(whose, seq, prev_hash, row_hash, intact, last=Link(due - 1, last, is_row=True))
                self.rows += 1
                if progress and not self.rows % _EVERY:
                    progress(self.chain.table, self.rows)
        self._leave(due - 1)
        self._missed()
        if progress:
            progress(self.chain.table, self.rows)

    def _statement(self, tenant: str) -> "sql.Composed":
        from psycopg import sql

        return sql.SQL("copy (select row_hash, seq, {record} from {table} {which} order by tenant_id, seq) to stdout binary").format(
            record=sql.SQL(self.chain.record),
            table=sql.Identifier("infraops_audit", self.chain.table),
            which=sql.SQL("where tenant_id = {}").format(tenant) if tenant else sql.SQL(""),
        )

    def _step(self, tenant: str, seq: int, prev_hash: bytes, row_hash: bytes, intact: bool, *, last: Link) -> tuple[bytes, int, int]:
        """One row that needs a closer look; the hash and position that the next is to follow, and the next head's position."""
        if tenant != self._tenant or not self.tenants:
            self._leave(last.seq)
            last = self._enter(tenant)
        if not self._broken and not (intact and prev_hash == last.row_hash and seq == last.seq + 1):
            self.breaks.append(Break(self.chain, tenant, last, seq, prev_hash, row_hash, intact))
            self._broken = True
        heads = self._unseen.get(tenant, [])
        while heads and heads[-1].seq == seq and not self._broken:
            self._compare(heads.pop(), row_hash)
        if self._broken:
            return b"", 0, 0
        return row_hash, seq + 1, heads[-1].seq if heads else 0

    def _enter(self, tenant: str) -> Link:
        self._tenant, self._broken = tenant, False
        self._anchored.discard(tenant)
        self.tenants += 1
        anchor = self.anchors.get(tenant)
        if anchor is None:
            return Link(0, GENESIS, is_row=False)
        heads = self._unseen.get(tenant, [])
        while heads and heads[-1].seq <= anchor.seq:
            head = heads.pop()
            if head.seq == anchor.seq:  # of an older one nothing is left to compare it with
                self._compare(head, anchor.row_hash)
        return Link(anchor.seq, anchor.row_hash, is_row=False)

    def _compare(self, head: Head, row_hash: bytes) -> None:
        self.compared += 1
        if head.row_hash != row_hash:
            detail = "it is not the row whose hash was signed; it or one before it was changed, and all from there hashed anew"
            self.findings.append(Finding(self.chain.table, head.tenant, head.seq, Kind.CHANGED, detail))
            self._broken = True

    def _leave(self, seq: int) -> None:
        """The tenant's rows have ended at `seq`."""
        heads = self._unseen.pop(self._tenant, [])
        if heads and not self._broken:
            detail = f"the chain ends at row {seq}, and row {heads[0].seq} was signed"
            self.findings.append(Finding(self.chain.table, self._tenant, seq + 1, Kind.TAIL_CUT, detail))
            self.compared += len(heads)

    def _missed(self) -> None:
        """Tenants that heads or anchors tell of and that have no row any more."""
        for tenant in sorted(self._anchored | set(self._unseen)):
            anchor, heads = self.anchors.get(tenant), self._unseen.get(tenant, [])
            known = max([head.seq for head in heads] + ([anchor.seq] if anchor else []))
            detail = f"the chain has no row at all, and {'row' if heads else 'an anchor at row'} {known} is known of it"
            self.findings.append(Finding(self.chain.table, tenant, anchor.seq + 1 if anchor else 1, Kind.TAIL_CUT, detail))
            self.compared += len(heads)


def _text(data: "Buffer", at: int) -> str:
    """The text of the record's field that begins at `at`."""
    length = int.from_bytes(data[at + 4 : at + _FIELD_HEAD])
    return bytes(data[at + _FIELD_HEAD : at + _FIELD_HEAD + length]).decode()
