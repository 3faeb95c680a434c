"""The dump of a schema: the same text each time, fit for psql and dbmate, with the ledger; and errors that say what to do."""

import dataclasses
import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.migrations import client, dump
from infraops_core.servers.embedded import binaries
from infraops_core.servers.embedded.binaries import Binaries
from tests.fix_postgres import TestServer
from tests.infraops_core.migrations.client import client as run_client

PROGRAMS = binaries.find([17], None)

SCHEMA = r"""
create schema s;
create table s.t (id uuid primary key, n text default '\restrict abc');
create index i on s.t (n);
create function s.f() returns text language sql as $$ select '
\restrict abc
-- Dumped by pg_dump version 1
SET transaction_timeout = 0;
--
-- PostgreSQL database dump complete
--
' $$;
grant select on s.t to public;
create table public.schema_migrations (version varchar primary key);
insert into public.schema_migrations values ('20'), ('3'), ('1');
"""


def fill(access: Access, sql: str) -> None:
    with access.connect(seconds=30) as connection:
        connection.execute(sql.encode())


@pytest.fixture
def database(postgres: TestServer, empty_database: str) -> Access:
    return postgres.access(database=empty_database)


def test_it_is_the_same_each_time_and_names_no_version(database: Access) -> None:
    fill(database, SCHEMA)
    text = dump.dump(database, PROGRAMS)
    assert dump.dump(database, PROGRAMS) == text
    assert PROGRAMS.version not in text
    head, _, rest = text.partition("-- Name: ")
    assert "restrict" not in head
    assert "transaction_timeout" not in head
    assert "GRANT SELECT ON TABLE s.t TO PUBLIC;" in rest
    assert "OWNER TO" not in text
    assert "\\restrict abc\n-- Dumped by pg_dump version 1\nSET transaction_timeout = 0;\n" in rest  # the function's own lines


def test_it_ends_with_the_ledger_as_dbmate_writes_it(database: Access) -> None:
    fill(database, SCHEMA)
    assert dump.dump(database, PROGRAMS).endswith(
        "--\n-- PostgreSQL database dump complete\n--\n\n\n--\n-- Dbmate schema migrations\n--\n\n"
        "INSERT INTO public.schema_migrations (version) VALUES\n    ('1'),\n    ('20'),\n    ('3');\n"
    )
    fill(database, "alter table public.schema_migrations add checksum text, add applied_at timestamptz default now()")
    fill(database, "update public.schema_migrations set checksum = 'ab''c' where version = '1'")
    assert dump.dump(database, PROGRAMS).endswith("(version, checksum) VALUES\n    ('1', 'ab''c'),\n    ('20', NULL),\n    ('3', NULL);\n")


@pytest.mark.parametrize(
    ("sql", "end"),
    [
        ("select 1", "dump complete\n--\n"),
        ("create table public.schema_migrations (version varchar primary key)", "schema migrations\n--\n\n"),
    ],
)
def test_a_database_without_objects_or_versions(database: Access, sql: str, end: str) -> None:
    fill(database, sql)
    assert dump.dump(database, PROGRAMS).endswith(end)


def test_what_it_writes_makes_the_same_again(postgres: TestServer, database: Access) -> None:
    fill(database, SCHEMA)
    text = dump.dump(database, PROGRAMS)
    fill(postgres.access(), f'create database "{database.url.database}_2"')
    second = postgres.access(database=f"{database.url.database}_2")
    try:
        ran = run_client("psql", second, "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--quiet", stdin=text)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert dump.dump(second, PROGRAMS) == text
    finally:
        fill(postgres.access(), f'drop database "{second.url.database}" with (force)')


