"""`psql --file audit-schema/postgres.sql` and the runner make the same schema, and know each other's work."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from infraops_core import checkout, passwords, roles
from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.migrations import files, one_file, runner
from infraops_core.migrations.ledger import LOCK_KEY
from tests.fix_postgres import TestServer, wait_until
from tests.infraops_core.migrations.client import client

SCRIPT = checkout.AUDIT_SCHEMA / "postgres.sql"
MIGRATIONS = files.read(checkout.AUDIT_SCHEMA / "migrations")


@pytest.fixture(scope="module")
def owner(postgres: TestServer) -> Iterator[Access]:
    """The owner's way in, on a server with the three roles."""
    settings = roles.RoleSettings({role: passwords.generate() for role in (roles.OWNER, roles.APP, roles.READONLY)}, "default", 5)
    roles.create(postgres.access(), settings)
    yield postgres.access(roles.OWNER, settings.passwords[roles.OWNER], roles.DATABASE)
    with postgres.access().connect(seconds=60) as connection:
        connection.execute(f"drop database if exists {roles.DATABASE} with (force)".encode())


@pytest.fixture
def other(postgres: TestServer, owner: Access, empty_database: str) -> Access:
    """The same owner on an empty database beside it."""
    with postgres.access().connect(seconds=60) as connection:
        connection.execute(f'alter database "{empty_database}" owner to {roles.OWNER}'.encode())
    return replace(owner, url=replace(owner.url, database=empty_database))


def schema(access: Access) -> str:
    """All that is in a database: what pg_dump says of its schema, and what the ledger holds that two runs have in common."""
    dump = client("pg_dump", access, "--schema-only", "--restrict-key=test")
    assert dump.returncode == 0, dump.stderr
    with access.connect(seconds=30) as connection:
        rows = connection.execute(
            "select version, checksum, applied_at is not null, milliseconds between 0 and 60000, applied_by = current_user"
            " from public.schema_migrations order by version"
        ).fetchall()
        assert connection.execute("select count(*) from public.schema_migrations_under_way").fetchone() == (0,)
    return "\n".join([dump.stdout, *map(str, rows)])


def run_script(access: Access, script: Path) -> None:
    ran = client("psql", access, "--no-psqlrc", "--file", str(script))
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """The script of our own migrations."""
    script = tmp_path / "postgres.sql"
    script.write_text(one_file.render(MIGRATIONS))
    return script


def test_the_script_is_made_from_the_migrations() -> None:
    assert SCRIPT.read_text() == one_file.render(MIGRATIONS), one_file.__doc__


def test_both_ways_make_the_same_and_each_knows_the_others_work(owner: Access, other: Access, ours: Path) -> None:
    list(runner.apply(owner, MIGRATIONS))
    by_runner = schema(owner)
    assert "CREATE TABLE infraops_audit.audit_events" in by_runner
    assert str((MIGRATIONS[-1].version, MIGRATIONS[-1].checksum, True, True, True)) in by_runner

    run_script(other, ours)
    assert schema(other) == by_runner
    assert runner.verify(other, MIGRATIONS) == []
    assert list(runner.apply(other, MIGRATIONS)) == []

    for database in (owner, other):  # again, and after the other
        run_script(database, ours)
        assert schema(database) == by_runner
        assert runner.verify(database, MIGRATIONS) == []


def test_without_the_roles_it_grants_nothing_and_goes_through(postgres: TestServer, empty_database: str, ours: Path) -> None:
    with postgres.access().connect(seconds=60) as connection:
        connection.execute(f"drop database if exists {roles.DATABASE} with (force)".encode())
        connection.execute(f"drop role if exists {roles.OWNER}, {roles.APP}, {roles.READONLY}".encode())
    access = postgres.access(database=empty_database)
    run_script(access, ours)
    made = schema(access)
    assert f"TO {roles.APP}" not in made
    assert f"TO {roles.READONLY}" not in made


def script_of(folder: Path, **statements: str) -> Path:
    """The script of a folder with these migrations; the text stands after the mark."""
    migrations = folder / "migrations"
    migrations.mkdir(exist_ok=True)
    for name, statement in statements.items():
        (migrations / f"{name}.sql").write_text(f"-- migrate:up{statement}\n-- migrate:down\n")
    script = folder / "all.sql"
    script.write_text(one_file.render(files.read(migrations)))
    return script


def test_what_only_came_later_is_added(postgres: TestServer, empty_database: str, tmp_path: Path) -> None:
    access = postgres.access(database=empty_database)
    script_of(tmp_path, **{"1_a": "\ncreate table a ()\n-- the end"})
    list(runner.apply(access, files.read(tmp_path / "migrations")))
    run_script(access, script_of(tmp_path, **{"2_b": "\ncreate table b ()"}))
    assert runner.pending(access, files.read(tmp_path / "migrations")) == []
    assert "CREATE TABLE public.a" in schema(access)
    assert "CREATE TABLE public.b" in schema(access)


