"""The database moves while eight writers write, by threads and by asyncio: nothing is lost, nothing is doubled."""

import dataclasses
import json
import logging
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from infraops_core.audit.connections import async_connections, connections, sources
from infraops_core.audit.connections.connections import Connections
from infraops_core.audit.connections.sources import FileUrl
from infraops_core.errors import UserError
from infraops_core.servers import loopback
from infraops_core.servers.embedded import server
from infraops_core.servers.embedded.folder import Marker, ServerFolder
from infraops_core.tls import Tls
from tests.campaign import times
from tests.fix_postgres import TestServer, wait_until
from tests.fix_proxy import Mode, Proxy
from tests.infraops_core.audit.connections.load import Load
from tests.infraops_core.audit.connections.places import Place, place, renewed

_IN_FLIGHT = """
select 1 from pg_locks where relation = 'rows'::regclass and mode = 'RowExclusiveLock' and pid <> pg_backend_pid()
"""


@pytest.fixture(scope="module")
def homes(postgres: TestServer) -> Iterator[tuple[Place, Place]]:
    with place(postgres) as a, place(postgres) as b:
        yield a, b


@pytest.fixture
def a(homes: tuple[Place, Place]) -> Iterator[Place]:
    with renewed(homes[0]) as made:
        yield made


@pytest.fixture
def b(homes: tuple[Place, Place]) -> Iterator[Place]:
    with renewed(homes[1]) as made:
        yield made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "url"


