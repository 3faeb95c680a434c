"""The audit store: what the product calls, whichever database answers.

A store is bound to one tenant when it is made. Recording is idempotent by a record's `event_id`: the same record again is
told from a new one, and another one with its id is refused.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from infraops_core.audit.events import AgentRun, ApprovalRequest, AuditEvent, IncidentSnapshot, Record


@dataclass(frozen=True, slots=True)
class Recorded:
    """A record is in the audit trail.

    :param seq: its position in the tenant's chain of records of its kind.
    :param row_hash: its hash, 32 bytes.
    :param already: whether it was there before this call, perhaps by an earlier try whose answer was lost.
    """

    event_id: UUID
    seq: int
    row_hash: bytes
    recorded_at: datetime
    already: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """Writes are switched off: the row as it would be written. Nothing was written."""

    table: str
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An audit event as the database holds it."""

    event: AuditEvent
    tenant: str
    seq: int
    prev_hash: bytes
    row_hash: bytes
    recorded_at: datetime

    @property
    def cursor(self) -> str:
        """Where a listing goes on after this event; for `list_audit_events(after=...)` of the same tenant."""
        return str(self.seq)


class AuditStore(Protocol):
    """One tenant's audit trail.

    Every method raises `UserError` for what its caller or an operator can mend: a record whose id is taken by another
    content, an approval decided twice or never requested, a database that can't be reached in time.
    """

    def record_audit_event(self, event: AuditEvent) -> Recorded | Preview: ...

    def record_incident_snapshot(self, snapshot: IncidentSnapshot) -> Recorded | Preview: ...

    def record_agent_run(self, run: AgentRun) -> Recorded | Preview: ...

    def record_approval_request(self, request: ApprovalRequest) -> Recorded | Preview: ...

    def record_many(self, records: Iterable[Record]) -> list[Recorded] | list[Preview]:
        """Record all or none, of any kinds, in the order given; one result a record, in that order."""

    def list_audit_events(self, incident_id: str, *, after: str | None = None, limit: int | None = None) -> Iterator[StoredEvent]:
        """An incident's events in chain order, read page by page while they are used: memory stays flat, and nothing
        is held open in between.

        :param after: the `cursor` of the last event seen.
        :param limit: events at most.
        """


class AsyncAuditStore(Protocol):
    """As `AuditStore`, for asyncio."""

    async def record_audit_event(self, event: AuditEvent) -> Recorded | Preview: ...

    async def record_incident_snapshot(self, snapshot: IncidentSnapshot) -> Recorded | Preview: ...

    async def record_agent_run(self, run: AgentRun) -> Recorded | Preview: ...

    async def record_approval_request(self, request: ApprovalRequest) -> Recorded | Preview: ...

    async def record_many(self, records: Iterable[Record]) -> list[Recorded] | list[Preview]: ...

    def list_audit_events(self, incident_id: str, *, after: str | None = None, limit: int | None = None) -> AsyncIterator[StoredEvent]: ...
