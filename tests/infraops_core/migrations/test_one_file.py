"""`psql --file audit-schema/postgres.sql` and the runner make the same schema, and know each other's work."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infraops_core import checkout, passwords, roles
from infraops_core.access import Access
from infraops_core.migrations import files, one_file, runner
from infraops_core.servers.embedded import binaries
from tests.fix_postgres import TestServer

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


def client(program: str, access: Access, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Run one of Postgres' own clients; the password is in its environment, as in no list of processes."""
    url = access.url
    environment = os.environ | {"PGHOST": url.host, "PGPORT": str(url.port), "PGUSER": url.user, "PGPASSWORD": url.password,
                                "PGDATABASE": url.database}  # fmt: skip
    command = [binaries.find([17], None)[program], *arguments]
    return subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=False)


def schema(access: Access) -> str:
    """All that is in a database: what pg_dump says of its schema, and the ledger."""
    dump = client("pg_dump", access, "--schema-only", "--restrict-key=test")
    rows = client("pg_dump", access, "--data-only", "--inserts", "--table=public.schema_migrations", "--restrict-key=test")
    assert (dump.returncode, rows.returncode) == (0, 0), dump.stderr + rows.stderr
    return dump.stdout + rows.stdout


def run_script(access: Access, script: Path = SCRIPT) -> None:
    ran = client("psql", access, "--no-psqlrc", "--file", str(script))
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""


def test_the_script_is_made_from_the_migrations() -> None:
    assert SCRIPT.read_text() == one_file.render(MIGRATIONS), one_file.__doc__


def test_both_ways_make_the_same_and_each_knows_the_others_work(owner: Access, other: Access) -> None:
    list(runner.apply(owner, MIGRATIONS))
    by_runner = schema(owner)
    assert "CREATE TABLE infraops_audit.audit_events" in by_runner
    assert f"VALUES ('{MIGRATIONS[-1].version}')" in by_runner

    run_script(other)
    assert schema(other) == by_runner
    assert runner.pending(other, MIGRATIONS) == []
    assert list(runner.apply(other, MIGRATIONS)) == []

    for database in (owner, other):  # again, and after the other
        run_script(database)
        assert schema(database) == by_runner


def test_without_the_roles_it_grants_nothing_and_goes_through(postgres: TestServer, empty_database: str) -> None:
    with postgres.access().connect(seconds=60) as connection:
        connection.execute(f"drop database if exists {roles.DATABASE} with (force)".encode())
        connection.execute(f"drop role if exists {roles.OWNER}, {roles.APP}, {roles.READONLY}".encode())
    access = postgres.access(database=empty_database)
    run_script(access)
    assert "GRANT" not in schema(access)


def script_of(folder: Path, **statements: str) -> Path:
    """The script of a folder with these migrations."""
    migrations = folder / "migrations"
    migrations.mkdir(exist_ok=True)
    for name, statement in statements.items():
        (migrations / f"{name}.sql").write_text(f"-- migrate:up\n{statement}\n-- migrate:down\n")
    script = folder / "all.sql"
    script.write_text(one_file.render(files.read(migrations)))
    return script


def test_what_only_came_later_is_added(postgres: TestServer, empty_database: str, tmp_path: Path) -> None:
    access = postgres.access(database=empty_database)
    script_of(tmp_path, **{"1_a": "create table a ()\n-- the end"})
    list(runner.apply(access, files.read(tmp_path / "migrations")))
    run_script(access, script_of(tmp_path, **{"2_b": "create table b ()"}))
    assert runner.pending(access, files.read(tmp_path / "migrations")) == []
    assert "CREATE TABLE public.a" in schema(access)
    assert "CREATE TABLE public.b" in schema(access)


def test_an_error_leaves_nothing_and_is_told(postgres: TestServer, empty_database: str, tmp_path: Path) -> None:
    access = postgres.access(database=empty_database)
    empty = client("pg_dump", access, "--schema-only", "--restrict-key=test").stdout
    script = script_of(tmp_path, **{"1_a": "create table a ();", "2_b": "selec 1;"})
    ran = client("psql", access, "--no-psqlrc", "--file", str(script))
    assert ran.returncode == 3
    assert 'syntax error at or near "selec"' in ran.stderr
    assert client("pg_dump", access, "--schema-only", "--restrict-key=test").stdout == empty
