"""The snapshot by pg_dump: needed or not, complete or not there, readable, and nothing older touched."""

import dataclasses
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from infraops_core import checkout
from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.migrations import snapshot
from infraops_core.migrations.snapshot import PgDumpSnapshot
from infraops_core.servers.embedded import binaries
from infraops_core.servers.embedded.binaries import Binaries
from tests.fix_postgres import TestServer
from tests.infraops_core.migrations.client import client

PROGRAMS = binaries.find([17], None)


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def fill(access: Access, sql: str) -> None:
    with access.connect(seconds=30) as connection:
        connection.execute(sql.encode())


@pytest.fixture
def database(postgres: TestServer, empty_database: str) -> Access:
    return postgres.access(database=empty_database)


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("select 1", False),
        ("create table a (id int)", False),
        ("create table a (id int); insert into a values (1)", True),
        ("create table a (id int); insert into a values (1); analyze a; delete from a", False),
        ("create schema s; create table s.a (id int) partition by range (id); create table s.b partition of s.a default; "
         "insert into s.a values (1)", True),
        ("create table public.schema_migrations (version varchar); insert into public.schema_migrations values ('1')", False),
        ("create schema s; create table s.schema_migrations (version varchar); insert into s.schema_migrations values ('1')", True),
        ('create table "A ""b" (id int); insert into "A ""b" values (1)', True),
    ],
)  # fmt: skip
def test_it_is_needed_where_there_is_a_row_to_lose(database: Access, sql: str, answer: bool) -> None:
    fill(database, sql)
    assert snapshot.needed(database) is answer


def test_rows_that_the_role_may_not_see_count(postgres: TestServer, database: Access) -> None:
    fill(database, "create role snapshot_outsider login password 'x'; create table a (id int); insert into a values (1)")
    outsider = dataclasses.replace(database, url=dataclasses.replace(database.url, user="snapshot_outsider", password="x"))
    try:
        assert snapshot.needed(outsider) is True
        fill(database, "grant select on a to snapshot_outsider; alter table a enable row level security")
        assert snapshot.needed(outsider) is True
    finally:
        fill(database, "drop owned by snapshot_outsider; drop role snapshot_outsider")


def test_it_is_whole_its_owners_only_and_goes_back(
    postgres: TestServer, database: Access, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(database, "create table a (id int primary key); insert into a select generate_series(1, 1000); select lo_from_bytea(0, 'x')")
    taken = PgDumpSnapshot(database, PROGRAMS, tmp_path).take("before 2_b.sql")
    path = Path(taken.where)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.name.endswith("Z-before_2_b.sql.dump")
    assert path.stat().st_size == taken.bytes > 0
    assert list(path.parent.iterdir()) == [path]
    said = capsys.readouterr().out
    assert f"Copying   {database.endpoint} to {path}" in said
    assert f"Copied    {database.endpoint}: " in said

    fill(database, "drop table a")
    restored = client("pg_restore", database, "--clean", "--if-exists", f"--dbname={database.url.database}", str(path))
    assert (restored.returncode, restored.stderr) == (0, "")
    with database.connect(seconds=30) as connection:
        assert connection.execute("select count(*), sum(id) from a").fetchone() == (1000, 500500)


def test_older_ones_stay_and_each_database_has_a_folder(database: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkout, "state_folder", lambda: tmp_path)
    taking = PgDumpSnapshot(database, PROGRAMS)
    first, second = taking.take("one"), taking.take("two")
    assert Path(first.where).parent == Path(second.where).parent
    assert Path(first.where).parent.parent == tmp_path / "snapshots"
    assert Path(first.where).exists()


def test_two_of_one_second_and_name_do_not_replace_each_other(database: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda *_: "20261122T000000Z")
    taking = PgDumpSnapshot(database, PROGRAMS, tmp_path)
    first = Path(taking.take("one").where)
    content = first.read_bytes()
    with pytest.raises(UserError, match="of that name was taken in this second"):
        taking.take("one")
    assert first.read_bytes() == content
    assert list(first.parent.iterdir()) == [first]


def test_one_that_another_run_is_taking_is_left_alone(database: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda *_: "20261122T000000Z")
    taking = PgDumpSnapshot(database, PROGRAMS, tmp_path)
    first = Path(taking.take("one").where)
    unfinished = first.rename(first.with_name(f"{first.name}.partial"))
    with pytest.raises(UserError, match="of that name was taken in this second"):
        taking.take("one")
    assert unfinished.exists()


def test_what_cannot_be_written_is_told(database: Access, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the snapshot cannot be written: File name too long") as refused:
        PgDumpSnapshot(database, PROGRAMS, tmp_path).take("l" * 300)
    assert "nothing was changed" in refused.value.next


def test_a_table_that_stays_locked_counts(database: Access) -> None:
    fill(database, "create table a (id int)")
    with database.connect(seconds=30, autocommit=False) as holder:
        holder.execute("lock table a")
        began = time.monotonic()
        assert snapshot.needed(database) is True
        assert time.monotonic() - began < 15
        holder.rollback()


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_full_disk_is_told_before_and_meanwhile(database: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(database, "create table a (id int, t text); insert into a select n, repeat(md5(n::text), 40) from generate_series(1, 20000) n")
    taking = PgDumpSnapshot(database, PROGRAMS, tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 65 * 2**20))
    with pytest.raises(UserError, match=r"too full for a snapshot: the data are \d+\.\d MiB, and 65.0 MiB are free") as refused:
        taking.take("x")
    assert "nothing was changed" in refused.value.next
    frees = iter([2**40, 2**20])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, next(frees)))
    monkeypatch.setattr(snapshot, "_LOOK_SECONDS", 0.001)
    with pytest.raises(UserError, match="full before the snapshot is complete"):
        taking.take("x")
    assert left(tmp_path) == []


