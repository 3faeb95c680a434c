"""The four kinds of record an audit trail holds. What could be made can be stored, and comes back equal.

Every mistake is named when a record is made. A record's `event_id` is made with it, so that recording the same object once
more, after an answer that never came, records nothing twice.
"""

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self, get_type_hints
from uuid import UUID, uuid4

from infraops_core import reading
from infraops_core.audit import rules
from infraops_core.audit.chain import record as chain
from infraops_core.audit.payload import Mistake, encode, same
from infraops_core.errors import UserError
from infraops_core.reading import Reader, shown


class RunStatus(StrEnum):
    """How far an agent's run has come."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ApprovalStatus(StrEnum):
    """Where an approval stands: requested once, then decided at most once."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


_Name = Annotated[str, rules.text(1, 200)]
_OptionalName = Annotated[str | None, rules.optional(rules.text(1, 200))]
_OptionalText = Annotated[str | None, rules.optional(rules.text(0, 2000))]
_Summary = Annotated[str, rules.text(0, 10_000)]
_Id = Annotated[UUID, rules.uuid]


@dataclass(frozen=True, kw_only=True)
class Record:
    """What all kinds have in common.

    :param event_id: the record's own; made here unless given.
    :param payload: a JSON object, see `payload.encode`. It is copied: what becomes of the caller's dict afterwards does not count.
    :param occurred_at: with a time zone; kept in UTC to the microsecond.
    :raises UserError: naming every mistake with its field, what stands there and what is allowed.
    """

    chain: ClassVar[chain.Chain]

    summary: _Summary
    payload: dict[str, Any] = field(default_factory=dict, hash=False)
    schema_version: Annotated[int, rules.version] = 1
    occurred_at: Annotated[datetime, rules.moment] = field(default_factory=lambda: datetime.now(UTC))
    event_id: _Id = field(default_factory=uuid4)
    payload_text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        mistakes: list[Mistake] = []
        for name, read in _RULES[type(self)]:
            value = getattr(self, name)
            kept, problem = read(value)
            if problem:
                mistakes.append(Mistake(name, _shown(name, value), problem))
            elif kept is not value:
                object.__setattr__(self, name, kept)
        encoded = encode(self.payload)
        if mistakes or encoded.mistakes:
            raise _refused(type(self).__name__, [*mistakes, *encoded.mistakes])
        object.__setattr__(self, "payload", encoded.copy)
        object.__setattr__(self, "payload_text", encoded.text)

    @classmethod
    def stored(cls, **values: Any) -> Self:
        """A record from the database, taken as it is: whoever wrote it by other means than ours is read all the same."""
        record = object.__new__(cls)
        record.__dict__.update(values)
        return record

    def same_content(self, other: "Record") -> bool:
        """Whether the database would take the other for this one: `==`, and `true` is not 1."""
        return self == other and same(self.payload, other.payload)


@dataclass(frozen=True, kw_only=True)
class AuditEvent(Record):
    """Something happened: who did what, to what, and how it ended."""

    chain = chain.AUDIT_EVENTS

    event_type: _Name
    actor: _Name
    action: _Name
    outcome: _Name
    incident_id: _OptionalName = None
    resource: _OptionalText = None
    request_id: _OptionalName = None


@dataclass(frozen=True, kw_only=True)
class IncidentSnapshot(Record):
    """What was known of an incident at some moment."""

    chain = chain.INCIDENT_SNAPSHOTS

    incident_id: _Name
    snapshot_type: _Name
    actor: _Name


@dataclass(frozen=True, kw_only=True)
class AgentRun(Record):
    """News of an agent's run: a run is as many of these, with one `run_id`, as there is news."""

    chain = chain.AGENT_RUNS

    run_id: _Id
    agent: _Name
    status: Annotated[RunStatus, reading.choice(RunStatus)]
    incident_id: _OptionalName = None


@dataclass(frozen=True, kw_only=True)
class ApprovalRequest(Record):
    """A step of an approval's life: its request, or with the same `approval_id` the decision."""

    chain = chain.APPROVAL_REQUESTS

    approval_id: _Id
    status: Annotated[ApprovalStatus, reading.choice(ApprovalStatus)]
    actor: _Name
    action: _Name
    incident_id: _OptionalName = None


def _rules_of(kind: type[Record]) -> tuple[tuple[str, Reader], ...]:
    """The fields that have a rule, with it."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple((known.name, hints[known.name].__metadata__[0]) for known in fields(kind) if hasattr(hints[known.name], "__metadata__"))


def _shown(name: str, value: object) -> str:
    """A value as a message shows it; of what is no plain value only its type, for its text may hold anything."""
    if isinstance(value, datetime):
        return str(value)
    return shown(value, name) if value is None or isinstance(value, str | int | float) else type(value).__name__


def _refused(kind: str, mistakes: list[Mistake]) -> UserError:
    places = max(len(mistake.place) for mistake in mistakes)
    found = max(len(mistake.found) for mistake in mistakes)
    lines = [f"  {mistake.place:<{places}}  {mistake.found:<{found}}  {mistake.allowed}" for mistake in mistakes]
    count = f"{len(mistakes)} problem{'s' if len(mistakes) > 1 else ''}"
    return UserError("\n".join([f"{kind}: {count}", *lines]), next="mend the record; nothing was recorded")


_RULES: dict[type[Record], tuple[tuple[str, Reader], ...]] = {
    kind: _rules_of(kind) for kind in (AuditEvent, IncidentSnapshot, AgentRun, ApprovalRequest)
}
