"""Records are right or are not made."""

import copy
import dataclasses
import pickle
import re
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from infraops_core import checkout
from infraops_core.audit import rules
from infraops_core.audit.chain.record import CHAINS
from infraops_core.audit.events import AgentRun, ApprovalRequest, ApprovalStatus, AuditEvent, IncidentSnapshot, Record, RunStatus
from infraops_core.audit.statements import columns
from infraops_core.errors import UserError
from infraops_core.settings import every_stack

ID = uuid.UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
GIVEN: dict[type[Record], dict[str, Any]] = {
    AuditEvent: {"event_type": "alert", "actor": "a", "action": "b", "outcome": "ok", "summary": "s"},
    IncidentSnapshot: {"incident_id": "i", "snapshot_type": "packet", "actor": "a", "summary": "s"},
    AgentRun: {"run_id": ID, "agent": "planner", "status": RunStatus.STARTED, "summary": "s"},
    ApprovalRequest: {"approval_id": ID, "status": "requested", "actor": "a", "action": "b", "summary": "s"},
}
NAMES = [(AuditEvent, "event_type"), (AuditEvent, "actor"), (AuditEvent, "action"), (AuditEvent, "outcome"), (AuditEvent, "incident_id"),
         (AuditEvent, "request_id"), (IncidentSnapshot, "incident_id"), (IncidentSnapshot, "snapshot_type"), (IncidentSnapshot, "actor"),
         (AgentRun, "agent"), (AgentRun, "incident_id"), (ApprovalRequest, "actor"), (ApprovalRequest, "action"),
         (ApprovalRequest, "incident_id")]  # fmt: skip


def make(kind: type[Record], **changed: Any) -> Record:
    return kind(**GIVEN[kind] | changed)


@pytest.mark.parametrize("kind", GIVEN)
def test_its_fields_are_the_tables_columns(kind: type[Record]) -> None:
    fields = {field.name for field in dataclasses.fields(kind)} - {"payload_text"}
    assert fields == set(columns(kind.chain))
    assert {kind.chain.table for kind in GIVEN} == {chain.table for chain in CHAINS}


@pytest.mark.parametrize("kind", GIVEN)
def test_made_with_an_id_a_time_and_nothing_else(kind: type[Record]) -> None:
    before = datetime.now(UTC)
    one, other = make(kind), make(kind)
    assert one.event_id != other.event_id
    assert before <= one.occurred_at <= datetime.now(UTC)
    assert (one.payload, one.payload_text, one.schema_version) == ({}, "{}", 1)
    assert copy.deepcopy(one) == one == pickle.loads(pickle.dumps(one))  # noqa: S301
    assert hash(one) == hash(copy.copy(one))
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.summary = "x"  # type: ignore[misc]


@pytest.mark.parametrize(("kind", "name"), NAMES)
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "1 to 200 characters"),
        ("x" * 201, "1 to 200 characters"),
        ("a\x00", "NUL"),
        ("\udc80", "surrogates"),
        (7, "text of 1 to 200 characters"),
        (b"x", "text of 1 to 200 characters"),
        (["x"], "text of 1 to 200 characters"),
    ],
)
def test_a_name_is_refused_and_why(kind: type[Record], name: str, value: object, problem: str) -> None:
    with pytest.raises(UserError, match=rf"(?m)^{kind.__name__}: 1 problem\n  {name}  .*{problem}"):
        make(kind, **{name: value})


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_a_name_of_200_characters_is_taken(kind: type[Record], name: str) -> None:
    assert getattr(make(kind, **{name: "😀" * 200}), name) == "😀" * 200