def test_one_that_takes_too_long_is_given_up_and_tells_meanwhile(
    database: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(snapshot, "_TELL_SECONDS", 0.5)
    fill(database, "create table a (id int)")
    with database.connect(seconds=30, autocommit=False) as holder:
        holder.execute("lock table a")
        with pytest.raises(UserError, match="not complete within 2 s"):
            PgDumpSnapshot(database, PROGRAMS, tmp_path, seconds=2).take("x")
        holder.rollback()
    assert f"Copying   {database.endpoint}: 0.0 MiB after 1 s" in capsys.readouterr().out
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("program", "script", "what"),
    [
        ("pg_dump", "echo 'pg_dump: error: out of luck' >&2; exit 1", "pg_dump failed: out of luck"),
        ("pg_dump", "kill -9 $$", "pg_dump failed"),
        ("pg_dump", "echo PGDMP", "pg_restore cannot read the snapshot"),
        ("pg_dump", 'exec REAL "$@" | head -c 300', "pg_restore cannot read the snapshot"),
        ("pg_restore", None, "there is no pg_restore beside pg_dump"),
    ],
)
def test_what_is_not_whole_is_no_snapshot(database: Access, tmp_path: Path, program: str, script: str | None, what: str) -> None:
    fill(database, "create table a (id int)")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("pg_dump", "pg_restore"):
        (programs / name).write_text(f'#!/bin/sh\nexec {PROGRAMS[name]} "$@"\n')
        (programs / name).chmod(0o755)
    if script is None:
        (programs / program).unlink()
    else:
        real = script.replace("REAL", PROGRAMS[program])
        version = '[ "$1" = --version ] && echo "pg_dump (PostgreSQL) 17.10" && exit'
        (programs / program).write_text(f"#!/bin/sh\n{version}\n{real}\n")
    with pytest.raises(UserError, match=what) as refused:
        PgDumpSnapshot(database, Binaries(programs, "17.10"), tmp_path / "snapshots").take("x")
    assert database.url.password not in str(refused.value)
    assert left(tmp_path / "snapshots") == []


def test_rows_written_meanwhile_do_not_disturb_it(database: Access, tmp_path: Path) -> None:
    fill(database, "create table a (id int, b int); create table c (id int); insert into a values (0, 0)")
    stop = threading.Event()

    def write() -> None:
        with database.connect(seconds=60) as connection:
            while not stop.is_set():
                connection.execute("insert into a values (1, 1); insert into c values (1)")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        path = PgDumpSnapshot(database, PROGRAMS, tmp_path).take("x").where
    finally:
        stop.set()
        writer.join()
    listed = subprocess.run([PROGRAMS["pg_restore"], "--list", path], capture_output=True, text=True, check=True)
    assert listed.stdout.count("TABLE DATA") == 2