def test_an_error_leaves_nothing_and_is_told(postgres: TestServer, empty_database: str, tmp_path: Path) -> None:
    access = postgres.access(database=empty_database)
    empty = client("pg_dump", access, "--schema-only", "--restrict-key=test").stdout
    script = script_of(tmp_path, **{"1_a": "\ncreate table a ();", "2_b": "\nselec 1;"})
    ran = client("psql", access, "--no-psqlrc", "--file", str(script))
    assert ran.returncode == 3
    assert 'syntax error at or near "selec"' in ran.stderr
    assert client("pg_dump", access, "--schema-only", "--restrict-key=test").stdout == empty


ALONE = {
    "1_a": "\nset search_path = pg_catalog; create table public.a (b int)",
    "2_b": " transaction:false\ncreate index concurrently a_b on public.a (b); vacuum public.a;\n-- c\nalter table public.a add c text",
    "3_c": "\ncreate table c ();",
    "4_d": " transaction:false\n",
}


@pytest.mark.parametrize("first", ["runner", "script"])
def test_migrations_without_a_transaction_are_the_same_both_ways(
    postgres: TestServer, empty_database: str, tmp_path: Path, first: str
) -> None:
    access = postgres.access(database=empty_database)
    script, again = script_of(tmp_path, **ALONE), files.read(tmp_path / "migrations")
    if first == "runner":
        list(runner.apply(access, again))
    else:
        run_script(access, script)
    made = schema(access)
    assert all(f"CREATE {what}" in made for what in ("INDEX a_b ON public.a", "TABLE public.a", "TABLE public.c"))
    run_script(access, script)
    assert list(runner.apply(access, again)) == []
    assert schema(access) == made
    with access.connect(seconds=30) as connection:  # what the other way makes, on the same server
        connection.execute("drop table a, c, schema_migrations, schema_migrations_under_way")
    if first == "runner":
        run_script(access, script)
    else:
        list(runner.apply(access, again))
    assert schema(access) == made


def test_what_the_script_was_stopped_in_the_runner_goes_on_with(postgres: TestServer, empty_database: str, tmp_path: Path) -> None:
    access = postgres.access(database=empty_database)
    script = script_of(tmp_path, **ALONE, **{"5_e": " transaction:false\ncreate table e (); select 1/0; create table f ();"})
    ran = client("psql", access, "--no-psqlrc", "--file", str(script))
    assert ran.returncode == 3
    assert "division by zero" in ran.stderr

    again = client("psql", access, "--no-psqlrc", "--file", str(script))
    assert again.returncode == 3
    assert "interrupted: migration 5" in again.stderr
    script_of(tmp_path, **{"5_e": " transaction:false\ncreate table e (); select 1/1; create table f ();"})
    mended = files.read(tmp_path / "migrations")
    with pytest.raises(UserError, match="interrupted in statement 2 of 3"):
        list(runner.apply(access, mended))
    assert [applied.migration.version for applied in runner.apply(access, mended, resume=True)] == ["5"]
    run_script(access, script_of(tmp_path))


def test_an_edited_file_is_refused_by_the_script_too(postgres: TestServer, empty_database: str, tmp_path: Path) -> None:
    access = postgres.access(database=empty_database)
    run_script(access, script_of(tmp_path, **{"1_a": "\ncreate table a ();", "2_b": "\ncreate table b ();"}))
    ran = client("psql", access, "--no-psqlrc", "--file", str(script_of(tmp_path, **{"2_b": "\ncreate table b (c int);"})))
    assert ran.returncode == 3
    assert "changed after it was applied: migration 2" in ran.stderr


def test_the_script_waits_for_a_runner_without_being_in_the_way_of_its_index(
    postgres: TestServer, empty_database: str, tmp_path: Path
) -> None:
    """Whoever waits within a statement is waited for by CREATE INDEX CONCURRENTLY, and the server ends one of both."""
    access = postgres.access(database=empty_database)
    script = script_of(tmp_path, **ALONE)
    with access.connect(seconds=30) as holder, ThreadPoolExecutor() as pool:
        holder.execute("create table g (h int)")
        holder.execute("select pg_advisory_lock(%s)", [LOCK_KEY])
        waiting = pool.submit(client, "psql", access, "--no-psqlrc", "--file", str(script))
        asked = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'psql'"
        wait_until(lambda: holder.execute(asked).fetchone() == (1,), "psql")
        holder.execute("create index concurrently g_h on g (h)")
        assert not waiting.done()
        holder.execute("select pg_advisory_unlock(%s)", [LOCK_KEY])
        assert waiting.result(30).stderr == ""
    assert runner.verify(access, files.read(tmp_path / "migrations")) == []
