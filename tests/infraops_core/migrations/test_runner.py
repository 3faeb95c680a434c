"""The runner on a real server: exactly once, whole or not at all, and errors with their place."""

import dataclasses
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.migrations import files, runner
from tests.fix_postgres import TestServer, wait_until

# One runner as a process: the URL comes by standard input, what it applied goes out.
RUNNER = """
import sys, time
from pathlib import Path
from infraops_core.access import Access
from infraops_core.migrations import files, runner
access = Access.from_inputs({"url": sys.stdin.readline().strip(), "tls": "disable"})
migrations = files.read(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for applied in runner.apply(access, migrations):
    print("applied", applied.migration.version, flush=True)
"""


@pytest.fixture(scope="module")
def one_database(postgres: TestServer) -> Iterator[Access]:
    with postgres.access().connect(seconds=60) as connection:
        connection.execute("create database test_runner")
    yield postgres.access(database="test_runner")
    with postgres.access().connect(seconds=60) as connection:
        connection.execute("drop database test_runner with (force)")


@pytest.fixture
def database(one_database: Access) -> Access:
    """A database with nothing in it; emptying one takes a tenth of the time of making one."""
    with one_database.connect(seconds=60) as connection:
        connection.execute("set client_min_messages = warning; drop schema public cascade; create schema public")
    return one_database


def write(folder: Path, *statements: str) -> list[files.Migration]:
    """Migrations 1, 2, 3, … of these statements."""
    for number, statement in enumerate(statements, start=1):
        (folder / f"{number}_m.sql").write_text(f"-- migrate:up\n{statement}\n\n-- migrate:down\n")
    return files.read(folder)


def query(access: Access, statement: str) -> list[tuple[object, ...]]:
    with access.connect(seconds=30) as connection:
        return connection.execute(statement.encode()).fetchall()


def ledger(access: Access) -> list[str]:
    return [str(row[0]) for row in query(access, "select version from public.schema_migrations order by version")]


def tables(access: Access) -> list[str]:
    found = "select tablename from pg_tables where schemaname = 'public' and tablename <> 'schema_migrations' order by 1"
    return [str(row[0]) for row in query(access, found)]


def started_runner(access: Access, folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", RUNNER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(access.url.with_password() + "\n")
    process.stdin.flush()
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.fixture
def killed_at_the_end() -> Iterator[list["subprocess.Popen[str]"]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def test_what_is_missing_is_applied_in_order_and_once(database: Access, tmp_path: Path) -> None:
    migrations = write(tmp_path, "create table a ();", "alter table a add column b int;")
    assert runner.pending(database, migrations) == migrations
    assert [applied.migration for applied in runner.apply(database, migrations)] == migrations
    assert runner.pending(database, migrations) == []
    assert list(runner.apply(database, migrations)) == []
    later = write(tmp_path, "create table a ();", "alter table a add column b int;", "create table c ();")
    assert runner.pending(database, later) == later[2:]
    assert [applied.migration.version for applied in runner.apply(database, later)] == ["3"]
    assert ledger(database) == ["1", "2", "3"]


def test_looking_changes_nothing(database: Access, tmp_path: Path) -> None:
    runner.pending(database, write(tmp_path, "select 1;"))
    assert query(database, "select count(*) from pg_tables where schemaname = 'public'") == [(0,)]


def test_a_migration_is_yielded_after_its_commit(database: Access, tmp_path: Path) -> None:
    migrations = write(tmp_path, "create table a ();", "create table b ();")
    for number, applied in enumerate(runner.apply(database, migrations), start=1):
        assert tables(database) == ["a", "b"][:number]
        assert 0 < applied.milliseconds < 10_000


@pytest.mark.parametrize("statement", ["", "-- nothing yet", "select 1", "select '100%', '%s', ':name'", "select 1;;\n;"])
def test_what_a_migration_may_hold(database: Access, tmp_path: Path, statement: str) -> None:
    assert len(list(runner.apply(database, write(tmp_path, statement)))) == 1


@pytest.mark.parametrize(
    ("statements", "place", "what"),
    [
        ("selec 1;", "2_m.sql:2:1", 'syntax error at or near "selec"'),
        ("select 1;\nselect nope;", "2_m.sql:3:8", 'column "nope" does not exist'),
        ("-- why\n\n  select nope;", "2_m.sql:4:10", 'column "nope" does not exist'),
        ("select 'äöü€😀', nope;", "2_m.sql:2:17", 'column "nope" does not exist'),
        ("select\n  1,\n\tnope\n;", "2_m.sql:4:2", 'column "nope" does not exist'),
        ("create table b ();\n\ncreate table b ();", "2_m.sql", 'relation "b" already exists'),
        ("create table b (c nope);", "2_m.sql:2:19", 'type "nope" does not exist'),
        ("select (1", "2_m.sql:4:1", "syntax error at end of input"),
        ("\\d", "2_m.sql:2:1", 'syntax error at or near "\\"'),
        ("do $$\nbegin\n  perform 1/0;\nend $$;", "2_m.sql", "division by zero (PL/pgSQL function inline_code_block line 3 at PERFORM)"),
        ("do $$\nbegin\n  x := ;\nend $$;", "2_m.sql:4:3", '"x" is not a known variable'),
        ("create table b ();\nvacuum;", "2_m.sql", "VACUUM cannot run inside a transaction block"),
        ("create table b (c int);\ncopy b from stdin;", "2_m.sql", "cannot COPY from or to its client"),
        ("copy a to stdout;", "2_m.sql", "cannot COPY from or to its client"),
        ("set local statement_timeout = '10ms';\nselect pg_sleep(10);", "2_m.sql", "canceling statement due to statement timeout"),
        ("select pg_terminate_backend(pg_backend_pid());", "2_m.sql", "terminating connection"),
    ],
)
def test_an_error_says_where_and_leaves_what_was_before_it(
    database: Access, tmp_path: Path, statements: str, place: str, what: str
) -> None:
    migrations = write(tmp_path, "create table a ();", statements, "create table z ();")
    done = []
    with pytest.raises(UserError) as refused:
        done += [applied.migration.version for applied in runner.apply(database, migrations)]
    assert what in refused.value.what
    assert refused.value.where == place
    assert "what was applied before it stays applied" in refused.value.next
    assert ledger(database) == ["1"]
    assert tables(database) == ["a"]
    assert [migration.version for migration in runner.pending(database, migrations)] == ["2", "3"]


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_migration_that_ends_its_transaction_is_not_recorded(database: Access, tmp_path: Path, end: str) -> None:
    with pytest.raises(UserError, match="ended its own transaction"):
        list(runner.apply(database, write(tmp_path, f"create table a ();\n{end};")))
    assert ledger(database) == []


def test_a_mended_file_is_applied_by_the_next_run(database: Access, tmp_path: Path) -> None:
    with pytest.raises(UserError):
        list(runner.apply(database, write(tmp_path, "create table a ();", "selec 1;")))
    mended = write(tmp_path, "create table a ();", "create table b ();")
    assert [applied.migration.version for applied in runner.apply(database, mended)] == ["2"]


def test_four_runners_at_once_apply_each_exactly_once(
    database: Access, tmp_path: Path, killed_at_the_end: list["subprocess.Popen[str]"]
) -> None:
    write(tmp_path, *(f"create table t{number} (); select pg_sleep(0.03);" for number in range(8)))
    killed_at_the_end += [started_runner(database, tmp_path) for _ in range(4)]
    for process in killed_at_the_end:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=30)[0] for process in killed_at_the_end]
    assert [process.returncode for process in killed_at_the_end] == [0] * 4
    applied = sorted(line for text in said for line in text.splitlines() if line.startswith("applied"))
    assert applied == [f"applied {number}" for number in range(1, 9)]
    assert len(tables(database)) == len(ledger(database)) == 8


