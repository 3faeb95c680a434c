"""Taking over a database without a ledger: the newest version that makes what it has, or what differs."""

import dataclasses
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from infraops_core import checkout, passwords, roles
from infraops_core.access import Access
from infraops_core.errors import ExitCode, UserError
from infraops_core.migrations import compare, files, runner
from infraops_core.migrations.compare import Kind
from infraops_core.migrations.files import Migration
from infraops_core.servers import scratch
from infraops_core.servers.embedded import binaries
from infraops_core.servers.scratch import Scratch
from tests.fix_postgres import TestServer

PROGRAMS = binaries.find([17], None)
BLOCKS = [
    "create schema s; create table s.a (id uuid primary key, n text);",
    "create table s.b (id uuid primary key); create index b_id on s.b (id);",
    "create function s.f() returns int language sql as $$ select 1 $$; comment on table s.a is 'first';",
]


@pytest.fixture
def database(postgres: TestServer, empty_database: str) -> Access:
    return postgres.access(database=empty_database)


@pytest.fixture(autouse=True)
def _one_server(server: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare on the server that is there, for making one takes longer than all the rest."""
    monkeypatch.setattr(scratch, "server", lambda _: nullcontext(server))


@pytest.fixture
def migrations(tmp_path: Path) -> list[Migration]:
    for number, block in enumerate(BLOCKS, start=1):
        (tmp_path / f"{number}_m.sql").write_text(f"-- migrate:up\n{block}\n-- migrate:down\n")
    return files.read(tmp_path)


def fill(access: Access, *statements: str) -> None:
    with access.connect(seconds=30) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def versions(compared: compare.Compared) -> list[str]:
    return [migration.version for migration in compared.applied]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_newest_version_that_fits_is_found(database: Access, migrations: list[Migration], number: int) -> None:
    fill(database, *BLOCKS[:number], "create table public.other (n int)", "create schema another; create table another.t ()")
    compared = compare.compare(database, migrations, PROGRAMS)
    assert versions(compared) == ["1", "2", "3"][:number]
    assert (compared.nearest, compared.differences) == (str(number), [])


@pytest.mark.parametrize(
    ("change", "nearest", "differences"),
    [
        ("drop index s.b_id", "3", [(Kind.MISSING, "INDEX s.b_id")]),
        ("create table s.c ()", "3", [(Kind.EXTRA, "TABLE s.c")]),
        ("alter table s.a alter n set not null", "3", [(Kind.DIFFERENT, "TABLE s.a")]),
        ("grant select on s.a to public", "3", [(Kind.EXTRA, "ACL s.TABLE a")]),
        ("create or replace function s.f() returns int language sql as $$ select 2 $$", "3", [(Kind.DIFFERENT, "FUNCTION s.f()")]),
        (
            "drop function s.f(); comment on table s.a is null; alter table s.b add x int",
            "2",
            [(Kind.DIFFERENT, "TABLE s.b")],
        ),
    ],
)
def test_what_differs_is_named(
    database: Access, migrations: list[Migration], change: str, nearest: str, differences: list[tuple[Kind, str]]
) -> None:
    fill(database, *BLOCKS, change)
    compared = compare.compare(database, migrations, PROGRAMS)
    assert compared.applied == []
    assert compared.nearest == nearest
    assert [(one.kind, one.name) for one in compared.differences] == differences


def test_a_difference_is_shown_as_a_diff(database: Access, migrations: list[Migration]) -> None:
    fill(database, *BLOCKS, "alter table s.a alter n set not null")
    told = compare.compare(database, migrations, PROGRAMS).lines()
    assert told[0] == "Different TABLE s.a"
    assert "    -    n text" in told
    assert "    +    n text NOT NULL" in told


def test_an_empty_database_has_no_version(database: Access, migrations: list[Migration]) -> None:
    compared = compare.compare(database, migrations, PROGRAMS)
    assert compared.applied == []
    assert {one.kind for one in compared.differences} == {Kind.MISSING}


def test_it_writes_nothing(database: Access, migrations: list[Migration]) -> None:
    fill(database, *BLOCKS, f'alter database "{database.url.database}" set default_transaction_read_only = on')
    assert versions(compare.compare(database, migrations, PROGRAMS)) == ["1", "2", "3"]


def test_a_migration_that_cannot_be_applied_is_told(database: Access, tmp_path: Path) -> None:
    (tmp_path / "1_m.sql").write_text("-- migrate:up\nselect 1;\n selec 2;\n-- migrate:down\n")
    with pytest.raises(UserError, match="cannot be applied to an empty database: syntax error") as refused:
        compare.compare(database, files.read(tmp_path), PROGRAMS)
    assert refused.value.where == "1_m.sql:3:2"


def test_a_server_that_is_not_there_is_told(database: Access, migrations: list[Migration]) -> None:
    away = dataclasses.replace(database, url=dataclasses.replace(database.url, port=1))
    for attempt in (compare.compare, compare.adopt):
        with pytest.raises(UserError, match="Connection refused"):
            attempt(away, migrations, PROGRAMS)


def test_adopting_marks_what_is_there_and_the_rest_is_pending(database: Access, migrations: list[Migration]) -> None:
    fill(database, *BLOCKS[:2])
    assert versions(compare.adopt(database, migrations, PROGRAMS)) == ["1", "2"]
    assert runner.pending(database, migrations) == migrations[2:]
    assert runner.verify(database, migrations[:2]) == []
    assert [applied.migration.version for applied in runner.apply(database, migrations)] == ["3"]
    with pytest.raises(UserError, match="has a ledger already, with 3 versions"):
        compare.adopt(database, migrations, PROGRAMS)


def test_a_database_that_does_not_fit_is_not_adopted(database: Access, migrations: list[Migration]) -> None:
    fill(database, *BLOCKS, "drop index s.b_id; create table s.c ()")
    with pytest.raises(UserError, match="2 objects differ from version 3") as refused:
        compare.adopt(database, migrations, PROGRAMS)
    assert refused.value.code is ExitCode.FOUND_BAD
    assert "Missing   INDEX s.b_id" in refused.value.what
    assert "Extra     TABLE s.c" in refused.value.what
    with database.connect(seconds=30) as connection:
        assert connection.execute("select to_regclass('public.schema_migrations')").fetchone() == (None,)


@pytest.fixture
def with_roles(postgres: TestServer) -> Iterator[Access]:
    """The owner's way into an empty database on a server that has the three roles."""
    settings = roles.RoleSettings({role: passwords.generate() for role in (roles.OWNER, roles.APP, roles.READONLY)}, "default", 5)
    roles.create(postgres.access(), settings)
    yield postgres.access(roles.OWNER, settings.passwords[roles.OWNER], roles.DATABASE)
    fill(postgres.access(), f"drop database {roles.DATABASE} with (force)", f"drop role {roles.OWNER}, {roles.APP}, {roles.READONLY}")


def forget(access: Access) -> None:
    fill(access, "drop table public.schema_migrations", "drop table if exists public.schema_migrations_under_way")


def test_our_own_schema_is_adopted_with_and_without_the_roles(with_roles: Access) -> None:
    migrations = files.read(checkout.AUDIT_SCHEMA / "migrations")
    list(runner.apply(with_roles, migrations))
    forget(with_roles)
    assert versions(compare.adopt(with_roles, migrations, PROGRAMS)) == [migration.version for migration in migrations]


def test_our_own_schema_is_adopted_where_there_are_no_roles(postgres: TestServer, database: Access) -> None:
    fill(postgres.access(), f"drop database if exists {roles.DATABASE} with (force)",
         f"drop role if exists {roles.OWNER}, {roles.APP}, {roles.READONLY}")  # fmt: skip
    migrations = files.read(checkout.AUDIT_SCHEMA / "migrations")
    list(runner.apply(database, migrations))
    forget(database)
    assert versions(compare.adopt(database, migrations, PROGRAMS)) == [migration.version for migration in migrations]


def test_another_owners_name_is_no_difference(postgres: TestServer, database: Access, migrations: list[Migration]) -> None:
    fill(database, "create role compare_owner login password 'x'", f'alter database "{database.url.database}" owner to compare_owner')
    theirs = dataclasses.replace(database, url=dataclasses.replace(database.url, user="compare_owner", password="x"))
    try:
        fill(theirs, *BLOCKS)
        assert versions(compare.compare(theirs, migrations, PROGRAMS)) == ["1", "2", "3"]
    finally:
        fill(database, "reassign owned by compare_owner to infraops_admin; drop owned by compare_owner; drop role compare_owner")
