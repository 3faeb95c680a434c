"""Whatever a record may hold comes back from the real database as it was given, or was refused when the record was made."""

import secrets
from collections.abc import Iterator
from datetime import UTC, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infraops_core import roles
from infraops_core.audit.events import AuditEvent
from infraops_core.audit.payload import MAX_BYTES, MAX_DEPTH
from infraops_core.audit.postgres import PostgresAuditStore
from infraops_core.errors import UserError
from tests.campaign import times
from tests.fix_audit import all_recorded, event, recorded, thread_store
from tests.fix_postgres import AuditDatabase

TEXT = st.text(st.characters(), max_size=40)  # lone surrogates and NUL among them
NUMBERS = st.integers() | st.integers(-(10**4310), 10**4310) | st.floats()
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
)
PAYLOADS = st.dictionaries(TEXT, JSON, max_size=4)
ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
EVENTS = st.fixed_dictionaries(
    {"payload": PAYLOADS, "summary": TEXT, "actor": TEXT, "resource": st.none() | TEXT, "request_id": st.none() | TEXT,
     "occurred_at": st.datetimes(timezones=ZONES | st.just(UTC)), "schema_version": st.integers(-1, 2**31)}
)  # fmt: skip
QUICK = settings(max_examples=times(150, 5000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def fuzzed(audit: AuditDatabase) -> Iterator[PostgresAuditStore]:
    with thread_store(audit, f"t-{secrets.token_hex(6)}") as store:
        yield store


def is_storable(value: Any) -> bool:
    """What the store has to take, said another way than the store says it."""
    match value:
        case str():
            return not any(sign == "\x00" or "\ud800" <= sign <= "\udfff" for sign in value)
        case float():
            return value - value == 0
        case int():
            return abs(value) < 10**4300
        case dict():
            return all(is_storable(key) and is_storable(inner) for key, inner in value.items())
        case list():
            return all(map(is_storable, value))
    return True


def is_right(fields: dict[str, Any]) -> bool:
    texts = [fields[name] for name in ("summary", "actor", "resource", "request_id", "payload")]
    try:
        fields["occurred_at"].astimezone(UTC)
    except OverflowError:
        return False
    return all(map(is_storable, texts)) and bool(fields["actor"]) and fields["request_id"] != "" and 1 <= fields["schema_version"] < 2**31


def made(fields: dict[str, Any], incident: str) -> AuditEvent | None:
    try:
        return event(incident_id=incident, **fields)
    except UserError:
        return None


@given(fields=EVENTS)
@QUICK
def test_one_is_stored_equal_or_refused_for_a_reason(fuzzed: PostgresAuditStore, fields: dict[str, Any]) -> None:
    incident = secrets.token_hex(6)
    given_event = made(fields, incident)
    if given_event is None:
        assert not is_right(fields)
        return
    assert is_right(fields)
    recorded(fuzzed.record_audit_event(given_event))
    (stored,) = fuzzed.list_audit_events(incident)
    assert stored.event == given_event
    assert stored.event.payload == fields["payload"]
    assert stored.event.same_content(given_event)
    assert recorded(fuzzed.record_audit_event(given_event)).already


@given(several=st.lists(EVENTS, max_size=6))
@settings(QUICK, max_examples=times(80, 2000))
def test_many_are_stored_equal(fuzzed: PostgresAuditStore, several: list[dict[str, Any]]) -> None:
    incident = secrets.token_hex(6)
    events = [right for right in (made(fields, incident) for fields in several) if right is not None]
    fuzzed.record_many(events)
    assert [stored.event for stored in fuzzed.list_audit_events(incident)] == events
    assert all(result.already for result in all_recorded(fuzzed.record_many(events)))


def deep() -> Any:
    inner: Any = 1.5
    for level in range(MAX_DEPTH - 1):
        inner = [inner] if level % 2 else {"": inner}
    return inner


LARGEST: dict[str, dict[str, Any]] = {
    "text": {"t": "x" * (MAX_BYTES - len('{"t": ""}'))},
    "characters of four bytes": {"t": "😀" * ((MAX_BYTES - len('{"t": ""}')) // 4)},
    "escapes": {"t": "\x01" * ((MAX_BYTES - len('{"t": ""}')) // 6)},
    "numbers written out": {"n": [1e300] * ((MAX_BYTES - len('{"n": []}')) // 305)},
    "tiny numbers written out": {"n": [5e-324] * ((MAX_BYTES - len('{"n": []}')) // 328)},
    "a list": {"n": [0] * ((MAX_BYTES - len('{"n": []}')) // 3)},
    "names": {f"{n:06}": None for n in range((MAX_BYTES - 2) // 16)},
    "deep": {"d": deep()},
    "huge": {"n": [10**4300 - 1, -(10**4300 - 1), 1.7976931348623157e308, -5e-324]},
    "all characters": {"t": [chr(n) for n in range(1, 0x110000, 11) if not 0xD800 <= n <= 0xDFFF]},
}


@pytest.mark.parametrize("payload", LARGEST.values(), ids=LARGEST)
def test_the_largest_that_is_taken_is_stored(fuzzed: PostgresAuditStore, payload: dict[str, Any]) -> None:
    one, other = (event(incident_id=secrets.token_hex(6), payload=payload) for _ in range(2))
    recorded(fuzzed.record_audit_event(one))
    fuzzed.record_many([other])
    for what in (one, other):
        (stored,) = fuzzed.list_audit_events(str(what.incident_id))
        assert stored.event == what


@pytest.mark.parametrize("name", ["text", "escapes", "numbers written out", "tiny numbers written out", "a list", "names"])
def test_a_little_more_is_refused(name: str) -> None:
    more = {key: value + value[:1] if isinstance(value, list) else value for key, value in LARGEST[name].items()}
    with pytest.raises(UserError, match="at most 1048576 bytes"):
        event(payload=more | {"and more": "x" * 600})


@pytest.mark.parametrize("name", LARGEST)
def test_the_size_counted_here_is_the_databases_own(audit: AuditDatabase, name: str) -> None:
    text = event(payload=LARGEST[name]).payload_text
    with audit.access(roles.APP).connect(seconds=30) as connection:
        assert connection.execute("select octet_length(%s::jsonb::text)", [text]).fetchone() == (len(text.encode()),)