def test_dbmate_loads_it_and_knows_the_versions(postgres: TestServer, database: Access, tmp_path: Path) -> None:
    fill(database, SCHEMA)
    (tmp_path / "schema.sql").write_text(dump.dump(database, PROGRAMS))
    (tmp_path / "1_a.sql").write_text("-- migrate:up\n-- migrate:down\n")
    fill(postgres.access(), f'create database "{database.url.database}_2"')
    second = postgres.access(database=f"{database.url.database}_2")
    dbmate: list[str | Path] = [
        Path(sysconfig.get_path("scripts")) / "dbmate",
        "--no-dump-schema",
        "--schema-file",
        "schema.sql",
        "--migrations-dir",
        ".",
    ]
    environment = os.environ | {"DATABASE_URL": second.url.with_password()}
    try:
        for command, said in (("load", ""), ("status", "[X] 1_a.sql")):
            ran = subprocess.run([*dbmate, command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)
            assert ran.returncode == 0, ran.stderr
            assert said in ran.stdout
    finally:
        fill(postgres.access(), f'drop database "{second.url.database}" with (force)')


def test_nothing_of_the_environment_leads_elsewhere(database: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGHOST": "192.0.2.1", "PGHOSTADDR": "192.0.2.1", "PGSSLMODE": "verify-full",
                        "PGPASSWORD": "wrong"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    assert "PostgreSQL database dump" in dump.dump(database, PROGRAMS)


def test_the_password_is_in_no_argument(database: Access) -> None:
    run = client.pg_dump(database, PROGRAMS)
    assert database.url.password not in " ".join(run.command("--schema-only"))
    assert run.environment["PGPASSWORD"] == database.url.password
    assert database.url.password not in repr(run)
    secret = dataclasses.replace(database.url, parameters=(*database.url.parameters, ("sslpassword", "hush")))
    with pytest.raises(UserError, match="sslpassword cannot be handed to pg_dump") as refused:
        client.pg_dump(dataclasses.replace(database, url=secret), PROGRAMS)
    assert "hush" not in str(refused.value)


def pretend(folder: Path, version: str) -> Binaries:
    """Programs that claim to be of this version; pg_dump goes through to the real one."""
    (folder / "pg_dump").write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo \'pg_dump (PostgreSQL) {version}\' && exit\nexec {PROGRAMS["pg_dump"]} "$@"\n'
    )
    (folder / "pg_dump").chmod(0o755)
    return Binaries(folder, version)


def test_an_older_pg_dump_is_passed_over(database: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = pretend(tmp_path, "16.4")
    monkeypatch.setenv("PATH", f"{PROGRAMS.folder}:{tmp_path}")
    assert client.pg_dump(database, old).program == PROGRAMS["pg_dump"]
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="pg_dump must not be older than the server, which is Postgres 17") as refused:
        client.pg_dump(database, old)
    assert f"{tmp_path}/pg_dump is 16" in refused.value.what
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(UserError, match="none was found"):
        client.pg_dump(database, None)


def test_a_newer_pg_dump_will_do(database: Access, tmp_path: Path) -> None:
    assert "dump complete" in dump.dump(database, pretend(tmp_path, "18.1"))


def test_a_role_that_may_not_is_told_so(postgres: TestServer, database: Access) -> None:
    fill(database, "create table t (id int); create role dump_outsider login password 'x'")
    try:
        outsider = dataclasses.replace(database, url=dataclasses.replace(database.url, user="dump_outsider", password="x"))
        with pytest.raises(UserError, match="permission denied for table t") as refused:
            dump.dump(outsider, PROGRAMS)
        assert "as dump_outsider" in refused.value.where
        assert "as the database's owner" in refused.value.next
    finally:
        fill(database, "drop role dump_outsider")


def test_a_server_that_is_not_there_is_told_so(database: Access) -> None:
    away = dataclasses.replace(database, url=dataclasses.replace(database.url, port=1))
    with pytest.raises(UserError, match="Connection refused"):
        dump.dump(away, PROGRAMS)


def test_a_table_that_stays_locked_is_not_waited_for_without_end(database: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump, "_LOCK_SECONDS", 1)
    fill(database, "create table t (id int)")
    with database.connect(seconds=30, autocommit=False) as holder:
        holder.execute("lock table t")
        with pytest.raises(UserError, match="canceling statement due to"):
            dump.dump(database, PROGRAMS)
        holder.rollback()
