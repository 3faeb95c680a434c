"""A real PgBouncer with the files that were written for it, in front of a real server."""

import asyncio
import dataclasses
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest

from infraops_core import roles, smoke
from infraops_core.access import Access
from infraops_core.audit.async_postgres import AsyncPostgresAuditStore
from infraops_core.audit.events import AuditEvent
from infraops_core.audit.postgres import PostgresAuditStore
from infraops_core.audit.store import Recorded
from infraops_core.errors import UserError
from infraops_core.migrations import over_psycopg
from infraops_core.pooler import folder, plan
from infraops_core.providers import pooled
from infraops_core.tls import Tls
from tests.fix_audit import event
from tests.fix_postgres import AuditDatabase, wait_until
from tests.infraops_core.pooler.conftest import Running, Start, urls_of


def ask(access: Access, query: str) -> tuple[object, ...]:
    with access.connect(seconds=20) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row


@pytest.fixture(params=["verifiers", "passwords"])
def running(request: pytest.FixtureRequest, start: Start) -> Running:
    """A pooler for a stack whose admin reads the verifiers, and for one whose admin may not."""
    if request.param == "verifiers":
        return start()
    return start(admin=request.getfixturevalue("hosted_admin"))


def test_the_two_roles_get_in_by_their_passwords_and_nobody_else_does(running: Running) -> None:
    for role in (roles.APP, roles.READONLY):
        assert ask(running.access(role), "select current_user, current_database()") == (role, roles.DATABASE)
    refused = [running.access(roles.OWNER), running.access(roles.APP, "wrong"), running.access("infraops_admin", "x")]
    for access in refused:
        with pytest.raises(psycopg.OperationalError, match="authentication failed"):
            ask(access, "select 1")
    elsewhere = Access(dataclasses.replace(running.pooler.url, database="postgres"), Tls.DISABLE)
    with pytest.raises(psycopg.OperationalError, match="no such database: postgres"):
        ask(elsewhere, "select 1")


def test_the_smoke_test_passes_through_it(running: Running) -> None:
    assert smoke.run(running.app, {"through": "pooler"}, tenant="default").seq > 0


def test_both_stores_write_and_read_through_it(running: Running, tenant: str) -> None:
    url = running.pooler.url.with_password()
    records: list[AuditEvent] = [event(summary=f"{number}") for number in range(20)]
    with PostgresAuditStore(url, tenant=tenant, tls=Tls.DISABLE, writes_enabled=True) as store:
        for record in records:
            assert isinstance(store.record_audit_event(record), Recorded)
        assert isinstance(store.record_many([event(summary="a"), event(summary="b")])[0], Recorded)
        assert [found.seq for found in store.list_audit_events("inc-1", limit=7)] == list(range(1, 8))

    async def again() -> list[bool]:
        async with AsyncPostgresAuditStore(url, tenant=tenant, tls=Tls.DISABLE, writes_enabled=True) as store:
            results = [await store.record_audit_event(record) for record in records]
            return [isinstance(result, Recorded) and result.already for result in results]

    assert all(asyncio.run(again()))


def test_it_is_recognised_by_its_url_and_by_what_it_does(running: Running) -> None:
    url = running.pooler.url
    assert pooled.pooler(url) == "a pooler (it says pgbouncer=true)"
    with pytest.raises(UserError, match="migrations cannot run through a pooler") as refused, over_psycopg.opened(running.app, seconds=20):
        pass
    assert "own host and port" in refused.value.next
    silent = Access(dataclasses.replace(url, foreign=()), Tls.DISABLE)
    with (
        pytest.raises(UserError, match="through a pooler in transaction or statement mode") as refused,
        over_psycopg.opened(silent, seconds=20),
    ):
        pass
    assert "the database's own host and port" in refused.value.next


def test_a_tenant_that_a_client_left_behind_is_not_the_next_ones(running: Running) -> None:
    query = "select pg_backend_pid(), current_setting('infraops.tenant')"
    pid, default = ask(running.app, query)
    with running.app.connect(seconds=20) as connection:
        connection.execute("set infraops.tenant = 'somebody-elses'")
        assert connection.execute("select current_setting('infraops.tenant')").fetchone() == (default,)
    assert ask(running.app, query) == (pid, default)


