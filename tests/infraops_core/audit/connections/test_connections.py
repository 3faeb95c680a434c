"""Connections, by threads and by asyncio: what they are like, what is tried again, and that every wait ends."""

import asyncio
import gc
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from infraops_core.audit.connections import connections as connections_module
from infraops_core.audit.connections import sources
from infraops_core.audit.connections.async_connections import AsyncConnection, AsyncConnections
from infraops_core.audit.connections.connections import Connection, Connections
from infraops_core.audit.connections.sources import FileUrl
from infraops_core.errors import UserError
from infraops_core.tls import Tls
from tests.fix_pgbouncer import pgbouncer
from tests.fix_postgres import TestServer, wait_until
from tests.fix_proxy import Mode, Proxy
from tests.infraops_core.audit.connections.places import Once, Place, place, renewed

AT_ONCE = 0.5


@pytest.fixture(scope="module")
def home(postgres: TestServer) -> Iterator[Place]:
    with place(postgres) as made:
        yield made


@pytest.fixture
def at(home: Place) -> Iterator[Place]:
    with renewed(home) as made:
        yield made


@pytest.fixture(params=[False, True], ids=["threads", "asyncio"])
def once(request: pytest.FixtureRequest) -> Once:
    return Once(request.param)


@pytest.fixture
def file(at: Place, tmp_path: Path) -> FileUrl:
    sources.write(tmp_path / "url", at.url)
    return FileUrl(tmp_path / "url")