def test_a_runner_killed_in_the_middle_leaves_nothing_half(
    database: Access, tmp_path: Path, killed_at_the_end: list["subprocess.Popen[str]"]
) -> None:
    write(tmp_path, "create table a ();", "create table b ();\nselect pg_sleep(600);\ncreate table c ();")
    process = started_runner(database, tmp_path)
    killed_at_the_end.append(process)
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    sleeping = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
    wait_until(lambda: query(database, sleeping) == [(1,)], "the middle of the second migration")
    process.kill()
    process.wait()
    assert tables(database) == ["a"]
    assert ledger(database) == ["1"]
    mended = write(tmp_path, "create table a ();", "create table b ();")
    started = time.monotonic()
    assert [applied.migration.version for applied in runner.apply(database, mended)] == ["2"]
    assert time.monotonic() - started < 10  # the server ended the killed runner's statement, and with it its lock
    assert tables(database) == ["a", "b"]


def test_a_lock_that_is_not_given_up_is_named(database: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_LOCK_SECONDS", 0.3)
    migrations = write(tmp_path, "create table a ();")
    with database.connect(seconds=30) as holder:
        holder.execute("select pg_advisory_lock(%s)", [runner.LOCK_KEY])
        pid = holder.info.backend_pid
        with pytest.raises(UserError, match=r"for more than 0\.3 s") as refused:
            list(runner.apply(database, migrations))
        assert refused.value.where == f"{database.endpoint}, server process {pid}"
        assert f"select pg_terminate_backend({pid})" in refused.value.next
    assert len(list(runner.apply(database, migrations))) == 1


def test_a_migration_that_takes_too_long_is_given_up(database: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_SECONDS", 1)
    with pytest.raises(UserError, match="gave no answer within 1 s") as refused:
        list(runner.apply(database, write(tmp_path, "create table a ();", "select pg_sleep(600);")))
    assert refused.value.where == f"{database.endpoint} as infraops_admin"
    assert tables(database) == ["a"]


def test_a_server_that_is_not_there_is_told_so(database: Access, tmp_path: Path) -> None:
    away = dataclasses.replace(database, url=dataclasses.replace(database.url, port=1))
    migrations = write(tmp_path, "create table a ();")
    for attempt in (lambda: list(runner.apply(away, migrations)), lambda: runner.pending(away, migrations)):
        with pytest.raises(UserError, match="Connection refused") as refused:
            attempt()
        assert refused.value.where == f"{away.endpoint} as infraops_admin"
        assert database.url.password not in str(refused.value)


def test_a_role_that_may_not_is_told_so(database: Access, tmp_path: Path) -> None:
    with database.connect(seconds=30) as connection:
        connection.execute("create role outsider login password 'x'")
    try:
        outsider = dataclasses.replace(database, url=dataclasses.replace(database.url, user="outsider", password="x"))
        with pytest.raises(UserError, match="permission denied for schema public") as refused:
            list(runner.apply(outsider, write(tmp_path, "create table a ();")))
        assert "as the database's owner" in refused.value.next
    finally:
        with database.connect(seconds=30) as connection:
            connection.execute("drop role outsider")
