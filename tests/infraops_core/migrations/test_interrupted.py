"""Whatever ends a runner, and wherever: the database is before or after each migration, or the next run says which it is in."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.migrations import files, ledger, over_psycopg, retries, runner
from infraops_core.migrations.status import State
from tests.campaign import times
from tests.fix_postgres import TestServer, wait_until
from tests.infraops_core.migrations.apart import Outcome, Run, runners

FILES = {
    "1_a": "\ncreate table a (n int);\ninsert into a values (1);",
    "2_alone": """ transaction:false
insert into a values (2);
create unique index concurrently if not exists a_n on a (n);
alter system set log_autovacuum_min_duration = 1000;
create index concurrently a_old on a (n, n);
drop index concurrently a_old;
-- why
insert into a values (3);
do $$ begin commit; end $$;
alter table a add m int""",
    "3_b": "\ncreate table b ();\ncreate table c ();",
}


@pytest.fixture
def database(postgres: TestServer, empty_database: str) -> Iterator[Access]:
    access = postgres.access(database=empty_database)
    yield access
    with access.connect(seconds=30) as connection:
        connection.execute("alter system reset log_autovacuum_min_duration")


def write(folder: Path, texts: dict[str, str]) -> list[files.Migration]:
    """Migrations of these texts after the mark; one may hold its own down block."""
    for name, text in texts.items():
        (folder / f"{name}.sql").write_text(f"-- migrate:up{text}\n" + ("" if "migrate:down" in text else "-- migrate:down\n"))
    return files.read(folder)


def query(access: Access, statement: str) -> list[tuple[object, ...]]:
    with access.connect(seconds=30) as connection:
        return connection.execute(statement.encode()).fetchall()


def run_alone(access: Access, statement: str) -> None:
    with access.connect(seconds=30) as connection:
        connection.execute(statement.encode())


def looks(access: Access) -> dict[str, Any]:
    """What the migrations make of a database, as far as it is made."""
    with access.connect(seconds=30) as connection:
        there = {name for (name,) in connection.execute("select relname::text from pg_class where relnamespace = 'public'::regnamespace")}
        rows = connection.execute("select n from a order by n").fetchall() if "a" in there else []
        applied = connection.execute("select version from schema_migrations order by 1").fetchall() if "schema_migrations" in there else []
    return {"tables": there & {"a", "b", "c", "a_n", "a_old"}, "rows": [row[0] for row in rows], "applied": [row[0] for row in applied]}


DONE = {"tables": {"a", "b", "c", "a_n"}, "rows": [1, 2, 3], "applied": ["1", "2", "3"]}


OTHERS = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


def test_killed_in_every_statement_that_it_sends(database: Access, tmp_path: Path) -> None:
    migrations = write(tmp_path, FILES)
    seen: set[int] = set()
    with runners() as run, database.connect(seconds=300) as connection:
        for kill_at in range(2, 400, 2):  # before the next is sent, a database is as after this one
            connection.execute("set client_min_messages = warning; drop schema public cascade; create schema public")
            [first] = run(database, tmp_path, kill_at=kill_at)
            wait_until(lambda: connection.execute(OTHERS).fetchone() == (0,), "the end of the killed runner's session")
            if first is not None:
                break
            found = looks(database)
            assert ("1" in found["applied"]) == ("a" in found["tables"])
            assert ("3" in found["applied"]) == ("b" in found["tables"]) == ("c" in found["tables"])
            seen.add(gone_on_with(database, tmp_path, run))
            assert looks(database) == DONE, kill_at
            assert runner.verify(database, migrations) == []
        assert looks(database) == DONE
    assert kill_at > 60
    assert seen == {0, *range(1, 9)}  # it was interrupted before the second file, and in each statement of it


def gone_on_with(database: Access, folder: Path, run: Run) -> int:
    """Run again as the runner says; the statement it was interrupted in, 0 for none."""
    [again] = run(database, folder)
    assert again is not None
    if not again.error:
        return 0
    told = re.search(r"interrupted in statement (\d+) of 8", again.error)
    assert told is not None, again.error
    assert "infraops migrate up --continue" in again.error
    assert f"2_alone.sql:{int(told[1]) + (2 if int(told[1]) > 5 else 1)}:1" in again.error
    [status] = [status for status in runner.status(database, files.read(folder)) if status.version == "2"]
    assert status.state is State.INTERRUPTED
    assert status.under_way is not None
    [resumed] = run(database, folder, resume=True)
    assert resumed is not None
    assert resumed.error == ""
    return int(told[1])


@pytest.mark.parametrize("_time", range(times(1, 40)))
def test_eight_runners_at_once_apply_each_exactly_once(database: Access, tmp_path: Path, _time: int) -> None:
    texts = FILES | {f"{number}_t": f"\ncreate table t{number} (); select pg_sleep(0.02);" for number in (4, 5)}
    texts["6_more"] = " transaction:false\ncreate index concurrently a_m on a (m);\ncreate index concurrently a_mn on a (m, n)"
    write(tmp_path, texts)
    with runners() as run:
        outcomes = [outcome for outcome in run(database, tmp_path, count=8) if outcome is not None]
    assert [outcome.error for outcome in outcomes] == [""] * 8
    assert sorted(version for outcome in outcomes for version in outcome.applied) == ["1", "2", "3", "4", "5", "6"]
    assert looks(database) | {"applied": []} == DONE | {"applied": []}
    assert query(database, "select count(*) from pg_index where not indisvalid") == [(0,)]


def killed_while_it_builds(database: Access, folder: Path) -> None:
    """Have a runner killed in CREATE INDEX CONCURRENTLY, which waits for a transaction that is open."""
    with database.connect(seconds=60) as other, runners() as run:
        other.execute("create table a (n int)")
        other.execute("begin; insert into a values (1)")
        outcomes: list[Outcome | None] = []
        thread = threading.Thread(target=lambda: outcomes.extend(run(database, folder)))
        thread.start()
        building = "select pid from pg_stat_activity where datname = current_database() and query ~ '^create index concurrently'"
        wait_until(lambda: query(database, building), "the build")
        [status] = [status for status in runner.status(database, files.read(folder)) if status.state is not State.PENDING]
        assert status.state is State.RUNNING
        [(pid,)] = query(database, building)
        other.execute("select pg_terminate_backend(%s)", [pid])
        thread.join(30)
        other.execute("commit")
    assert not thread.is_alive()


def test_an_index_left_invalid_is_named_until_it_is_dropped(database: Access, tmp_path: Path) -> None:
    migrations = write(tmp_path, {"1_i": ' transaction:false\ncreate index concurrently "A n" on public.a (n);\nalter table a add m int;'})
    killed_while_it_builds(database, tmp_path)
    for resume in (False, True):
        with pytest.raises(UserError, match="interrupted in statement 1 of 2") as refused:
            list(runner.apply(database, migrations, resume=resume))
        assert refused.value.where == "1_i.sql:2:1"
        assert 'an index that is not valid: public."A n"' in refused.value.what
        assert refused.value.next.startswith('drop index concurrently public."A n"; then: infraops migrate up --continue')
    run_alone(database, 'drop index concurrently public."A n"')
    assert len(list(runner.apply(database, migrations, resume=True))) == 1
    assert query(database, "select indisvalid from pg_index where indrelid = 'a'::regclass") == [(True,)]


def test_what_is_gone_on_with_has_the_settings_it_began_with(database: Access, tmp_path: Path) -> None:
    run_alone(database, "create schema s; create table s.a (n int); insert into s.a values (1), (1)")
    migrations = write(tmp_path, {"1_i": " transaction:false\nset search_path = s;\ncreate unique index concurrently a_n on a (n);"})
    with pytest.raises(UserError, match=r"the index s\.a_n is not valid"):
        list(runner.apply(database, migrations))
    for resume in (False, True):
        with pytest.raises(UserError, match=r"an index that is not valid: s\.a_n"):
            list(runner.apply(database, migrations, resume=resume))
    run_alone(database, "drop index concurrently s.a_n")
    run_alone(database, "delete from s.a")
    assert len(list(runner.apply(database, migrations, resume=True))) == 1
    assert query(database, "select indisvalid from pg_index where indrelid = 's.a'::regclass") == [(True,)]


def test_an_invalid_index_is_not_taken_for_good(database: Access, tmp_path: Path) -> None:
    """IF NOT EXISTS would."""
    migrations = write(tmp_path, {"1_i": " transaction:false\ncreate index concurrently if not exists a_n on a (n);"})
    killed_while_it_builds(database, tmp_path)
    run_alone(database, "delete from schema_migrations_under_way")
    with pytest.raises(UserError, match=r"the index public\.a_n is not valid: one of that name was there already") as refused:
        list(runner.apply(database, migrations))
    assert refused.value.where == "1_i.sql:2:1"
    assert refused.value.next == "drop index concurrently public.a_n; then: infraops migrate up --continue"
    run_alone(database, "drop index concurrently a_n")
    assert len(list(runner.apply(database, migrations, resume=True))) == 1


def test_a_build_that_met_a_lock_is_not_tried_again_blindly(
    database: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(over_psycopg, "_AFRESH", over_psycopg._AFRESH.replace("= 5000", "= 100"))
    migrations = write(tmp_path, {"1_i": " transaction:false\ncreate index concurrently a_n on a (n);"})
    with database.connect(seconds=60) as other:
        other.execute("create table a (n int)")
        other.execute("begin; insert into a values (1)")
        with pytest.raises(UserError, match=r"the index public\.a_n is not valid: canceling statement due to lock timeout"):
            list(runner.apply(database, migrations))
    assert "Waiting" not in capsys.readouterr().out


@pytest.mark.parametrize("option", ["", " transaction:false"])
def test_a_lock_that_is_held_is_tried_for_again(
    database: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    monkeypatch.setattr(over_psycopg, "_AFRESH", over_psycopg._AFRESH.replace("= 5000", "= 50"))
    monkeypatch.setattr(retries, "_FIRST_PAUSE_SECONDS", 0.05)
    migrations = write(tmp_path, {"1_a": f"{option}\ncreate table b ();\nalter table a add m int;"})
    run_alone(database, "create table a (n int)")
    with database.connect(seconds=60) as other:
        other.execute("begin; lock table a in access share mode")
        monkeypatch.setattr(retries, "_TRIES", 2)
        with pytest.raises(UserError, match="was not applied: canceling statement due to lock timeout") as refused:
            list(runner.apply(database, migrations))
        assert refused.value.where == "1_a.sql:3:1"
        said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Waiting")]
        assert len(said) == 1
        assert re.fullmatch(r"Waiting   1_a\.sql: canceling statement due to lock timeout; try 2 of 2 in 0\.\d s", said[0])
        monkeypatch.setattr(retries, "_TRIES", 6)
        timer = threading.Timer(0.2, lambda: other.execute("commit"))
        timer.start()
        assert len(list(runner.apply(database, migrations, resume=True))) == 1
        timer.join()
    assert "Waiting" in capsys.readouterr().out
    assert query(database, "select count(*) from schema_migrations_under_way") == [(0,)]


@pytest.mark.parametrize(
    ("body", "number", "told"),
    [
        ("\nselect 1;\nselect nope;\ncreate table z ();", 2, ("1_a.sql:3:8", 'column "nope" does not exist')),
        ("\nselec;", 1, ("1_a.sql:2:1", "syntax error")),
        ("\nvacuum nope", 1, ("1_a.sql:2:1", 'relation "nope" does not exist')),
        ("\nselect 1;\n  copy t to stdout", 2, ("1_a.sql:3:3", "cannot COPY from or to its client")),
    ],
)
def test_an_error_outside_a_transaction_says_what_is_done(
    database: Access, tmp_path: Path, body: str, number: int, told: tuple[str, str]
) -> None:
    run_alone(database, "create table t ()")
    migrations = write(tmp_path, {"1_a": f" transaction:false{body}"})
    with pytest.raises(UserError) as refused:
        list(runner.apply(database, migrations))
    count = len(migrations[0].up.statements)
    where, what = told
    assert what in refused.value.what
    assert f"it is statement {number} of {count}, outside a transaction" in refused.value.what
    assert refused.value.where == where
    assert "infraops migrate up --continue" in refused.value.next
    assert "infraops migrate mark 1" in refused.value.next
    with pytest.raises(UserError, match=f"interrupted in statement {number} of {count}"):
        list(runner.apply(database, migrations))


def test_what_is_done_must_be_what_the_file_begins_with(database: Access, tmp_path: Path) -> None:
    with pytest.raises(UserError):
        list(runner.apply(database, write(tmp_path, {"1_a": " transaction:false\ncreate table a ();\nselect nope;"})))
    other = write(tmp_path, {"1_a": " transaction:false\ncreate table b ();\nselect 1;"})
    with pytest.raises(UserError, match="1 statements of an interrupted migration are done, and its file no longer begins with them"):
        list(runner.apply(database, other, resume=True))
    less = write(tmp_path, {"1_a": " transaction:false\ncreate table a ();"})
    assert len(list(runner.apply(database, less, resume=True))) == 1
    assert runner.verify(database, less) == []


@pytest.mark.parametrize("way", ["mark", "file missing"])
def test_the_other_ways_out(database: Access, tmp_path: Path, way: str) -> None:
    migrations = write(tmp_path, {"1_a": " transaction:false\nselect nope;", "2_b": "\nselect 1"})
    with pytest.raises(UserError):
        list(runner.apply(database, migrations))
    if way == "file missing":
        with pytest.raises(UserError, match="interrupted in statement 1 of 1") as refused:
            list(runner.apply(database, migrations[1:], resume=True))
        assert refused.value.where == "1"
    runner.mark(database, migrations[0])
    assert [applied.migration.version for applied in runner.apply(database, migrations)] == ["2"]
    assert runner.verify(database, migrations) == []


def test_a_revert_without_a_transaction_is_interrupted_and_goes_on(database: Access, tmp_path: Path) -> None:
    down = "\ncreate table a (n int);\n-- migrate:down transaction:false\ndrop table a;\nvacuum;\nselect 1/0;"
    migrations = write(tmp_path, {"1_a": down})
    list(runner.apply(database, migrations))
    with pytest.raises(UserError, match="division by zero") as refused:
        runner.down(database, migrations)
    assert "infraops migrate down --continue" in refused.value.next
    for attempt in (lambda: list(runner.apply(database, migrations, resume=True)), lambda: runner.down(database, migrations)):
        with pytest.raises(UserError, match="interrupted in statement 3 of 3") as refused:
            attempt()
        assert "infraops migrate down --continue" in refused.value.next
    mended = write(tmp_path, {"1_a": down.replace("1/0", "1")})
    assert runner.down(database, mended, resume=True).migration == mended[0]
    assert runner.pending(database, mended) == mended


@pytest.mark.parametrize("statement", ["begin", "start transaction", "commit"])
def test_no_transactions_of_its_own_where_each_statement_is_one(database: Access, tmp_path: Path, statement: str) -> None:
    with pytest.raises(UserError, match="neither begins nor ends a transaction itself") as refused:
        list(runner.apply(database, write(tmp_path, {"1_a": f" transaction:false\ncreate table a ();\n{statement};"})))
    assert refused.value.where == "1_a.sql:3:1"
    assert looks(database)["tables"] == set()


def test_the_lock_is_not_given_up_in_the_middle(database: Access, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="DISCARD ALL would give up the lock") as refused:
        list(runner.apply(database, write(tmp_path, {"1_a": " transaction:false\nselect 1;\n discard all"})))
    assert refused.value.where == "1_a.sql:3:2"


def test_an_index_without_a_name_is_refused_before_anything_runs(database: Access, tmp_path: Path) -> None:
    texts = {"1_a": " transaction:false\ncreate table a (n int);\ncreate index concurrently on a (n);"}
    with pytest.raises(UserError, match="an index built CONCURRENTLY needs a name") as refused:
        list(runner.apply(database, write(tmp_path, texts)))
    assert refused.value.where == "1_a.sql:3:1"
    assert looks(database)["tables"] == set()


def test_a_dropped_index_is_as_it_should_be(database: Access, tmp_path: Path) -> None:
    """The DROP was done, and its runner killed before it could say so."""
    migrations = write(tmp_path, {"1_a": " transaction:false\ndrop index concurrently a_n;"})
    [migration] = migrations
    with over_psycopg.opened(database, seconds=20) as way:
        ledger.make(way)
        ledger.note(way, migration, ledger.Direction.UP, migration.up, 1)
    assert len(list(runner.apply(database, migrations, resume=True))) == 1