@pytest.fixture(params=[False, True], ids=["threads", "asyncio"])
def in_asyncio(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def revoke(a: Place) -> None:
    a.do('revoke insert on rows from "{role}"')
    wait_until(lambda: not a.do(_IN_FLIGHT), "the end of what is in flight")


def no_login(a: Place) -> None:
    a.do('alter role "{role}" nologin')
    for _ in range(2):  # a login may be under way
        a.terminate()
        time.sleep(0.05)


def read_only(a: Place) -> None:
    a.do('alter role "{role}" set default_transaction_read_only = on')
    (fenced_at,) = a.do("select clock_timestamp()::text")[0]
    older = f"from pg_stat_activity where usename = '{{role}}' and backend_start < '{fenced_at}'"
    for _ in range(2):
        a.do(f"select pg_terminate_backend(pid) {older}")
        wait_until(lambda: not a.do(f"select 1 {older}"), "the end of the sessions that may write")
        time.sleep(0.05)


def moved(stopped: TestServer, base: Path) -> TestServer:
    """A stopped server's data at another place, and running there."""
    subprocess.run(["cp", "-a", stopped.folder.base, base], check=True)
    wanted = dataclasses.replace(stopped.wanted, folder=ServerFolder(base))
    (base / "infraops.json").write_text(json.dumps(dataclasses.asdict(Marker(wanted.project, wanted.stack, loopback.free_port()))))
    return TestServer(wanted, server.ensure(wanted))


def copy(a: Place, b: Place) -> None:
    """A's rows to B, which has none of them yet."""
    source, target = (at.server.access(database=at.database).connect(seconds=30) for at in (a, b))
    with source as reading, target as writing, writing.cursor() as cursor:
        found = reading.execute("select id, writer from rows").fetchall()
        cursor.executemany("insert into rows values (%s, %s)", found)


def has_recovered(at: Place, killed: list[int]) -> bool:
    try:
        return bool(at.sessions()) and not set(at.sessions()) & set(killed)
    except psycopg.OperationalError:
        return False


def rows(at: Place) -> list[uuid.UUID]:
    return [row[0] for row in at.do("select id from rows")]


def check(load: Load, a: Place, b: Place) -> None:
    """Everything acknowledged is in B, once, and nothing was written to A that B lacks."""
    assert load.errors == []
    assert len(load.acknowledged) == len(load.ids)
    kept = rows(b)
    assert load.ids <= set(kept)
    assert len(kept) == len(set(kept))
    assert set(rows(a)) <= set(kept)
    print(f"Switch    {len(load.acknowledged)} rows acknowledged, longest gap {load.longest_gap_ms():.1f} ms")


@pytest.mark.parametrize("fence", [revoke, no_login, read_only])
@pytest.mark.parametrize("_time", range(times(1, 30)))
def test_a_switch_loses_and_doubles_nothing(
    a: Place, b: Place, file: Path, in_asyncio: bool, fence: Callable[[Place], None], _time: int
) -> None:
    sources.write(file, a.url)
    with Load(FileUrl(file), in_asyncio=in_asyncio) as load:
        fence(a)
        copy(a, b)
        sources.write(file, b.url)
        load.wait_for(100)
    check(load, a, b)
    assert not a.sessions()


def test_after_an_announcement_the_first_write_needs_no_new_connection(a: Place, b: Place, file: Path, in_asyncio: bool) -> None:
    sources.write(file, a.url)
    with Proxy(b.access.url.port) as proxy, Load(FileUrl(file), in_asyncio=in_asyncio) as load:
        wait_until(lambda: len(a.sessions()) >= 8, "a connection for each writer")
        sources.write(file, a.url, b.through(proxy.port))
        wait_until(lambda: len(b.sessions()) >= len(a.sessions()), "the connections opened ahead")
        opened = proxy.connections
        revoke(a)
        copy(a, b)
        sources.write(file, b.through(proxy.port))
        load.wait_for(100)
        assert proxy.connections == opened
    check(load, a, b)


def test_there_and_back(a: Place, b: Place, file: Path, in_asyncio: bool) -> None:
    """Without a fence: each row is where it was acknowledged."""
    sources.write(file, a.url, b.url)
    with Load(FileUrl(file), in_asyncio=in_asyncio) as load:
        for here, there in [(b, a), (a, b), (b, None), (a, None)]:
            sources.write(file, here.url, there.url if there else None)
            load.wait_for(30)
    assert load.errors == []
    assert load.ids <= set(rows(a)) | set(rows(b))
    assert rows(a)
    assert rows(b)


def test_a_proxy_that_goes_silent_holds_nobody_longer_than_the_drain(
    a: Place, b: Place, file: Path, in_asyncio: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (connections, async_connections):
        monkeypatch.setattr(module, "DRAIN_SECONDS", 0.3)
    with Proxy(a.access.url.port) as proxy:
        sources.write(file, a.through(proxy.port))
        with Load(FileUrl(file), in_asyncio=in_asyncio) as load:
            proxy.mode = Mode.STALL
            time.sleep(0.1)
            no_login(a)
            copy(a, b)
            sources.write(file, b.url)
            load.wait_for(100)
    check(load, a, b)
    assert load.longest_gap_ms() < 4000


def test_a_backend_that_is_killed_in_mid_commit(with_a_row: TestServer, file: Path, in_asyncio: bool) -> None:
    """Postgres then ends all its sessions and recovers: what was told to be written is there."""
    with place(with_a_row) as a:
        sources.write(file, a.url)
        with Load(FileUrl(file), in_asyncio=in_asyncio) as load:
            for _ in range(3):
                before = a.sessions()
                os.kill(before[0], signal.SIGKILL)
                wait_until(lambda before=before: has_recovered(a, before), "the recovery")  # type: ignore[misc]
                load.wait_for(50)
        check(load, a, a)


def test_the_server_stops_and_comes_up_elsewhere(with_a_row: TestServer, open_folder: Path, file: Path, in_asyncio: bool) -> None:
    """Stopped, copied as it lies, started at another port: as a snapshot that is restored."""
    with place(with_a_row) as a:
        sources.write(file, a.url)
        with Load(FileUrl(file), in_asyncio=in_asyncio) as load:
            server.stop(with_a_row.folder)
            b = Place(moved(with_a_row, open_folder / "servers" / "moved"), a.database, a.role, a.password)
            sources.write(file, b.url)
            load.wait_for(50)
        check(load, b, b)


def test_what_is_announced_is_opened_once_it_is_there_and_closed_when_it_is_taken_back(a: Place, b: Place, file: Path) -> None:
    b.do('alter role "{role}" nologin')
    sources.write(file, a.url, b.url)
    with Connections(FileUrl(file), tls=Tls.DISABLE) as made:
        with made.connection(), made.connection(), made.connection():
            pass
        b.do('alter role "{role}" login')
        wait_until(lambda: len(b.sessions()) >= 3, "the connections opened ahead")
        sources.write(file, a.url)
        wait_until(lambda: not b.sessions(), "the end of what was opened ahead")
        assert made.run(lambda connection: connection.info.dbname) == a.database


@pytest.mark.parametrize("problem", ["weak TLS", "no server"])
def test_an_announcement_that_is_no_use_harms_nothing(
    a: Place, file: Path, in_asyncio: bool, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="infraops.audit")
    upcoming = "postgresql://u:se-cret@db.example/d?sslmode=disable" if problem == "weak TLS" else "postgresql://u:se-cret@127.0.0.1:1/d"
    sources.write(file, a.url, upcoming)
    with Load(FileUrl(file), in_asyncio=in_asyncio) as load:
        wait_until(lambda: caplog.text, "the warning")
        load.wait_for(100)
    assert load.errors == []
    said = {"weak TLS": "can't be used: TLS may be off for loopback only", "no server": "can't be entered yet: "}[problem]
    assert [said in line for line in caplog.text.splitlines()] == [True]  # once, and nothing else
    assert "se-cret" not in caplog.text


def test_a_switch_to_a_url_weaker_than_the_rule_is_refused_and_can_be_mended(a: Place, file: Path) -> None:
    sources.write(file, a.url)
    with Connections(FileUrl(file), tls=Tls.DISABLE) as made:
        made.run(lambda connection: connection.execute("select 1"))
        sources.write(file, "postgresql://u:se-cret@db.example/d?sslmode=disable")
        with pytest.raises(UserError, match="TLS may be off for loopback only"):
            made.run(lambda connection: connection.execute("select 1"))
        sources.write(file, a.url)
        made.run(lambda connection: connection.execute("select 1"))


def test_the_end_says_that_the_source_failed_too(a: Place, file: Path) -> None:
    sources.write(file, a.url)
    a.do('revoke insert on rows from "{role}"')
    with Connections(FileUrl(file), tls=Tls.DISABLE) as made:
        made.run(lambda connection: connection.execute("select 1"))
        file.unlink()
        with pytest.raises(UserError, match=r"permission denied for table rows; the source of the URL failed too: .* No such file") as end:
            made.run(lambda connection: connection.execute("insert into rows values (gen_random_uuid(), 1)"), deadline_seconds=0.3)
    assert end.value.where == a.endpoint
    assert a.password not in str(end.value)


def test_a_new_password_in_the_file_is_used_as_soon_as_the_old_is_refused(a: Place, file: Path, in_asyncio: bool) -> None:
    sources.write(file, a.url)
    with Load(FileUrl(file), in_asyncio=in_asyncio) as load:
        a.do("alter role \"{role}\" password 'rotated'")
        a.terminate()
        rotated = dataclasses.replace(a, password="rotated")
        write = threading.Timer(0.1, sources.write, [file, rotated.url])
        write.start()
        write.join()
        load.wait_for(50)
    check(load, a, a)
