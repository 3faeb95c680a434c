"""Many records as few statements: grouped by table in the order given, each id once, in chunks that bound memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from infraops_core.audit import statements
from infraops_core.audit.events import Record
from infraops_core.audit.store import Recorded
from infraops_core.errors import UserError

_MOST_ROWS = 2000
_MOST_CHARACTERS = 4_000_000


@dataclass(frozen=True)
class Chunk:
    """Records of one kind, none twice."""

    tenant: str
    table: str
    records: Sequence[Record]

    def parameters(self) -> list[str]:
        """What `append_many` and `look_up` take."""
        return [self.tenant, *statements.arrays(self.records)]


class Batch:
    """The records of one call; one that was given twice is the same object twice.

    :raises UserError: for two records of one kind that share an id and are not equal.
    """

    def __init__(self, tenant: str, records: Iterable[Record]) -> None:
        self.tenant = tenant
        self.records: list[Record] = []
        self._kinds: dict[str, dict[UUID, Record]] = {}
        for record in records:
            if not isinstance(record, Record):
                raise TypeError(f"{type(record).__name__} is no audit record")
            first = self._kinds.setdefault(record.chain.table, {}).setdefault(record.event_id, record)
            if first is not record and not first.same_content(record):
                raise UserError(f"two records of {record.chain.table} with the id {record.event_id} differ",
                                next="give each record an id of its own; nothing was recorded")  # fmt: skip
            self.records.append(first)

    @property
    def is_each_once(self) -> bool:
        """Whether no record was given twice."""
        return len(self.records) == sum(map(len, self._kinds.values()))

    def chunks(self) -> Iterator[Chunk]:
        """What to append, in this order."""
        for table, records in self._kinds.items():
            taken: list[Record] = []
            characters = 0
            for record in records.values():
                size = len(record.payload_text) + len(record.summary) + 500
                if taken and (len(taken) == _MOST_ROWS or characters + size > _MOST_CHARACTERS):
                    yield Chunk(self.tenant, table, taken)
                    taken, characters = [], 0
                taken.append(record)
                characters += size
            yield Chunk(self.tenant, table, taken)


@dataclass
class Outcome:
    """What became of a batch's records in one transaction; each goes by the number Python gave the object, the fastest there is."""

    batch: Batch
    _results: dict[int, Recorded] = field(default_factory=dict)

    def appended(self, chunk: Chunk, rows: Iterable[tuple[bytes, bytes]]) -> Chunk | None:
        """Take what `append_many` returned; the records it left out, which are there already."""
        receipts = dict(rows)
        left = []
        for record in chunk.records:
            if receipt := receipts.get(record.event_id.bytes):
                self._results[id(record)] = statements.recorded(record.event_id, receipt, already=False)
            else:
                left.append(record)
        return Chunk(chunk.tenant, chunk.table, left) if left else None

    def found(self, chunk: Chunk, rows: Iterable[tuple[bytes, bytes, str]]) -> None:
        """Take what `look_up` found.

        :raises UserError: for the first that holds something else.
        """
        there = {event_id: (receipt, differing) for event_id, receipt, differing in rows}
        for record in chunk.records:
            if record.event_id.bytes not in there:
                raise UserError(f"{record.event_id} was in {chunk.table} and is gone: retention removed it meanwhile",
                                next="record what is new")  # fmt: skip
            receipt, differing = there[record.event_id.bytes]
            if differing:
                raise UserError(f"{record.event_id} is already recorded in {chunk.table} with other content: {differing}",
                                next="give a new record an id of its own; nothing was recorded")  # fmt: skip
            self._results[id(record)] = statements.recorded(record.event_id, receipt, already=True)

    def results(self) -> list[Recorded]:
        """One for each record, in their order; one given twice is there already the second time."""
        results = [self._results[id(record)] for record in self.batch.records]
        if self.batch.is_each_once:
            return results
        seen: set[int] = set()
        for place, record in enumerate(self.batch.records):
            if id(record) in seen:
                results[place] = replace(results[place], already=True)
            seen.add(id(record))
        return results
