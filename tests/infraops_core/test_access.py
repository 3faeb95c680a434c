"""Getting in, and getting out again in time, on a real server behind a network that fails."""

import dataclasses
import gc
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
import psycopg
import pytest

from infraops_core.access import Access
from infraops_core.database_url import DatabaseUrl, build, parse
from infraops_core.errors import UserError
from infraops_core.tls import Tls
from tests.fix_postgres import TestServer
from tests.fix_proxy import LOOPBACK, Mode, Proxy

SECRET = "Sesam0effneDich"


def through(proxy: Proxy, postgres: TestServer) -> Access:
    """The admin's way in, by way of the proxy."""
    access = postgres.access()
    return dataclasses.replace(access, url=dataclasses.replace(access.url, port=proxy.port))


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fails when the block takes longer, with some grace for a busy machine."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds + 3


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port of this machine where nobody has called yet."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        listening.setblocking(False)
        yield listening


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Sees that a test leaves no thread and no descriptor behind."""
    before = threading.active_count(), psutil.Process().num_fds()
    yield
    gc.collect()  # psycopg leaves a connection that never came about to the garbage collector
    assert (threading.active_count(), psutil.Process().num_fds()) == before


# Getting in


def test_what_a_resource_was_given() -> None:
    access = Access.from_inputs({"url": "postgresql://app:p@h:1/db?sslmode=require", "tls": "require"})
    assert access == Access(build("app", "p", host="h", port=1, database="db", sslmode=Tls.REQUIRE), Tls.REQUIRE)
    assert access.endpoint == "h:1/db"


def test_no_password_in_its_repr() -> None:
    access = Access(parse(f"postgresql://app:{SECRET}@h/db"), Tls.REQUIRE)
    assert SECRET not in f"{access} {access!r} {access.endpoint}"


@pytest.mark.usefixtures("nothing_left")
def test_open_for_the_block_and_closed_after_it(postgres: TestServer) -> None:
    with postgres.access().connect(seconds=10) as connection:
        shown = connection.execute("select current_user, current_database(), current_setting('application_name')").fetchone()
        assert shown == (postgres.access().url.user, "postgres", "infraops")
    assert connection.closed


def test_another_database_of_the_same_server(postgres: TestServer, empty_database: str) -> None:
    with postgres.access().connect(seconds=10, database=empty_database) as connection:
        assert connection.execute("select current_database()").fetchone() == (empty_database,)


def test_each_statement_is_a_transaction_unless_asked_otherwise(postgres: TestServer, empty_database: str) -> None:
    access = postgres.access(database=empty_database)
    with access.connect(seconds=10) as connection:
        connection.execute("create table t (n int)")
        connection.execute("insert into t values (1)")
        with access.connect(seconds=10) as other:
            assert other.execute("select count(*) from t").fetchone() == (1,)
    with access.connect(seconds=10, autocommit=False) as connection:
        connection.execute("insert into t values (2)")
        with access.connect(seconds=10) as other:
            assert other.execute("select count(*) from t").fetchone() == (1,)
    with access.connect(seconds=10) as other:
        assert other.execute("select count(*) from t").fetchone() == (2,)


def test_a_failed_block_is_rolled_back_and_its_error_kept(postgres: TestServer, empty_database: str) -> None:
    access = postgres.access(database=empty_database)

    def fail_half_way() -> None:
        with access.connect(seconds=10, autocommit=False) as connection:
            connection.execute("create table t (n int)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    with access.connect(seconds=10) as other:
        assert other.execute("select to_regclass('t')").fetchone() == (None,)


def test_by_name_and_not_where_the_environment_leads(
    postgres: TestServer, monkeypatch: pytest.MonkeyPatch, listener: socket.socket
) -> None:
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.9")
    monkeypatch.setenv("PGPORT", str(listener.getsockname()[1]))
    monkeypatch.setenv("PGUSER", "nobody")
    access = postgres.access()
    by_name = dataclasses.replace(access, url=dataclasses.replace(access.url, host="localhost"))
    with by_name.connect(seconds=10) as connection:
        assert connection.execute("select host(inet_server_addr())").fetchone() == (LOOPBACK,)


def test_a_name_with_an_address_beside_it(postgres: TestServer) -> None:
    access = postgres.access()
    url = dataclasses.replace(access.url, host="localhost", parameters=(*access.url.parameters, ("hostaddr", LOOPBACK)))
    with dataclasses.replace(access, url=url).connect(seconds=10) as connection:
        assert connection.info.host == "localhost"
        assert connection.info.hostaddr == LOOPBACK


# The TLS rule, before a byte is sent


@pytest.mark.parametrize(
    ("host", "parameters", "rule"),
    [
        (LOOPBACK, "", Tls.REQUIRE),
        (LOOPBACK, "?sslmode=disable", Tls.REQUIRE),
        (LOOPBACK, "?sslmode=prefer", Tls.REQUIRE),
        (LOOPBACK, "?sslmode=require", Tls.VERIFY_FULL),
        (LOOPBACK, "?sslmode=verify-ca", Tls.VERIFY_FULL),
        (LOOPBACK, "?sslmode=allow", Tls.REQUIRE),
        ("db.example", f"?hostaddr={LOOPBACK}", Tls.DISABLE),
        ("db.example", f"?hostaddr={LOOPBACK}&sslmode=disable", Tls.REQUIRE),
    ],
)
def test_a_url_too_weak_is_refused_before_anybody_is_called(listener: socket.socket, host: str, parameters: str, rule: Tls) -> None:
    access = Access(parse(f"postgresql://app:{SECRET}@{host}:{listener.getsockname()[1]}/db{parameters}"), rule)
    with pytest.raises(UserError) as refused, access.connect(seconds=10):
        pytest.fail("must not connect")
    assert SECRET not in str(refused.value)
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize("parameters", ["sslmode=require", "sslmode=verify-full&sslrootcert=system"])
def test_a_server_without_tls_is_refused(postgres: TestServer, parameters: str) -> None:
    url = parse(f"postgresql://app:{SECRET}@{postgres.access().endpoint}?{parameters}")
    with pytest.raises(psycopg.OperationalError, match="server does not support SSL"), Access(url, Tls.REQUIRE).connect(seconds=10):
        pytest.fail("must not connect")


# Refused, and why


def test_nobody_listens(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    access = Access(parse(f"postgresql://app:{SECRET}@{LOOPBACK}:{port}/db"), Tls.DISABLE)
    with pytest.raises(psycopg.OperationalError, match="Connection refused") as refused, within(0), access.connect(seconds=60):
        pytest.fail("must not connect")
    assert SECRET not in str(refused.value)


def test_a_wrong_password(postgres: TestServer) -> None:
    access = postgres.access(password=SECRET)
    with pytest.raises(psycopg.OperationalError, match="authentication failed") as refused, access.connect(seconds=10):
        pytest.fail("must not connect")
    assert SECRET not in str(refused.value)


def test_no_such_database(postgres: TestServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="does not exist"), postgres.access().connect(seconds=10, database="none"):
        pytest.fail("must not connect")


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
def test_a_host_that_has_no_address(host: str) -> None:
    access = Access(DatabaseUrl("app", SECRET, host, 5432, "db", (("sslmode", "require"),)), Tls.REQUIRE)
    with pytest.raises(psycopg.OperationalError, match="failed to resolve host"), access.connect(seconds=10):
        pytest.fail("must not connect")


def test_a_parameter_that_libpq_does_not_know(listener: socket.socket) -> None:
    parsed = parse(f"postgresql://app:{SECRET}@{LOOPBACK}:{listener.getsockname()[1]}/db")
    access = Access(dataclasses.replace(parsed, parameters=(("no_such_key", "x"),)), Tls.DISABLE)
    with pytest.raises(UserError, match="not one that libpq takes") as refused, access.connect(seconds=10):
        pytest.fail("must not connect")
    assert SECRET not in str(refused.value)


def test_a_parameter_of_another_librarys_never_reaches_libpq(postgres: TestServer) -> None:
    access = postgres.access()
    foreign = parse(access.url.with_password() + "&pgbouncer=true&schema=public&connection_limit=1")
    with dataclasses.replace(access, url=foreign).connect(seconds=10) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


# Cut off in time


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("mode", "says"),
    [
        (Mode.STALL, r"gave no answer within 2 s"),
        (Mode.RESET, r"connection to server at"),
        (Mode.HALF_CLOSE, r"server closed the connection unexpectedly"),
    ],
)
def test_while_connecting(postgres: TestServer, mode: Mode, says: str) -> None:
    with Proxy(postgres.running.port, mode) as proxy:
        access = through(proxy, postgres)
        with pytest.raises(psycopg.OperationalError, match=says) as failed, within(2), access.connect(seconds=2):
            pytest.fail("must not connect")
        assert f"{proxy.port}" in str(failed.value)
        assert access.url.password not in str(failed.value)


def use(access: Access, proxy: Proxy, mode: Mode, *, seconds: float, statement: bool = False, error: bool = False) -> None:
    """A connection whose network fails before a second statement, before an error, or before the commit."""
    with access.connect(seconds=seconds, autocommit=False) as connection:
        connection.execute("select 1")
        proxy.mode = mode
        if statement:
            connection.execute("select 2")
        if error:
            raise ZeroDivisionError


FAILURES = [
    (Mode.STALL, 1, r"gave no answer within 1 s$"),
    (Mode.RESET, 60, r"server closed the connection|reset by peer"),
    (Mode.HALF_CLOSE, 60, r"server closed the connection"),
]


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(("mode", "seconds", "says"), FAILURES)
@pytest.mark.parametrize("statement", [True, False], ids=["statement", "commit"])
def test_while_waiting_for_an_answer(postgres: TestServer, mode: Mode, seconds: float, says: str, statement: bool) -> None:
    with Proxy(postgres.running.port) as proxy, within(1), pytest.raises(psycopg.OperationalError, match=says):
        use(through(proxy, postgres), proxy, mode, seconds=seconds, statement=statement)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(("mode", "seconds"), [failure[:2] for failure in FAILURES])
def test_while_rolling_back_for_an_error_which_is_kept(postgres: TestServer, mode: Mode, seconds: float) -> None:
    with Proxy(postgres.running.port) as proxy, within(1), pytest.raises(ZeroDivisionError):
        use(through(proxy, postgres), proxy, mode, seconds=seconds, error=True)


@pytest.mark.usefixtures("nothing_left")
def test_while_a_statement_runs(postgres: TestServer) -> None:
    access = postgres.access()
    with pytest.raises(psycopg.OperationalError) as failed, within(0.5), access.connect(seconds=0.5) as connection:
        connection.execute("select pg_sleep(60)")
    assert str(failed.value) == f"{access.endpoint} gave no answer within 0.5 s"
    assert connection.closed


def test_a_stall_that_ends_in_time_costs_nothing(postgres: TestServer) -> None:
    with Proxy(postgres.running.port) as proxy, through(proxy, postgres).connect(seconds=10) as connection:
        proxy.mode = Mode.STALL
        threading.Timer(0.2, setattr, (proxy, "mode", Mode.PASS)).start()
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_connection_that_ended_in_time_is_left_alone(postgres: TestServer) -> None:
    with postgres.access().connect(seconds=1) as connection:
        connection.execute("select 1")
    with postgres.access().connect(seconds=10) as later:  # may well have the descriptor of the first
        time.sleep(1.1)
        assert later.execute("select 1").fetchone() == (1,)


def test_another_end_of_the_connection_keeps_its_own_words(postgres: TestServer) -> None:
    access = postgres.access()

    def end_by_the_administrator() -> None:
        with access.connect(seconds=10) as connection, access.connect(seconds=10) as other:
            other.execute("select pg_terminate_backend(%s)", [connection.info.backend_pid])
            connection.execute("select 1")

    with pytest.raises(psycopg.errors.AdminShutdown):
        end_by_the_administrator()


# A name with several addresses


def resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name have these addresses; a machine's own resolver has no such name."""

    def found(_host: str, port: int, **_hints: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def test_the_next_address_is_tried(postgres: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, "127.0.0.9", LOOPBACK)
    access = postgres.access()
    by_name = dataclasses.replace(access, url=dataclasses.replace(access.url, host="localhost"))
    with by_name.connect(seconds=10) as connection:
        assert connection.info.hostaddr == LOOPBACK


def test_all_addresses_share_the_time_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [f"127.0.0.{last}" for last in range(5, 10)]
    resolving_to(monkeypatch, *addresses)
    with ExitStack() as silent:
        port = silent.enter_context(socket.create_server((addresses[0], 0))).getsockname()[1]
        for address in addresses[1:]:
            silent.enter_context(socket.create_server((address, port)))
        access = Access(parse(f"postgresql://app:{SECRET}@localhost:{port}/db"), Tls.DISABLE)
        with pytest.raises(psycopg.OperationalError, match=r"\(127\.0\.0\.5\) gave no answer"), within(2), access.connect(seconds=2):
            pytest.fail("must not connect")


def test_every_address_says_why_it_failed(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    port = listener.getsockname()[1]
    listener.close()
    resolving_to(monkeypatch, "127.0.0.8", "127.0.0.9", "127.0.0.8")
    access = Access(parse(f"postgresql://app:{SECRET}@localhost:{port}/db"), Tls.DISABLE)
    with pytest.raises(psycopg.OperationalError) as failed, access.connect(seconds=10):
        pytest.fail("must not connect")
    assert str(failed.value).count("Connection refused") == 2
    assert "127.0.0.8" in str(failed.value)
    assert "127.0.0.9" in str(failed.value)
