"""A pooled connection is refused, by its URL or by what the pooler does; one that keeps its session passes."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from infraops_core.access import Access
from infraops_core.database_url import parse
from infraops_core.errors import UserError
from infraops_core.migrations import files, over_psycopg, pooled, runner
from infraops_core.tls import Tls
from tests.fix_pgbouncer import pgbouncer
from tests.fix_postgres import TestServer


@pytest.fixture
def database(postgres: TestServer, empty_database: str) -> Access:
    return postgres.access(database=empty_database)


@pytest.fixture
def migrations(tmp_path: Path) -> list[files.Migration]:
    (tmp_path / "1_a.sql").write_text("-- migrate:up\ncreate table a ();\n-- migrate:down\ndrop table a;\n")
    return files.read(tmp_path)


@pytest.mark.parametrize(
    ("url", "whose", "then"),
    [
        ("postgresql://u:secret@ep-a-1-pooler.eu-central-1.aws.neon.tech/d?sslmode=require", "Neon's pooler",
         "postgresql://u:***@ep-a-1.eu-central-1.aws.neon.tech:5432/d?sslmode=require"),
        ("postgresql://postgres.ref:secret@aws-0-eu-west-1.pooler.supabase.com:6543/postgres", "Supabase's pooler",
         "postgresql://postgres.ref:***@aws-0-eu-west-1.pooler.supabase.com:5432/postgres"),
        ("postgresql://u:secret@127.0.0.1:1/d?pgbouncer=true", "a pooler (it says pgbouncer=true)", "the database's own host and port"),
    ],
)  # fmt: skip
def test_a_providers_pooler_is_refused_before_anything_is_sent(migrations: list[files.Migration], url: str, whose: str, then: str) -> None:
    access = Access(parse(url), Tls.REQUIRE)
    for attempt in (
        lambda: list(runner.apply(access, migrations)), lambda: runner.down(access, migrations), lambda: runner.status(access, migrations),
        lambda: runner.mark(access, *migrations),
    ):  # fmt: skip
        with pytest.raises(UserError, match="migrations cannot run through") as refused:
            attempt()
        assert whose in refused.value.what
        assert refused.value.next == f"use the direct URL: {then}"
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("mode", "size", "more"),
    [
        ("transaction", 20, ""),
        ("transaction", 1, ""),
        ("transaction", 3, "server_round_robin = 1"),
        ("statement", 20, ""),
        ("statement", 1, ""),
    ],
)
def test_a_pooler_that_keeps_no_session_is_refused(
    database: Access, migrations: list[files.Migration], mode: str, size: int, more: str
) -> None:
    with pgbouncer(database, mode, size=size, more=more) as through:
        started = time.monotonic()
        with pytest.raises(UserError, match="through a pooler in transaction or statement mode") as refused:
            list(runner.apply(through, migrations))
        assert time.monotonic() - started < 10
        assert refused.value.where == through.endpoint
    assert runner.pending(database, migrations) == migrations


def test_a_pooler_with_warm_connections_is_refused(database: Access, migrations: list[files.Migration]) -> None:
    """Which server process answers is then the pooler's choice."""
    with pgbouncer(database, "transaction", size=5, more="server_round_robin = 1\nmin_pool_size = 5") as through, ExitStack() as stack:
        connections = [stack.enter_context(through.connect(seconds=20)) for _ in range(5)]
        for command in (b"begin", b"commit"):
            for connection in connections:
                connection.execute(command)
        with pytest.raises(UserError, match="through a pooler"):
            list(runner.apply(through, migrations))


@pytest.mark.parametrize("size", [1, 20])
def test_a_pooler_in_session_mode_passes(
    database: Access, migrations: list[files.Migration], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(pooled, "_PROOF_SECONDS", 1)
    with pgbouncer(database, "session", size=size) as through:
        started = time.monotonic()
        assert len(list(runner.apply(through, migrations))) == 1
        assert runner.pending(through, migrations) == []
        assert time.monotonic() - started < 20


def test_a_direct_connection_is_asked_once(database: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooled, "_gives_sessions_away", pytest.fail)
    with over_psycopg.opened(database, seconds=20) as transport:
        assert transport.run("select 1") == [(1,)]
