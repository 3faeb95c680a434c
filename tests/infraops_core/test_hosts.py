"""The hosts file: what it may hold, and that every way of connecting goes by it while the certificate's name is still checked."""

import asyncio
import subprocess
import time
from pathlib import Path

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infraops_core import checkout, hosts
from infraops_core.access import Access
from infraops_core.audit.connections.async_pool import AsyncPool
from infraops_core.audit.connections.door import Door
from infraops_core.audit.connections.pool import Pool
from infraops_core.database_url import DatabaseUrl, parse
from infraops_core.errors import UserError
from infraops_core.hosts import Entry
from infraops_core.migrations.client import pg_dump
from infraops_core.servers.embedded import binaries
from infraops_core.tls import Tls
from tests.fix_proxy import LOOPBACK
from tests.fix_tls import HOST, OTHER_HOST, TlsServer


@pytest.fixture
def hosts_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that `INFRAOPS_HOSTS` names, yet to be written."""
    file = tmp_path / "hosts"
    monkeypatch.setenv("INFRAOPS_HOSTS", str(file))
    return file


# What it may hold


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("", {}),
        ("# nothing\n\n   # more of it\n", {}),
        ("db.example.com 127.0.0.1 15432\n", {"db.example.com": Entry("127.0.0.1", 15432)}),
        ("\tDB.Example.com.\t::1  1 # the tunnel\r\n", {"db.example.com": Entry("::1", 1)}),
        ("a 10.0.0.1 5432\nb 10.0.0.1 5432", {"a": Entry("10.0.0.1", 5432), "b": Entry("10.0.0.1", 5432)}),
        ("my_db-1 2001:db8::17 65535", {"my_db-1": Entry("2001:db8::17", 65535)}),
    ],
)
def test_read(tmp_path: Path, text: str, entries: dict[str, Entry]) -> None:
    file = tmp_path / "hosts"
    file.write_text(text)
    assert hosts.read(file) == entries


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a", 1, "a line has a name, an address and a port, and this one has 1 of them"),
        ("# x\na 127.0.0.1", 2, "this one has 2 of them"),
        ("a 127.0.0.1 1 2", 1, "this one has 4 of them"),
        ("a 127.0.0.1 1\nb localhost 1", 2, "'localhost' is no IP address"),
        ("a 127.0.0.1:5432 1", 1, "is no IP address"),
        ("a [::1] 1", 1, "is no IP address"),
        ("a 127.0.0.1 0", 1, "'0' is no port from 1 to 65535"),
        ("a 127.0.0.1 65536", 1, "is no port"),
        ("a 127.0.0.1 x", 1, "is no port"),
        ("a 127.0.0.1 \u0665", 1, "is no port"),
        ("a..b 127.0.0.1 1", 1, "'a..b' is no host name"),
        ("10.0.0.1 127.0.0.1 1", 1, "'10.0.0.1' is no host name"),
        ("a/b 127.0.0.1 1", 1, "is no host name"),
        ("a 127.0.0.1 1\n\nb ::1 2\nA. ::1 1", 4, "a stands in line 1 too, and a name leads to one place"),
    ],
)
def test_refused_and_where(hosts_file: Path, text: str, line: int, problem: str) -> None:
    hosts_file.write_text(text)
    with pytest.raises(UserError) as refused:
        hosts.applied(parse("postgresql://u:p@a/db"))
    assert problem in refused.value.what
    assert refused.value.where == f"{hosts_file}:{line}"


def test_a_file_that_is_not_there_is_named(hosts_file: Path) -> None:
    with pytest.raises(UserError, match="No such file") as refused:
        hosts.applied(parse("postgresql://u:p@a/db"))
    assert refused.value.where == f"INFRAOPS_HOSTS ({hosts_file})"
    hosts_file.mkdir()
    with pytest.raises(UserError, match="Is a directory"):
        hosts.applied(parse("postgresql://u:p@a/db"))


def test_a_file_that_is_no_text(hosts_file: Path) -> None:
    hosts_file.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not UTF-8"):
        hosts.applied(parse("postgresql://u:p@a/db"))


@settings(max_examples=100, deadline=None)
@given(st.text() | st.from_regex(r"[a-z.]{1,5} [0-9:.]{1,12} [0-9]{1,6}( #.*)?\n?", fullmatch=True))
def test_any_text_is_a_hosts_file_or_a_users_mistake(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any_hosts"
    file.write_text(text, encoding="utf-8", errors="replace")
    try:
        found = hosts.read(file)
    except UserError:
        return
    assert all(1 <= entry.port <= 65535 for entry in found.values())


# What it does to a URL


@pytest.mark.parametrize(
    ("url", "becomes"),
    [
        ("postgresql://u:p@other/db", "postgresql://u:p@other:5432/db"),
        ("postgresql://u:p@a/db", "postgresql://u:p@a:15432/db?hostaddr=127.0.0.1"),
        ("postgresql://u:p@A.:1/db?sslmode=require", "postgresql://u:p@A.:15432/db?sslmode=require&hostaddr=127.0.0.1"),
        ("postgresql://u:p@a/db?hostaddr=10.0.0.9", "postgresql://u:p@a:5432/db?hostaddr=10.0.0.9"),
        ("postgresql://u:p@b:1,a:2,c:3/db", "postgresql://u:p@b:1,a:15432,c:25432/db?hostaddr=%2C127.0.0.1%2C%3A%3A1"),
        ("postgresql://u:p@a:1,c:2/db?hostaddr=10.0.0.9,", "postgresql://u:p@a:1,c:25432/db?hostaddr=10.0.0.9%2C%3A%3A1"),
        ("postgresql://u:p@127.0.0.1/db", "postgresql://u:p@127.0.0.1:5432/db"),
    ],
)
def test_applied(hosts_file: Path, url: str, becomes: str) -> None:
    hosts_file.write_text("a 127.0.0.1 15432\nc ::1 25432\n")
    assert hosts.applied(parse(url)).with_password() == becomes


def test_without_a_file_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    url = parse("postgresql://u:p@a,b/db")
    monkeypatch.delenv("INFRAOPS_HOSTS", raising=False)
    assert hosts.applied(url) is url
    assert hosts.applied(url, {"INFRAOPS_HOSTS": ""}) is url


def test_a_changed_file_is_read_again_and_the_same_one_is_not(hosts_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = parse("postgresql://u:p@a/db")
    hosts_file.write_text("a 127.0.0.1 1")
    assert hosts.applied(url).port == 1
    hosts_file.write_text("a 127.0.0.1 2222")
    assert hosts.applied(url).port == 2222
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: pytest.fail("must not be read"))
    assert hosts.applied(url).port == 2222


@pytest.mark.parametrize(("name", "address"), [("localhost", "10.0.0.1"), ("db.example", "127.0.0.1")])
def test_an_entry_makes_no_machine_this_one(hosts_file: Path, name: str, address: str) -> None:
    hosts_file.write_text(f"{name} {address} 1")
    url = parse(f"postgresql://u:p@{name}/db?sslmode=disable")
    with pytest.raises(UserError, match="TLS may be off for loopback only"), Access(url, Tls.DISABLE).connect(seconds=2):
        pytest.fail("must not connect")
    with pytest.raises(UserError, match="TLS may be off for loopback only"):
        Door(url.with_password(), Tls.DISABLE, 2)


# Every way of connecting goes by it


def by_name(tls_server: TlsServer, host: str = HOST) -> Access:
    """A URL that names the default port, where nobody listens, and no address."""
    access = tls_server.access(host=host, at="")
    return Access(DatabaseUrl(access.url.user, access.url.password, host, 5432, "postgres", access.url.parameters), Tls.VERIFY_FULL)


def test_a_direct_connection(tls_server: TlsServer, hosts_file: Path) -> None:
    hosts_file.write_text(f"{HOST} {LOOPBACK} {tls_server.port}\n")
    with by_name(tls_server).connect(seconds=5) as connection:
        assert (connection.info.host, connection.info.port, connection.pgconn.ssl_in_use) == (HOST, tls_server.port, True)


def test_the_wrong_name_is_refused(tls_server: TlsServer, hosts_file: Path) -> None:
    hosts_file.write_text(f"{OTHER_HOST} {LOOPBACK} {tls_server.port}\n")
    with (
        pytest.raises(psycopg.OperationalError, match=f"is for {HOST}, .*not for {OTHER_HOST}"),
        by_name(tls_server, OTHER_HOST).connect(seconds=5),
    ):
        pytest.fail("must not connect")


def test_without_the_entry_the_name_leads_nowhere(tls_server: TlsServer, hosts_file: Path) -> None:
    hosts_file.write_text(f"{OTHER_HOST} {LOOPBACK} {tls_server.port}\n")
    with pytest.raises(psycopg.OperationalError, match=f"failed to resolve host '{HOST}'"), by_name(tls_server).connect(seconds=5):
        pytest.fail("must not connect")


def test_the_stores_connections(tls_server: TlsServer, hosts_file: Path) -> None:
    hosts_file.write_text(f"{HOST} {LOOPBACK} {tls_server.port}\n")
    pool = Pool(Door(by_name(tls_server).url.with_password(), Tls.VERIFY_FULL, 5), max_size=2, idle_seconds=60)
    try:
        session = pool.acquire(time.monotonic() + 5)
        assert (session.info.host, session.info.port, session.pgconn.ssl_in_use) == (HOST, tls_server.port, True)
        pool.release(session)
    finally:
        pool.close()


def test_a_store_is_told_what_is_wrong_with_the_file_and_obeys_once_it_is_mended(tls_server: TlsServer, hosts_file: Path) -> None:
    hosts_file.write_text(f"{HOST} {LOOPBACK} {tls_server.port}\n")
    door = Door(by_name(tls_server).url.with_password(), Tls.VERIFY_FULL, 5)
    hosts_file.write_text(f"{HOST} {LOOPBACK}\n")
    pool = Pool(door, max_size=2, idle_seconds=60)
    try:
        with pytest.raises(psycopg.OperationalError, match=f"this one has 2 of them where: {hosts_file}:1"):
            pool.acquire(time.monotonic() + 5)
        hosts_file.write_text(f"{HOST} {LOOPBACK} {tls_server.port}\n")
        pool.release(pool.acquire(time.monotonic() + 5))
    finally:
        pool.close()


def test_the_stores_connections_in_an_event_loop(tls_server: TlsServer, hosts_file: Path) -> None:
    hosts_file.write_text(f"{HOST} {LOOPBACK} {tls_server.port}\n")

    async def come_in() -> tuple[str, int]:
        pool = AsyncPool(Door(by_name(tls_server).url.with_password(), Tls.VERIFY_FULL, 5), max_size=2, idle_seconds=60)
        try:
            session = await pool.acquire(time.monotonic() + 5)
            await pool.release(session)
            return session.info.host, session.info.port
        finally:
            await pool.close()

    assert asyncio.run(come_in()) == (HOST, tls_server.port)


def test_a_database_and_its_pooler_on_one_host_lead_to_two_places(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text(f"{HOST}:6543 {LOOPBACK} 15001\n{HOST} {LOOPBACK} 15000\n{OTHER_HOST}:6543 {LOOPBACK} 15002\n")
    url = parse(f"postgresql://u:p@{HOST},{HOST.upper()}.:6543,{OTHER_HOST},{OTHER_HOST}:6543/d")
    led = hosts.applied(url, {hosts.VARIABLE: str(file)})
    assert [place.port for place in led.places] == [15000, 15001, 5432, 15002]
    assert led.addresses == (LOOPBACK, LOOPBACK, "", LOOPBACK)


def test_the_variable_may_stand_in_quotes_as_the_others_may(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text(f"{HOST} {LOOPBACK} 15432\n")
    led = hosts.applied(parse(f"postgresql://u:p@{HOST}/d"), {hosts.VARIABLE: f' "{file}"\n'})
    assert (led.addresses, led.port) == ((LOOPBACK,), 15432)
    assert checkout.state_folder({"INFRAOPS_STATE": f"'{tmp_path}'"}) == tmp_path


@pytest.mark.parametrize("several", [False, True])
def test_pg_dump(tls_server: TlsServer, hosts_file: Path, several: bool) -> None:
    hosts_file.write_text(f"{HOST} {LOOPBACK} {tls_server.port}\n")
    access = by_name(tls_server)
    if several:
        access = Access(parse(access.url.with_password().replace("@", "@localhost:1,")), Tls.VERIFY_FULL)
    client = pg_dump(access, binaries.find([17], None))
    command = client.command("--schema-only")
    assert access.url.password not in " ".join(command)
    ran = subprocess.run(command, env=client.environment, capture_output=True, text=True, timeout=30, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    hosts_file.write_text("localhost ::1 1\n")
    with pytest.raises(UserError, match=r"failed to resolve host|Connection refused"):
        pg_dump(access, binaries.find([17], None))