@pytest.mark.parametrize(
    ("kind", "changed", "shown", "problem"),
    [
        (AuditEvent, {"summary": "x" * 10_001}, "x…", "at most 10000 characters"),
        (AuditEvent, {"summary": None}, "null", "text of at most 10000 characters"),
        (AuditEvent, {"resource": "x" * 2001}, "x…", "at most 2000 characters, or None"),
        (AuditEvent, {"event_type": None}, "null", "text of 1 to 200 characters"),
        (AuditEvent, {"event_id": str(ID)}, str(ID), "a uuid.UUID"),
        (AuditEvent, {"schema_version": 0}, "0", "a whole number from 1 to 2147483647"),
        (AuditEvent, {"schema_version": 2**31}, "2147483648", "a whole number"),
        (AuditEvent, {"schema_version": True}, "true", "a whole number"),
        (AuditEvent, {"schema_version": 1.0}, "1.0", "a whole number"),
        (AuditEvent, {"occurred_at": datetime(2026, 1, 1)}, "2026-01-01 00:00:00", "time zone"),
        (AuditEvent, {"occurred_at": "2026-01-01T00:00:00Z"}, "2026-01-01", "a datetime"),
        (AuditEvent, {"occurred_at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))}, "0001-01-01", "years 1 to 9999"),
        (AuditEvent, {"occurred_at": datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=1)))}, "9999", "years 1 to 9999"),
        (AuditEvent, {"payload": None}, "NoneType", "a dict"),
        (AgentRun, {"run_id": None}, "null", "a uuid.UUID"),
        (AgentRun, {"status": "done"}, '"done"', "one of: started, succeeded, failed, cancelled"),
        (ApprovalRequest, {"status": "Approved"}, '"Approved"', "one of: requested, approved, rejected, expired"),
        (ApprovalRequest, {"approval_id": 7}, "7", "a uuid.UUID"),
    ],
)
def test_refused_and_why(kind: type[Record], changed: dict[str, Any], shown: str, problem: str) -> None:
    with pytest.raises(UserError, match=re.escape(problem)) as refused:
        make(kind, **changed)
    assert shown in refused.value.what
    assert f"{next(iter(changed))}  " in refused.value.what


def test_every_mistake_is_named_at_once_and_no_secret() -> None:
    with pytest.raises(UserError) as refused:
        AuditEvent(event_type="", actor="postgresql://u:geheim@h/d\x00", action=object(), outcome="ok", summary="s", schema_version=-1,  # type: ignore[arg-type]
                   payload={"token": "geheim\x00", "t": (1,)})  # fmt: skip
    assert [re.sub(" {3,}", "  ", line) for line in refused.value.what.splitlines()] == [
        "AuditEvent: 6 problems",
        "  schema_version  -1  a whole number from 1 to 2147483647",
        '  event_type  ""  1 to 200 characters',
        '  actor  "postgresql://u:***@h/d\\u0000"  text without NUL characters',
        "  action  object  text of 1 to 200 characters",
        "  payload.token  (not shown)  text without NUL characters",
        "  payload.t  tuple  dict, list, str, int, float, bool or None",
    ]
    assert refused.value.next == "mend the record; nothing was recorded"


def test_a_time_is_kept_in_utc_to_the_microsecond() -> None:
    twice = datetime(2026, 10, 25, 2, 30, 0, 123456, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)
    kept = make(AuditEvent, occurred_at=twice).occurred_at
    assert kept == datetime(2026, 10, 25, 1, 30, 0, 123456, tzinfo=UTC)
    assert kept.tzinfo is UTC


def test_a_payload_is_copied() -> None:
    given = {"a": [1]}
    event = make(AuditEvent, payload=given)
    given["a"].append(2)
    assert event.payload == {"a": [1]}
    changed = dataclasses.replace(event, payload={"b": 1})
    assert (event.payload_text, changed.payload_text) == ('{"a": [1]}', '{"b": 1}')


def test_a_status_by_its_text_is_a_status() -> None:
    assert ApprovalRequest(**GIVEN[ApprovalRequest]).status is ApprovalStatus.REQUESTED


@pytest.mark.parametrize("tenant", ["", "-a", "a b", "ä", "a" * 64, "a\n", None, 7])
def test_a_tenant_is_refused(tenant: Any) -> None:
    with pytest.raises(UserError, match="is no tenant"):
        rules.check_tenant(tenant)


def test_a_tenant_is_what_the_stack_files_and_the_tables_say() -> None:
    assert rules.check_tenant("a" * 63) == "a" * 63
    assert rules.TENANT == every_stack._TENANT
    written = "".join(path.read_text() for path in (checkout.AUDIT_SCHEMA / "migrations").glob("*.sql"))
    assert written.count(f"tenant_id ~ '^{rules.TENANT.pattern}$'") == 4
