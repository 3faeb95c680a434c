"""Many clients append to one tenant while their sessions are killed: nothing lost, nothing doubled, no gap and no fork."""

import random
import threading

import pytest

from infraops_core import roles
from infraops_core.audit.chain.verify import verify
from infraops_core.audit.events import AuditEvent
from infraops_core.audit.store import Recorded
from tests.campaign import times
from tests.fix_audit import all_recorded, event, recorded, thread_store
from tests.fix_postgres import AuditDatabase

CLIENTS = 16
EACH = 60
KILL = """
select count(pg_terminate_backend(pid)) from (
    select pid from pg_stat_activity where usename = 'infraops_app' order by random() limit %s
) as victims
"""


@pytest.mark.parametrize("_time", range(times(1, 40)))
def test_sixteen_clients_with_killed_sessions(audit: AuditDatabase, tenant: str, _time: int) -> None:
    given = [[event(summary=f"{client}/{n}") for n in range(EACH)] for client in range(CLIENTS)]
    results: list[list[Recorded]] = [[] for _ in range(CLIENTS)]
    done = threading.Event()
    killed = 0

    def client(number: int) -> None:
        with thread_store(audit, tenant, max_size=2) as store:
            events = list(given[number])
            while events:
                if random.random() < 0.2:  # noqa: S311
                    some, events = events[:5], events[5:]
                    results[number] += all_recorded(store.record_many(some))
                else:
                    results[number].append(recorded(store.record_audit_event(events.pop(0))))

    def killer() -> None:
        nonlocal killed
        with audit.server.access(database=roles.DATABASE).connect(seconds=60) as admin:
            while not done.wait(0.02):
                killed += (admin.execute(KILL, [random.randint(1, 3)]).fetchone() or (0,))[0]  # noqa: S311

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    wild = threading.Thread(target=killer)
    for thread in [wild, *threads]:
        thread.start()
    for thread in threads:
        thread.join(60)
    done.set()
    wild.join(60)
    assert killed > 10
    assert_whole(audit, tenant, [what for events in given for what in events], [result for some in results for result in some])


def assert_whole(audit: AuditDatabase, tenant: str, given: list[AuditEvent], results: list[Recorded]) -> None:
    with thread_store(audit, tenant) as store:
        stored = list(store.list_audit_events("inc-1"))
    assert [found.seq for found in stored] == list(range(1, len(given) + 1))
    assert {found.event.event_id: found.event for found in stored} == {what.event_id: what for what in given}
    assert {(result.event_id, result.seq, result.row_hash) for result in results} == {
        (found.event.event_id, found.seq, found.row_hash) for found in stored
    }
    assert len(results) == len(given)
    with audit.access(roles.READONLY).connect(seconds=60) as connection:
        assert verify(connection).findings == ()
