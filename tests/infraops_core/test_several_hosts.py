"""A URL with several hosts: tried in libpq's order until one fits, in time, by a direct connection and by the store's."""

import dataclasses
import secrets
import socket
import time
from collections.abc import Iterator

import psycopg
import pytest

from infraops_core import passwords, routes
from infraops_core.access import Access
from infraops_core.audit.connections.door import Door
from infraops_core.audit.connections.pool import Pool
from infraops_core.database_url import DatabaseUrl, Place, parse
from infraops_core.tls import Tls
from tests.fix_postgres import TestServer
from tests.fix_proxy import LOOPBACK, Mode, Proxy
from tests.fix_tls import TlsServer


@dataclasses.dataclass(frozen=True)
class Pair:
    """A role with the same password on two servers, of which the first has read-only sessions for it."""

    role: str
    password: str
    read_only: int
    read_write: int

    def access(self, *ports: int, password: str = "", **parameters: str) -> Access:
        places = [Place(LOOPBACK, port) for port in ports]
        given = tuple(({"sslmode": "disable"} | parameters).items())
        url = DatabaseUrl(self.role, password or self.password, LOOPBACK, ports[0], "postgres", given, (), tuple(places[1:]))
        return Access(url, Tls.DISABLE)

    def both(self, **parameters: str) -> Access:
        return self.access(self.read_only, self.read_write, **parameters)


@pytest.fixture(scope="module")
def pair(postgres: TestServer, tls_server: TlsServer) -> Iterator[Pair]:
    role, password = f"test_{secrets.token_hex(6)}", passwords.generate()
    for server in (postgres, tls_server.server):
        with server.access().connect(seconds=60) as connection:
            connection.execute(f"create role {role} login password '{password}'".encode())
    with postgres.access().connect(seconds=60) as connection:
        connection.execute(f"alter role {role} set default_transaction_read_only = on".encode())
    yield Pair(role, password, postgres.running.port, tls_server.port)
    for server in (postgres, tls_server.server):
        with server.access().connect(seconds=60) as connection:
            connection.execute(f"drop role {role}".encode())


