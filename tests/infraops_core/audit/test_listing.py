"""Listings of an incident's events: in order, page by page, and of rows that others wrote."""

import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

import psycopg
import pytest

from infraops_core import roles
from infraops_core.audit.store import AuditStore
from infraops_core.errors import UserError
from tests.fix_audit import all_recorded, event, thread_store
from tests.fix_postgres import AuditDatabase
from tests.infraops_core.audit.test_store import WRITTEN_BY_SQL


@pytest.fixture
def owner(audit: AuditDatabase) -> Iterator[psycopg.Connection]:
    with audit.access(roles.OWNER).connect(seconds=60) as connection:
        yield connection


def test_a_listing_is_in_chain_order_and_goes_on_after_a_cursor(store: AuditStore, tenant: str) -> None:
    given = [event(incident_id=f"i-{n % 2}", summary=str(n)) for n in range(200)]
    store.record_many(given)
    found = list(store.list_audit_events("i-1"))
    assert [stored.event for stored in found] == given[1::2]
    assert [stored.seq for stored in found] == list(range(2, 201, 2))
    assert {stored.tenant for stored in found} == {tenant}
    assert list(store.list_audit_events("i-1", after=found[41].cursor)) == found[42:]
    assert list(store.list_audit_events("i-1", after=found[41].cursor, limit=40)) == found[42:82]
    assert list(store.list_audit_events("i-1", after=found[-1].cursor)) == []
    assert list(store.list_audit_events("i-2")) == []
    late = event(incident_id="i-1")
    listing = store.list_audit_events("i-1")
    taken = list(islice(listing, 50))
    store.record_audit_event(late)
    assert [*taken, *listing][: len(found)] == found


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"incident_id": ""}, "1 to 200 characters"),
        ({"incident_id": None}, "text of 1 to 200"),
        ({"incident_id": "a\x00"}, "NUL"),
        ({"incident_id": "i", "limit": 0}, "a whole number from 1"),
        ({"incident_id": "i", "limit": True}, "a whole number from 1"),
        ({"incident_id": "i", "after": "0"}, "no cursor"),
        ({"incident_id": "i", "after": "-1"}, "no cursor"),
        ({"incident_id": "i", "after": "9223372036854775808"}, "no cursor"),
        ({"incident_id": "i", "after": 7}, "no cursor"),
        ({"incident_id": "i", "after": "\u0661"}, "no cursor"),
    ],
)
def test_a_listing_is_refused_at_once_and_why(store: AuditStore, arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        store.list_audit_events(**arguments)


def test_a_listings_memory_is_flat_and_no_transaction_stays_open(audit: AuditDatabase, tenant: str, owner: psycopg.Connection) -> None:
    with thread_store(audit, tenant) as store:
        for _ in range(3):
            store.record_many([event(payload={"t": "x" * 100_000}) for _ in range(100)])
        tracemalloc.start()
        try:
            for count, _ in enumerate(store.list_audit_events("inc-1"), 1):
                if count % 40 == 1:
                    open_ones = owner.execute(
                        "select count(*) from pg_stat_activity where usename = %s and xact_start is not null", [roles.APP]
                    )
                    assert open_ones.fetchone() == (0,)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert count == 300
    assert peak < 12_000_000


def test_large_events_behind_many_small_ones_do_not_make_a_large_page(audit: AuditDatabase, tenant: str) -> None:
    with thread_store(audit, tenant) as store:
        given = [event() for _ in range(400)] + [event(payload={"t": "x" * 1_000_000}) for _ in range(30)]
        store.record_many(given)
        tracemalloc.start()
        try:
            found = [stored.event.event_id for stored in store.list_audit_events("inc-1")]
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert found == [one.event_id for one in given]
    assert peak < 15_000_000


def test_what_others_wrote_by_sql_is_read_too(store: AuditStore, tenant: str, owner: psycopg.Connection) -> None:
    for payload in ('{"n": 1' + "0" * 5000 + ', "f": 0.5}', '{"n": 1e400, "f": [1e-5, 2.50]}'):
        owner.execute(WRITTEN_BY_SQL, [tenant, payload, "2026-01-01 00:00 UTC"])
    first, second = store.list_audit_events("inc-1")
    assert first.event.payload == {"n": Decimal(10) ** 5000, "f": 0.5}
    assert second.event.payload == {"n": 10**400, "f": [1e-5, 2.5]}
    assert all_recorded(store.record_many([first.event]))[0].already


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (['{"n": ' + "[" * 3000 + "]" * 3000 + "}", "2026-01-01 00:00 UTC"], "its payload is nested too deeply"),
        (["{}", "0044-03-15 00:00 UTC BC"], "its time is before the year 1 or after 9999"),
    ],
)
def test_what_cannot_be_read_is_named(store: AuditStore, tenant: str, owner: psycopg.Connection, written: list[str], problem: str) -> None:
    owner.execute(WRITTEN_BY_SQL, [tenant, *written])
    with pytest.raises(UserError, match=f"audit event 1 of tenant {tenant} can't be read: {problem}"):
        list(store.list_audit_events("inc-1"))