def ours() -> list[str]:
    """The threads that connections have."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("infraops-audit")]


def sockets() -> int:
    return len([connection for connection in psutil.Process().net_connections("tcp") if connection.status != psutil.CONN_LISTEN])


def test_what_a_connection_is_like(at: Place, once: Once) -> None:
    assert once(at.url, "select current_setting('application_name'), current_setting('client_encoding'), current_user::text") == (
        "infraops-audit", "UTF8", at.role,
    )  # fmt: skip
    assert once(f"{at.url}&application_name=another", "select current_setting('application_name')") == ("infraops-audit",)
    once(at.url, "insert into numbered values (1)")
    assert at.do("select seq from numbered") == [(1,)]  # committed on its own


def test_statements_are_prepared_only_where_nothing_is_between(at: Place) -> None:
    def prepared(url: str) -> int | None:
        with Connections(url, tls=Tls.DISABLE) as connections:
            for _ in range(20):
                connections.run(lambda connection: connection.execute("select count(*) from rows"))
            return connections.run(lambda connection: connection.prepare_threshold)

    async def prepared_async(url: str) -> int | None:
        async def threshold(connection: AsyncConnection) -> int | None:
            return connection.prepare_threshold

        async with AsyncConnections(url, tls=Tls.DISABLE) as connections:
            return await connections.run(threshold)

    with pgbouncer(at.access, "transaction") as through:
        pooled = through.url.with_password()
        assert (prepared(pooled), asyncio.run(prepared_async(pooled))) == (None, None)
    assert (prepared(at.url), asyncio.run(prepared_async(at.url))) == (5, 5)


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("selekt 1", psycopg.errors.SyntaxError),
        ("select nothing_of_the_kind from rows", psycopg.errors.UndefinedColumn),
        ("select * from nowhere", psycopg.errors.UndefinedTable),
        ("insert into rows values (gen_random_uuid(), -1)", psycopg.errors.CheckViolation),
        ("insert into rows select '00000000-0000-0000-0000-000000000000', 1 from generate_series(1, 2)", psycopg.errors.UniqueViolation),
        ("select 1 / 0", psycopg.errors.DivisionByZero),
        ("insert into guarded values (1)", psycopg.errors.InsufficientPrivilege),  # by row-level security
        ("set statement_timeout = 1; select pg_sleep(1)", psycopg.errors.QueryCanceled),
    ],
)
def test_what_no_further_try_can_mend_is_raised_at_once(file: FileUrl, once: Once, statement: str, kind: type[psycopg.Error]) -> None:
    started = time.monotonic()
    with pytest.raises(kind):
        once(file, statement)
    assert time.monotonic() - started < AT_ONCE
    assert once.calls == 1


def test_a_missing_privilege_is_raised_at_once_where_the_url_is_fixed(at: Place, once: Once) -> None:
    started = time.monotonic()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        once(at.url, "delete from rows")
    assert time.monotonic() - started < AT_ONCE


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        ("alter role \"{role}\" password 'another'", "password authentication failed"),
        ('alter role "{role}" nologin', "is not permitted to log in"),
        ('revoke connect on database "{database}" from public', "permission denied for database"),
        ('alter role "{role}" rename to "{role}_gone"', "password authentication failed"),
    ],
)
def test_who_is_not_let_in_learns_why_at_once_where_the_url_is_fixed(at: Place, once: Once, spoil: str, problem: str) -> None:
    at.do(spoil.replace("{database}", at.database))
    started = time.monotonic()
    try:
        with pytest.raises(UserError, match=problem) as refused:
            once(at.url, "select 1")
    finally:
        if "rename" in spoil:
            at.do('alter role "{role}_gone" rename to "{role}"')
    assert time.monotonic() - started < AT_ONCE
    assert refused.value.where == at.endpoint
    assert at.password not in str(refused.value)
    assert once.calls == 0


def test_a_fence_that_is_lifted_lets_the_write_through(at: Place, file: FileUrl, once: Once) -> None:
    at.do('revoke insert on numbered from "{role}"')
    lift = threading.Timer(0.2, at.do, ['grant insert on numbered to "{role}"'])
    lift.start()
    once(file, "insert into numbered values (1)")
    lift.join()
    assert at.do("select seq from numbered") == [(1,)]
    assert once.calls > 1


def test_a_server_that_becomes_writable_again_is_tried_by_a_new_connection(at: Place, once: Once) -> None:
    """As after a failover: the URL stays, and leads elsewhere for who connects anew."""
    at.do('alter role "{role}" set default_transaction_read_only = on')
    mend = threading.Timer(0.2, at.do, ['alter role "{role}" reset default_transaction_read_only'])
    mend.start()
    once(at.url, "insert into numbered values (1)")
    mend.join()
    assert at.do("select seq from numbered") == [(1,)]


def test_a_password_that_comes_to_be_right_lets_in(at: Place, file: FileUrl, once: Once) -> None:
    at.do("alter role \"{role}\" password 'another'")
    mend = threading.Timer(0.2, at.do, [f"alter role \"{{role}}\" password '{at.password}'"])
    mend.start()
    assert once(file, "select 1") == (1,)
    mend.join()


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("insert into numbered values (1), (1)", "23505"),
        ("do $$ begin raise exception using errcode = '40001'; end $$", "40001"),
        ("do $$ begin raise exception using errcode = '40P01'; end $$", "40P01"),
        ("do $$ begin raise exception using errcode = '55P03'; end $$", "55P03"),
        ("do $$ begin raise exception using errcode = '53200'; end $$", "53200"),
    ],
)
def test_what_others_caused_is_tried_until_the_deadline(at: Place, once: Once, statement: str, code: str) -> None:
    started = time.monotonic()
    with pytest.raises(UserError, match=r"within 0\.3 s, tried \d+ times; last it said: ") as end:
        once(at.url, statement, deadline=0.3)
    assert 0.25 < time.monotonic() - started < 0.3 + AT_ONCE
    assert 3 <= once.calls <= 20
    assert end.value.where == at.endpoint
    assert end.value.__context__ is None


def test_connections_that_died_while_idle_are_not_used(at: Place, once: Once) -> None:
    assert once(at.url, "select 1", "select 2", between=at.terminate) == (2,)
    assert once.calls == 2


def test_a_session_that_is_killed_is_replaced(at: Place, once: Once) -> None:
    def kill() -> None:
        wait_until(lambda: at.do("select 1 from pg_stat_activity where usename = '{role}' and state = 'active'"), "the statement")
        at.do("select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'")

    killed = threading.Thread(target=kill)
    killed.start()
    once(at.url, "insert into numbered select 1 from pg_sleep(0.3)")
    killed.join()
    assert once.calls == 2
    assert at.do("select seq from numbered") == [(1,)]


@pytest.mark.parametrize(
    ("when", "mode"),
    [
        ("before it connects", Mode.RESET),
        ("before it connects", Mode.HALF_CLOSE),
        ("while it runs", Mode.STALL),
        ("while it runs", Mode.RESET),
        ("while it runs", Mode.HALF_CLOSE),
    ],
)
def test_a_network_that_fails_ends_the_wait_at_the_deadline(at: Place, once: Once, mode: Mode, when: str) -> None:
    with Proxy(at.access.url.port, mode if when == "before it connects" else Mode.PASS) as proxy:

        def fail() -> None:
            if when == "while it runs":
                proxy.mode = mode

        started = time.monotonic()
        with pytest.raises(UserError, match=r"within 0\.4 s, tried ") as end:
            once(at.through(proxy.port), "select 1", "select 2", deadline=0.4, between=fail, connect_seconds=0.5)
        assert time.monotonic() - started < 5, "closing it waits for the connecting, which psycopg gives 2 s at least"
    assert f":{proxy.port}/{at.database}" in end.value.where
    assert at.password not in str(end.value)
    assert not ours()


def test_a_network_that_comes_back_is_used_again(at: Place, once: Once) -> None:
    with Proxy(at.access.url.port) as proxy:

        def fail_for_a_while() -> None:
            proxy.mode = Mode.RESET
            threading.Timer(0.3, setattr, [proxy, "mode", Mode.PASS]).start()

        assert once(at.through(proxy.port), "select 1", "select 2", between=fail_for_a_while) == (2,)


@pytest.mark.parametrize(("deadline", "said"), [(0.3, "let nobody in yet"), (2.2, "gave no answer within 2 s")])
def test_a_server_that_accepts_and_says_nothing_is_named(deadline: float, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        once = Once(in_asyncio=deadline < 1)
        started = time.monotonic()
        with pytest.raises(UserError, match=said) as end:
            once(f"postgresql://u:se-cret@{place}/d?sslmode=disable", "select 1", deadline=deadline, connect_seconds=2)
        assert time.monotonic() - started < deadline + 3
        assert end.value.where == f"{place}/d"
        assert "se-cret" not in str(end.value)


def test_a_url_weaker_than_the_tls_rule_is_refused_before_a_byte_is_sent(at: Place, once: Once) -> None:
    with Proxy(at.access.url.port) as proxy:
        with pytest.raises(UserError, match="needs sslmode=verify-full or stronger"):
            once(at.through(proxy.port), "select 1", tls=Tls.VERIFY_FULL)
        assert proxy.connections == 0


@pytest.mark.parametrize("url", ["mysql://u:se-cret@h/d", "postgresql://u:se-cret@127.0.0.1/d?sslmode=disable&nonsense=1"])
def test_what_is_no_url_is_refused(once: Once, url: str) -> None:
    with pytest.raises(UserError) as refused:
        once(url, "select 1")
    assert "se-cret" not in str(refused.value)


def test_all_in_use_is_said_when_the_deadline_comes(at: Place) -> None:
    with Connections(at.url, tls=Tls.DISABLE, max_size=2) as connections:

        def nested(_: Connection) -> None:
            connections.run(lambda _: connections.run(lambda connection: connection.execute("select 1"), deadline_seconds=0.3))

        with pytest.raises(UserError, match="none of 2 connections came free"):
            connections.run(nested)
        assert connections.run(lambda connection: connection.execute("select 1").fetchone()) == (1,)


def test_many_threads_share_what_the_server_lets_in(at: Place) -> None:
    at.do('alter role "{role}" connection limit 3')
    with Connections(at.url, tls=Tls.DISABLE) as connections:
        done: list[int] = []

        def work(number: int) -> None:
            for _ in range(5):
                connections.run(lambda connection: connection.execute("select pg_sleep(0.01)"))
            done.append(number)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(done) == list(range(8))


def test_connections_are_opened_as_they_are_needed_and_closed_when_idle(at: Place) -> None:
    with Connections(at.url, tls=Tls.DISABLE, idle_seconds=0.1) as connections:
        assert at.sessions() == []
        with connections.connection() as one, connections.connection() as two, connections.connection() as three:
            assert len({each.info.backend_pid for each in (one, two, three)}) == 3
        wait_until(lambda: len(at.sessions()) == 1, "the end of idle connections")


def test_a_stream_is_cut_off_at_its_deadline(at: Place) -> None:
    started = time.monotonic()
    with Connections(at.url, tls=Tls.DISABLE) as connections:
        with pytest.raises(UserError, match=r"within 0\.3 s"), connections.connection(deadline_seconds=0.3) as connection:
            connection.execute("select pg_sleep(30)")
        with pytest.raises(psycopg.errors.SyntaxError), connections.connection() as connection:
            connection.execute("selekt")
    assert time.monotonic() - started < 3


def test_a_stream_of_asyncio_is_cut_off_at_its_deadline(at: Place) -> None:
    async def stream() -> None:
        async with AsyncConnections(at.url, tls=Tls.DISABLE) as connections:
            with pytest.raises(UserError, match=r"within 0\.3 s"):
                async with connections.connection(deadline_seconds=0.3) as connection:
                    await connection.execute("select pg_sleep(30)")
            async with connections.connection() as connection:
                assert await (await connection.execute("select 1")).fetchone() == (1,)

    started = time.monotonic()
    asyncio.run(stream())
    assert time.monotonic() - started < 3


def test_a_transaction_left_open_is_not_handed_on(at: Place, once: Once) -> None:
    assert once(at.url, "begin", "select pg_current_xact_id_if_assigned()::text, now() = statement_timestamp()") == (None, True)


def test_a_task_that_is_cancelled_gives_its_connection_back(at: Place) -> None:
    async def cancelled() -> object:
        async def sleep(connection: AsyncConnection) -> None:
            await connection.execute("select pg_sleep(30)")

        async def one(connection: AsyncConnection) -> object:
            return await (await connection.execute("select 1")).fetchone()

        async with AsyncConnections(at.url, tls=Tls.DISABLE, max_size=1) as connections:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(connections.run(sleep), 0.2)
            return await connections.run(one)

    assert asyncio.run(cancelled()) == (1,)


def test_nothing_is_left_after_closing(at: Place, once: Once) -> None:
    before = sockets(), threading.active_count()
    with Connections(at.url, tls=Tls.DISABLE) as connections, connections.connection(), connections.connection():
        pass
    connections.close()  # again
    once(at.url, "select 1")
    assert (sockets(), threading.active_count(), ours()) == (*before, [])
    wait_until(lambda: not at.sessions(), "the end of the sessions")
    with pytest.raises(RuntimeError, match="are closed"):
        connections.run(lambda connection: connection.execute("select 1"))
    with pytest.raises(RuntimeError, match="are closed"), connections.connection():
        pass


def test_connections_of_asyncio_say_that_they_are_closed(at: Place) -> None:
    async def closed() -> None:
        connections = AsyncConnections(at.url, tls=Tls.DISABLE)
        await connections.close()
        with pytest.raises(RuntimeError, match="are closed"):
            async with connections.connection():
                pass

    asyncio.run(closed())


def test_closing_ends_what_does_not_end_by_itself(at: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections_module, "DRAIN_SECONDS", 0.2)
    ended: list[BaseException] = []
    connections = Connections(at.url, tls=Tls.DISABLE)

    def wait() -> None:
        try:
            connections.run(lambda connection: connection.execute("select pg_sleep(30)"))
        except RuntimeError as error:
            ended.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    wait_until(at.sessions, "the session")
    time.sleep(0.1)
    connections.close()
    waiting.join(3)
    assert [str(error) for error in ended] == ["the connections to the audit database are closed"]
    assert not ours()


def test_connections_that_nobody_holds_any_more_end_by_themselves(at: Place) -> None:
    connections = Connections(at.url, tls=Tls.DISABLE)
    connections.run(lambda connection: connection.execute("select 1"))
    del connections
    gc.collect()
    wait_until(lambda: not ours() and not at.sessions(), "the end of forgotten connections")


def test_connections_that_are_never_used_open_nothing(at: Place) -> None:
    with Connections("postgresql://nobody@127.0.0.1:1/none", tls=Tls.DISABLE):
        assert not ours()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_after_a_fork_parent_and_child_have_connections_of_their_own(at: Place) -> None:
    with Connections(at.url, tls=Tls.DISABLE) as connections:

        def pid() -> int:
            return connections.run(lambda connection: connection.info.backend_pid)

        mine = pid()
        child = os.fork()
        if not child:
            status = 1
            try:
                theirs = pid()
                gc.collect()
                connections.close()
                status = 0 if theirs != mine else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert mine in at.sessions()
        assert connections.run(lambda connection: connection.execute("select 1").fetchone()) == (1,)


def test_no_password_is_shown_or_logged(at: Place, once: Once, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    connections = Connections(at.url, tls=Tls.DISABLE)
    with connections, connections.connection() as connection:
        shown = f"{connections!r} {connection!r} {vars(connections)}"
    at.do('alter role "{role}" nologin')
    with pytest.raises(UserError) as refused:
        once(at.url, "select 1")
    assert at.password not in shown + str(refused.value) + caplog.text


def test_a_connection_lost_inside_a_pipeline_is_replaced(at: Place) -> None:
    """psycopg then says only that it could not leave the pipeline, without a code and with the connection open."""
    seen: list[int] = []

    def operation(connection: Connection) -> int:
        seen.append(connection.info.backend_pid)
        if len(seen) == 1:
            connection.pgconn.enter_pipeline_mode()
            raise psycopg.OperationalError("cannot exit pipeline mode while busy")
        row = connection.execute("select 1").fetchone()
        assert row is not None
        return int(row[0])

    with Connections(at.url, tls=Tls.DISABLE) as connections:
        assert connections.run(operation) == 1
    assert len(set(seen)) == 2


def test_a_connection_of_asyncio_lost_inside_a_pipeline_is_replaced(at: Place) -> None:
    seen: list[int] = []

    async def operation(connection: AsyncConnection) -> int:
        seen.append(connection.info.backend_pid)
        if len(seen) == 1:
            connection.pgconn.enter_pipeline_mode()
            raise psycopg.OperationalError("cannot exit pipeline mode while busy")
        row = await (await connection.execute("select 1")).fetchone()
        assert row is not None
        return int(row[0])

    async def run() -> int:
        async with AsyncConnections(at.url, tls=Tls.DISABLE) as connections:
            return await connections.run(operation)

    assert asyncio.run(run()) == 1
    assert len(set(seen)) == 2
