"""Walk along one table's chains, tenant after tenant, and note where a row does not follow from the one before it."""

import hashlib
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

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
_END_BYTES = 2
_LONGEST_OWNER = 4 + 63  # a tenant's name after its length; one that is longer is never plain, for no row of ours has it


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
        whose, fields = b"\0", struct.Struct(f">6x32s4xQ4x{before}x32s4x4s")
        sha256 = hashlib.sha256
        last, due, head = GENESIS, 0, 0
        # This loop sees every row, hence its short names; whatever is not plain goes to _step.
        with connection.cursor().copy(self._statement(tenant)) as copied:
            for data in copied:
                if not self.rows and data[: len(_HEADER)] == _HEADER:
                    data = data[_HEADER_BYTES:]  # noqa: PLW2901
                try:
                    row_hash, seq, prev_hash, owner = fields.unpack_from(data)
                except struct.error:
                    if len(data) <= _END_BYTES:  # the header alone, or the end
                        continue
                    owner = b""  # a row shorter than any with two whole hashes
                follows = owner == whose and prev_hash == last and seq == due and due != head
                if follows and sha256(data[_RECORD:]).digest() == row_hash:
                    last = row_hash
                    due += 1
                else:
                    row = _Row.read(data)
                    last, due, head = self._step(row, last=Link(due - 1, last, is_row=True))
                    whose = row.owner
                    fields = struct.Struct(f">6x32s4xQ4x{before}x32s4x{min(len(whose), _LONGEST_OWNER)}s")
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

    def _step(self, row: "_Row", *, last: Link) -> tuple[bytes, int, int]:
        """One row that needs a closer look; the hash and position that the next is to follow, and the next head's position."""
        if row.tenant != self._tenant or not self.tenants:
            self._leave(last.seq)
            last = self._enter(row.tenant)
        if not self._broken and not (row.intact and row.prev_hash == last.row_hash and row.seq == last.seq + 1):
            self.breaks.append(Break(self.chain, row.tenant, last, row.seq, row.prev_hash, row.row_hash, row.intact))
            self._broken = True
        heads = self._unseen.get(row.tenant, [])
        while heads and heads[-1].seq == row.seq and not self._broken:
            self._compare(heads.pop(), row.row_hash)
        if self._broken:
            return b"", 0, 0
        return row.row_hash, row.seq + 1, heads[-1].seq if heads else 0

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


@dataclass(frozen=True)
class _Row:
    """A row taken apart by the lengths it states, for whoever may drop a constraint may store hashes of any length.

    :param owner: the tenant as the record holds it, its length before it.
    """

    owner: bytes
    seq: int
    prev_hash: bytes
    row_hash: bytes
    intact: bool

    @classmethod
    def read(cls, data: "Buffer") -> Self:
        """The row that COPY sent."""
        row_hash, at = _value(data, 2)
        seq, at = _value(data, at)
        record, _ = _value(data, at)
        _, at = _value(record, 8)
        prev_hash, at = _value(record, at + 4)
        tenant, _ = _value(record, at + 4)
        owner = len(tenant).to_bytes(4) + tenant
        return cls(owner, int.from_bytes(seq, signed=True), prev_hash, row_hash, hashlib.sha256(record).digest() == row_hash)

    @property
    def tenant(self) -> str:
        return self.owner[4:].decode(errors="replace")


def _value(data: "Buffer", at: int) -> tuple[bytes, int]:
    """The value whose length stands at `at`, empty where it is null, and where what follows it begins."""
    begin = at + 4
    end = begin + max(0, int.from_bytes(data[at:begin], signed=True))
    return bytes(data[begin:end]), end