def test_an_app_without_a_tenant_of_its_own_stays_without(running: Running) -> None:
    with running.audit.server.access().connect(seconds=20) as admin:
        admin.execute("alter role infraops_app reset infraops.tenant")
    try:
        for _ in range(2):
            assert ask(running.app, "select coalesce(current_setting('infraops.tenant', true), '')") == ("",)
        assert smoke.run(running.app, {}, tenant="default").seq > 0
    finally:
        with running.audit.server.access().connect(seconds=20) as admin:
            admin.execute("alter role infraops_app set infraops.tenant = 'default'")


def test_what_would_not_hold_is_refused_and_what_is_no_matter_is_not(running: Running) -> None:
    with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter: options"):
        psycopg.connect(running.pooler.url.for_libpq(), options="-c infraops.tenant=x")
    assert answer_to_a_start(running, "extra_float_digits", "3") == b"R"  # asks for the password; JDBC starts so
    assert answer_to_a_start(running, "search_path", "x") == b"E"


def answer_to_a_start(running: Running, parameter: str, value: str) -> bytes:
    """The kind of message that follows a startup packet with this parameter, which libpq can't be made to send."""
    parts = ("user", roles.APP, "database", roles.DATABASE, parameter, value)
    body = struct.pack("!i", 3 << 16) + b"".join(part.encode() + b"\0" for part in parts) + b"\0"
    place = running.pooler.listening.place
    with socket.create_connection((place.host, place.port), timeout=10) as plain:
        plain.sendall(struct.pack("!i", len(body) + 4) + body)
        return plain.recv(1)


def test_the_reader_sees_the_pools_and_the_app_does_not(running: Running) -> None:
    ask(running.app, "select 1")
    [pool] = [pool for pool in running.statistics() if pool["user"] == roles.APP]
    assert pool["pool_mode"] == "transaction"
    with pytest.raises(psycopg.OperationalError, match="not allowed"):
        psycopg.connect(dataclasses.replace(running.pooler.url, database="pgbouncer").for_libpq())


def test_many_clients_share_few_connections(start: Start) -> None:
    running = start(size=3)
    processes: set[object] = set()

    def work() -> None:
        with running.app.connect(seconds=20) as connection:
            connection.prepare_threshold = None  # as docs/pooler.md says
            for _ in range(10):
                processes.add(connection.execute("select pg_backend_pid() from pg_sleep(0.002)").fetchone())

    threads = [threading.Thread(target=work) for _ in range(25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(processes) <= 3


@pytest.fixture
def limited(audit: AuditDatabase) -> Iterator[None]:
    """The app may have two connections."""
    with audit.server.access().connect(seconds=20) as admin:
        admin.execute("alter role infraops_app connection limit 2")
        yield
        admin.execute("alter role infraops_app connection limit 60")


def test_a_pool_beyond_the_apps_limit_is_warned_of_and_without_a_size_it_fits(limited: None, start: Start) -> None:
    running = start()
    assert (running.pooler.size, running.pooler.warnings) == (2, ())
    with ExitStack() as stack:
        clients = [stack.enter_context(running.app.connect(seconds=20)) for _ in range(8)]
        assert {client.execute("select 1").fetchone() for client in clients} == {(1,)}


def test_verifiers_that_changed_count_once_they_are_written_anew(start: Start) -> None:
    running = start()
    with running.audit.server.access().connect(seconds=20) as admin:  # the same password, with another salt
        password = running.audit.settings.passwords[roles.APP]
        verifier = admin.pgconn.encrypt_password(password.encode(), roles.APP.encode(), b"scram-sha-256").decode()
        admin.execute(f"alter role infraops_app password '{verifier}'".encode())
    with pytest.raises(psycopg.OperationalError):
        ask(running.app, "select 1")
    anew = plan.plan(urls_of(running.audit), running.pooler.listening, size=None, version=running.pooler.version)
    assert [written.is_new for written in folder.write(anew, running.folder, replace=True)] == [True, False]
    running.reload()
    wait_until(lambda: answers(running.app), "the new verifier", 10)


def test_it_comes_back_with_its_server(start: Start) -> None:
    running = start()
    before = ask(running.app, "select pg_backend_pid()")
    with running.audit.server.access().connect(seconds=20) as admin:
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'infraops_app'")
    wait_until(lambda: answers(running.app), "the pooler's next connection", 10)
    assert ask(running.app, "select pg_backend_pid()") != before


def answers(access: Access) -> bool:
    try:
        return ask(access, "select 1") == (1,)
    except psycopg.OperationalError:
        return False