@pytest.fixture
def nobody() -> int:
    """A port where nobody listens."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        return int(listener.getsockname()[1])


def reached(access: Access, seconds: float = 10) -> int:
    with access.connect(seconds=seconds) as connection:
        return connection.info.port


def reached_by_the_store(access: Access) -> int:
    pool = Pool(Door(access.url.with_password(), access.tls, 5), max_size=1, idle_seconds=60)
    try:
        session = pool.acquire(time.monotonic() + 10)
        pool.release(session)
        return session.info.port
    finally:
        pool.close()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("any", "read_only"),
        ("read-only", "read_only"),
        ("read-write", "read_write"),
        ("primary", "read_only"),
        ("prefer-standby", "read_only"),
    ],
)
def test_the_first_whose_session_is_as_wanted(pair: Pair, wanted: str, expected: str) -> None:
    access = pair.both(target_session_attrs=wanted)
    assert reached(access) == getattr(pair, expected)
    assert reached_by_the_store(access) == getattr(pair, expected)


def test_none_fits(pair: Pair) -> None:
    with pytest.raises(psycopg.OperationalError) as refused:
        reached(pair.both(target_session_attrs="standby"))
    assert str(refused.value).count("not in hot standby mode") == 2
    assert pair.password not in str(refused.value)
    with pytest.raises(psycopg.OperationalError, match="hot standby"):
        reached_by_the_store(pair.both(target_session_attrs="standby"))


def test_one_that_is_down_is_passed_over(pair: Pair, nobody: int) -> None:
    assert reached(pair.access(nobody, pair.read_write)) == pair.read_write
    assert reached_by_the_store(pair.access(nobody, pair.read_write)) == pair.read_write


def test_a_name_without_an_address_is_passed_over(pair: Pair) -> None:
    parameters = (("sslmode", "require"), ("hostaddr", f",{LOOPBACK}"))
    url = DatabaseUrl(pair.role, pair.password, "a..b", 1, "postgres", parameters, (), (Place("localhost", pair.read_write),))
    assert reached(Access(url, Tls.REQUIRE)) == pair.read_write
    alone = dataclasses.replace(url, others=(), parameters=parameters[:1])
    with pytest.raises(psycopg.OperationalError, match=r"failed to resolve host 'a\.\.b'"):
        reached(Access(alone, Tls.REQUIRE))


@pytest.mark.parametrize("mode", [Mode.STALL, Mode.RESET, Mode.HALF_CLOSE])
def test_one_that_fails_leaves_time_for_the_next(pair: Pair, mode: Mode) -> None:
    with Proxy(pair.read_only, mode) as proxy:
        started = time.monotonic()
        assert reached(pair.access(proxy.port, pair.read_write), seconds=5) == pair.read_write
        assert time.monotonic() - started < 5


def test_a_refused_login_is_refused_by_all(pair: Pair) -> None:
    with pytest.raises(psycopg.OperationalError) as refused:
        reached(pair.both(password="wrong"))
    assert str(refused.value).count("authentication failed") == 1
    assert f"port {pair.read_write}" not in str(refused.value)


@pytest.mark.parametrize(
    ("said", "final"),
    [
        ('connection failed: FATAL:  password authentication failed for user "u"', True),
        ("FATAL:  sorry, too many clients already", True),
        ("FATAL:  the database system is starting up", False),
        ("FATAL:  the database system is shutting down", False),
        ("FATAL:  the database system is in recovery mode", False),
        ("FATAL:  the database system is not yet accepting connections", False),
        ("Connection refused", False),
        ("session is read-only", False),
        ("server closed the connection unexpectedly", False),
    ],
)
def test_which_answers_end_the_search(said: str, final: bool) -> None:
    assert routes.is_final(psycopg.OperationalError(said)) is final


def test_in_the_order_of_the_url_unless_shuffled() -> None:
    url = parse("postgresql://u:p@a:1,b:2,c:3/db?hostaddr=10.0.0.1,,10.0.0.3")
    assert [str(route) for route in routes.of(url)] == ["a:1 (10.0.0.1)", "b:2", "c:3 (10.0.0.3)"]
    shuffled = parse("postgresql://u:p@a:1,b:2,c:3/db?hostaddr=10.0.0.1,,10.0.0.3&load_balance_hosts=random")
    orders = {tuple(str(route) for route in routes.of(shuffled)) for _ in range(200)}
    assert len(orders) == 6
    assert {route for order in orders for route in order} == {"a:1 (10.0.0.1)", "b:2", "c:3 (10.0.0.3)"}


def test_both_are_used_when_shuffled(pair: Pair) -> None:
    assert {reached(pair.both(load_balance_hosts="random")) for _ in range(40)} == {pair.read_only, pair.read_write}


def test_the_addresses_of_a_name_are_shuffled_too() -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"10.0.0.{last}", 1)) for last in (1, 2, 1, 3)]
    assert routes.distinct(found) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert len({tuple(routes.distinct(found, shuffled=True)) for _ in range(200)}) == 6


def test_standbys_first_then_any() -> None:
    url = parse("postgresql://u:p@a,b/db?target_session_attrs=prefer-standby")
    assert [(route.place.host, route.attributes) for route in routes.of(url)] == [
        ("a", "standby"), ("b", "standby"), ("a", "any"), ("b", "any"),
    ]  # fmt: skip


def test_the_urls_own_connect_timeout_is_kept() -> None:
    with socket.create_server((LOOPBACK, 0)) as silent:
        access = Access(parse(f"postgresql://u:p@{LOOPBACK}:{silent.getsockname()[1]}/db?connect_timeout=2"), Tls.DISABLE)
        started = time.monotonic()
        with pytest.raises(psycopg.OperationalError, match="gave no answer within 2 s"):
            reached(access, seconds=60)
        assert time.monotonic() - started < 5
