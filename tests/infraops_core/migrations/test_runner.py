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
from infraops_core.migrations import files, lock, over_psycopg, runner, snapshot
from infraops_core.migrations.ledger import LOCK_KEY
from infraops_core.migrations.status import State
from tests.fix_postgres import TestServer, wait_until

# One runner as a process: the URL comes by standard input, what it applied goes out.
RUNNER = """
import sys, time
from pathlib import Path
from infraops_core.access import Access
from infraops_core.migrations import files, lock, runner
from infraops_core.migrations.ledger import LOCK_KEY
from infraops_core.migrations.status import State
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
    found = "select tablename from pg_tables where schemaname = 'public' and tablename !~ '^schema_migrations' order by 1"
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
        ("create table b ();\n\ncreate table b ();", "2_m.sql:4:1", 'relation "b" already exists'),
        ("create table b (c nope);", "2_m.sql:2:19", 'type "nope" does not exist'),
        ("select (1", "2_m.sql:2:10", "syntax error at end of input"),
        (
            "do $$\nbegin\n  perform 1/0;\nend $$;",
            "2_m.sql:2:1",
            "zero (PL/pgSQL function inline_code_block line 3 at PERFORM)",
        ),
        ("do $$\nbegin\n  x := ;\nend $$;", "2_m.sql:4:3", '"x" is not a known variable'),
        ("create table b ();\nvacuum;", "2_m.sql:3:1", "VACUUM cannot run inside a transaction block"),
        ("copy a to stdout;", "2_m.sql:2:1", "cannot COPY from or to its client"),
        ("set local statement_timeout = '10ms';\nselect pg_sleep(10);", "2_m.sql:3:1", "canceling statement due to statement timeout"),
        ("select pg_terminate_backend(pg_backend_pid());", "2_m.sql:2:1", "terminating connection"),
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


@pytest.mark.parametrize(
    "statement", ["commit", "COMMIT AND CHAIN", "end", "rollback", "/* so */ abort", "prepare transaction 'a'", "rollback work"]
)
def test_a_migration_that_ends_its_transaction_is_refused_before_it_runs(database: Access, tmp_path: Path, statement: str) -> None:
    with pytest.raises(UserError, match="neither begins nor ends a transaction itself") as refused:
        list(runner.apply(database, write(tmp_path, f"create table a ();\n  {statement};")))
    assert refused.value.where == f"1_m.sql:3:{12 if '/*' in statement else 3}"
    assert ledger(database) == tables(database) == []


def test_a_savepoint_is_no_end(database: Access, tmp_path: Path) -> None:
    statements = "create table a (); savepoint s; create table b (); rollback to s; release s;"
    assert len(list(runner.apply(database, write(tmp_path, statements)))) == 1
    assert tables(database) == ["a"]


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
    monkeypatch.setattr(lock, "_SECONDS", 0.3)
    migrations = write(tmp_path, "create table a ();")
    with database.connect(seconds=30) as holder:
        holder.execute("select pg_advisory_lock(%s)", [LOCK_KEY])
        pid = holder.info.backend_pid
        with pytest.raises(UserError, match=r"for more than 0\.3 s") as refused:
            list(runner.apply(database, migrations))
        assert refused.value.where == f"{database.endpoint}, server process {pid}"
        assert f"select pg_terminate_backend({pid})" in refused.value.next
    assert len(list(runner.apply(database, migrations))) == 1


def test_a_migration_that_takes_too_long_is_given_up(database: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "SECONDS", 1)
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


def test_a_database_that_only_reads_is_told_so(database: Access, tmp_path: Path) -> None:
    with database.connect(seconds=30) as connection:
        connection.execute("alter database test_runner set default_transaction_read_only = on")
    try:
        with pytest.raises(UserError, match="read-only transaction") as refused:
            list(runner.apply(database, write(tmp_path, "create table a ();")))
        assert "use the primary's URL" in refused.value.next
    finally:
        with database.connect(seconds=30) as connection:
            connection.execute("set default_transaction_read_only = off")
            connection.execute("alter database test_runner reset default_transaction_read_only")


def test_the_databases_own_statement_timeout_is_not_a_migrations(database: Access, tmp_path: Path) -> None:
    with database.connect(seconds=30) as connection:
        connection.execute("alter database test_runner set statement_timeout = '100ms'")
    try:
        assert len(list(runner.apply(database, write(tmp_path, "select pg_sleep(0.3);")))) == 1
    finally:
        with database.connect(seconds=30) as connection:
            connection.execute("alter database test_runner reset statement_timeout")


def test_an_error_shows_the_statement_shortened_and_without_passwords(database: Access, tmp_path: Path) -> None:
    long = f"create role nobody_knows\n  password 'secret' in role {'x' * 200};"
    with pytest.raises(UserError) as refused:
        list(runner.apply(database, write(tmp_path, long)))
    [line] = [line for line in refused.value.what.splitlines() if line.startswith("  in: ")]
    assert line.startswith("  in: create role nobody_knows password *** in role xxx")
    assert line.endswith("x…")
    assert len(line) < 120


def test_what_fails_at_the_end_is_told(database: Access, tmp_path: Path) -> None:
    text = "create table a (b int unique deferrable initially deferred); insert into a values (1), (1);"
    with pytest.raises(UserError, match="refused a migration at its end: duplicate key") as refused:
        list(runner.apply(database, write(tmp_path, text)))
    assert refused.value.where == "1_m.sql"
    assert ledger(database) == tables(database) == []


def test_what_one_migration_sets_the_next_does_not_have(database: Access, tmp_path: Path) -> None:
    with database.connect(seconds=30) as connection:
        connection.execute("create role other_owner")
        connection.execute("grant create on schema public to other_owner; grant all on all tables in schema public to other_owner")
    try:
        first = "set search_path = pg_catalog; set standard_conforming_strings = off; set client_encoding = 'LATIN1';"
        second = "create table a (b text default 'it\\'); insert into a values ('ü'); set role other_owner;"
        with pytest.raises(UserError, match="at its end: permission denied"):
            list(runner.apply(database, write(tmp_path, first, second)))
        third = "do $$ begin if current_user = 'other_owner' then raise 'leaked'; end if; end $$"
        list(runner.apply(database, write(tmp_path, first, second.replace("set role", "set local role") + "reset role;", third)))
        assert query(database, "select b from a") == [("ü",)]
    finally:
        with database.connect(seconds=30) as connection:
            connection.execute("drop owned by other_owner; drop role other_owner")


def test_up_to_a_version(database: Access, tmp_path: Path) -> None:
    migrations = write(tmp_path, "create table a ();", "create table b ();", "create table c ();")
    assert [applied.migration.version for applied in runner.apply(database, migrations, target="2")] == ["1", "2"]
    assert list(runner.apply(database, migrations, target="1")) == []
    with pytest.raises(UserError, match="there is no migration of version 4"):
        list(runner.apply(database, migrations, target="4"))
    assert [applied.migration.version for applied in runner.apply(database, migrations)] == ["3"]


def test_an_edited_file_is_refused_until_it_is_restored_or_marked(database: Access, tmp_path: Path) -> None:
    first = write(tmp_path, "create table a ();")
    list(runner.apply(database, first))
    same = write(tmp_path, "-- why\ncreate table a ()", "create table b ();")
    assert len(list(runner.apply(database, same))) == 1
    edited = write(tmp_path, "create table a (b int);", "create table b ();")
    for more in ([], ["create table c ();"]):
        migrations = write(tmp_path, "create table a (b int);", "create table b ();", *more)
        with pytest.raises(UserError, match=r"1_m\.sql changed after it was applied") as refused:
            list(runner.apply(database, migrations))
        assert "git restore" in refused.value.next
        assert "infraops migrate mark 1" in refused.value.next
    assert [status.state for status in runner.status(database, edited)] == [State.EDITED, State.APPLIED]
    with pytest.raises(UserError, match="changed after it was applied"):
        runner.down(database, edited[:1])
    before = runner.status(database, first)[0]
    runner.mark(database, edited[0])
    after = runner.status(database, edited)[0]
    assert after == dataclasses.replace(before, state=State.APPLIED)
    assert len(list(runner.apply(database, write(tmp_path, "create table a (b int);", "create table b ();", "create table c ();")))) == 1


def test_what_is_out_of_order_or_without_a_file_is_told_and_no_reason_to_stop(
    database: Access, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    migrations = write(tmp_path, "create table a ();", "create table b ();", "create table c ();")
    list(runner.apply(database, migrations[1:]))
    capsys.readouterr()
    assert len(list(runner.apply(database, migrations[:2]))) == 1
    assert capsys.readouterr().out.splitlines() == [
        "Missing   the file of 3, which is applied",
        "Older     1_m.sql than the newest applied one, 2_m.sql",
        "Applying  1_m.sql",
    ]
    assert list(runner.apply(database, migrations[:2])) == []
    assert capsys.readouterr().out == "Missing   the file of 3, which is applied\n"


def test_the_state_of_each_and_what_verify_says_of_it(database: Access, tmp_path: Path) -> None:
    five = write(tmp_path, "create table a ();", "create table b ();", "select 1;", "create table d ();", "create table e ();")
    list(runner.apply(database, [*five[:2], five[3]]))
    query(database, "update schema_migrations set checksum = null where version = '2' returning 1")
    write(tmp_path, "create table a (b int);", "create table b ();", "select 1;")
    (tmp_path / "4_m.sql").unlink()
    (tmp_path / "5_m.sql").write_text("-- migrate:up transaction:false\nselect nope;\n-- migrate:down\n")
    migrations = files.read(tmp_path)
    with pytest.raises(UserError, match="changed"):
        list(runner.apply(database, migrations))
    runner.mark(database, migrations[0])
    with pytest.raises(UserError, match="nope"):
        list(runner.apply(database, migrations))
    query(database, "update schema_migrations set checksum = 'other' where version = '1' returning 1")

    statuses = runner.status(database, migrations)
    assert [(status.version, status.file, str(status.state), status.is_checksum_known) for status in statuses] == [
        ("1", "1_m.sql", "edited", True),
        ("2", "2_m.sql", "applied", False),
        ("3", "3_m.sql", "applied", True),
        ("5", "5_m.sql", "interrupted", False),
        ("4", "", "file missing", True),
    ]
    assert [status.applied_by for status in statuses] == ["infraops_admin"] * 3 + [None, "infraops_admin"]
    found = runner.verify(database, migrations)
    assert [(finding.version, finding.is_bad, finding.what) for finding in found] == [
        ("1", True, "its file changed after it was applied"),
        ("2", False, "applied by another tool, without a checksum: its content could not be compared"),
        ("5", True, "interrupted in statement 1 of 1"),
        ("4", True, "applied, and there is no file of it"),
    ]
    assert all("git restore" in finding.next or "infraops migrate" in finding.next for finding in found)
    assert [finding.what for finding in runner.verify(database, [*migrations[:3], migrations[3]]) if finding.version == "3"] == []


def test_marking_runs_nothing_and_all_or_none(database: Access, tmp_path: Path) -> None:
    migrations = write(tmp_path, "create table a ();", "create table b ();")
    runner.mark(database, *migrations)
    assert tables(database) == []
    assert ledger(database) == ["1", "2"]
    assert runner.verify(database, migrations) == []
    runner.mark(database, *migrations)


def test_the_newest_is_reverted_and_only_it(database: Access, tmp_path: Path) -> None:
    write(tmp_path, "create table a ();", "create table b ();")
    for number, name in ((1, "a"), (2, "b")):
        path = tmp_path / f"{number}_m.sql"
        path.write_text(f"{path.read_text()}drop table {name};\n")
    migrations = files.read(tmp_path)
    list(runner.apply(database, migrations))
    reverted = runner.down(database, migrations)
    assert reverted.migration == migrations[1]
    assert reverted.milliseconds > 0
    assert (ledger(database), tables(database)) == (["1"], ["a"])
    assert len(list(runner.apply(database, migrations))) == 1


def test_what_a_newer_one_without_a_file_may_stand_on_is_not_reverted(database: Access, tmp_path: Path) -> None:
    """As from a checkout that is behind."""
    write(tmp_path, "create table a ();", "create table b ();", "create table c ();")
    migrations = files.read(tmp_path)
    list(runner.apply(database, migrations))
    with pytest.raises(UserError, match="a newer migration is applied whose file is not here: 2, 3") as refused:
        runner.down(database, migrations[:1])
    assert refused.value.where == "1_m.sql"
    assert (ledger(database), tables(database)) == (["1", "2", "3"], ["a", "b", "c"])


def test_a_statement_of_hours_has_its_time_and_a_lost_way_is_noticed(database: Access) -> None:
    assert runner.SECONDS > 3600
    with over_psycopg.opened(database, seconds=10) as transport:
        told = transport._connection.info.get_parameters()
    assert {key: told[key] for key in told if key.startswith("keepalives_")} == {
        "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}  # fmt: skip


@pytest.mark.parametrize(
    ("down", "what", "where"),
    [
        ("", "nothing below -- migrate:down", "1_m.sql"),
        ("-- nothing\n;", "nothing below -- migrate:down", "1_m.sql"),
        ("\n drop table nope;", 'table "nope" does not exist', "1_m.sql:6:2"),
        ("drop table a; commit;", "neither begins nor ends a transaction itself", "1_m.sql:5:15"),
    ],
)
def test_what_cannot_be_reverted_stays(database: Access, tmp_path: Path, down: str, what: str, where: str) -> None:
    write(tmp_path, "create table a ();")
    path = tmp_path / "1_m.sql"
    path.write_text(path.read_text() + down)
    migrations = files.read(tmp_path)
    list(runner.apply(database, migrations))
    with pytest.raises(UserError) as refused:
        runner.down(database, migrations)
    assert what in refused.value.what
    assert refused.value.where.startswith(where)
    assert (ledger(database), tables(database)) == (["1"], ["a"])


def test_a_database_in_another_encoding_gets_the_files_text(postgres: TestServer, tmp_path: Path) -> None:
    with postgres.access().connect(seconds=60) as connection:
        connection.execute("create database test_latin encoding 'LATIN1' template template0 locale 'C'")
    try:
        access = postgres.access(database="test_latin")
        migrations = write(tmp_path, "create table a (b text); insert into a values ('ü');", "select 'ü', nope;")
        with pytest.raises(UserError, match="nope") as refused:
            list(runner.apply(access, migrations))
        assert refused.value.where == "2_m.sql:2:13"
        assert query(access, "select length(b) from a") == [(1,)]
    finally:
        with postgres.access().connect(seconds=60) as connection:
            connection.execute("drop database test_latin with (force)")


def test_a_database_without_an_encoding_has_a_ledger_like_any_other(postgres: TestServer, tmp_path: Path) -> None:
    """Its client would get bytes, if it did not ask for text."""
    with postgres.access().connect(seconds=60) as connection:
        connection.execute("create database test_ascii encoding 'SQL_ASCII' template template0 locale 'C'")
    try:
        access = postgres.access(database="test_ascii")
        migrations = write(tmp_path, "create table a (b text); insert into a values ('ü');", "select 'üü', nope;")
        for _ in range(2):
            with pytest.raises(UserError, match="nope") as refused:
                list(runner.apply(access, migrations))
            assert refused.value.where == "2_m.sql:2:14"
        assert [status.state for status in runner.status(access, migrations)] == [State.APPLIED, State.PENDING]
        assert snapshot.needed(access)
    finally:
        with postgres.access().connect(seconds=60) as connection:
            connection.execute("drop database test_ascii with (force)")


def test_who_a_migration_becomes_the_next_is_not(database: Access, tmp_path: Path) -> None:
    with database.connect(seconds=30) as connection:
        connection.execute("create role becomes superuser")
    try:
        list(runner.apply(database, write(tmp_path, "set session authorization becomes;", "create table a ();")))
        assert query(database, "select tableowner from pg_tables where tablename = 'a'") == [(database.url.user,)]
    finally:
        with database.connect(seconds=30) as connection:
            connection.execute("drop owned by becomes; drop role becomes")
