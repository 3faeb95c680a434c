"""Seeds: applied whole and again at will, never to prod, and one that is not idempotent is caught."""

import dataclasses
from pathlib import Path

import pytest

from infraops_core import checkout
from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.migrations import files, runner, seeds
from infraops_core.settings import Environment
from tests.fix_postgres import TestServer

TABLE = "create table t (id int primary key, n text)"


@pytest.fixture
def database(postgres: TestServer, empty_database: str) -> Access:
    access = postgres.access(database=empty_database)
    run(access, TABLE)
    return access


def run(access: Access, sql: str) -> list[tuple[object, ...]]:
    with access.connect(seconds=30) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def write(folder: Path, *texts: str) -> Path:
    """Seeds 1.sql, 2.sql, … for dev."""
    (folder / "dev").mkdir(exist_ok=True)
    for number, text in enumerate(texts, start=1):
        (folder / "dev" / f"{number}.sql").write_text(text)
    return folder


def apply(access: Access, folder: Path) -> list[tuple[str, int]]:
    return [(seeded.path.name, seeded.rows) for seeded in seeds.apply(access, Environment.DEV, folder)]


def test_they_are_applied_in_order_and_again_change_nothing(database: Access, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(
        tmp_path,
        "insert into t values (1, 'a'), (2, 'b') on conflict do nothing;",
        "-- builds on the first\ninsert into t select id + 10, n from t where id < 10 on conflict do nothing;\nselect 'é;';",
    )
    assert apply(database, folder) == [("1.sql", 2), ("2.sql", 2)]
    before = run(database, "select xmin, * from t order by id")
    assert len(before) == 4
    assert apply(database, folder) == [("1.sql", 0), ("2.sql", 0)]
    assert run(database, "select xmin, * from t order by id") == before
    assert capsys.readouterr().out.splitlines()[:2] == ["Seeding   1.sql", "Seeding   2.sql"]


@pytest.mark.parametrize(
    ("sql", "what", "place"),
    [
        ("insert into t select coalesce(max(id), 0) + 1 from t", "it changes 1 row of public.t", "2.sql"),
        ("insert into t values (5, 'x') on conflict (id) do update set n = 'x'", "it changes 1 row of public.t", "2.sql"),
        (
            "delete from t where id = 1; insert into t values (1, 'x'), (7, 'y') on conflict do nothing",
            "2 rows of public.t",
            "2.sql",
        ),
        ("do $$ begin insert into t select coalesce(max(id), 0) + 1 from t; end $$", "it changes 1 row of public.t", "2.sql"),
        (
            "insert into t values (8, 'x')",
            "refused a seed when run again: duplicate key value",
            "2.sql:1:1",
        ),
        ("create table u ()", 'refused a seed when run again: relation "u" already exists', "2.sql:1:1"),
        ("select 1;\n  insert into nope values (1)", 'the server refused a seed: relation "nope" does not exist', "2.sql:2:15"),
        ("select 1;\ncommit", "a seed ended its own transaction", "2.sql:2:1"),
        ("select 1;\n truncate t; insert into t values (1, 'x')", "it empties a table", "2.sql:2:2"),
        ("select 1;\ninsert into t values (9, 'x')\x00", "a seed holds a NUL character", "2.sql:2"),
        ("\ufeffselect 1", "a seed holds a byte order mark", "2.sql:1"),
        ("copy t from stdin;\n1\ta\n\\.", "COPY FROM STDIN", "2.sql:1:1"),
    ],
)
def test_what_is_refused_leaves_nothing_of_its_file(database: Access, tmp_path: Path, sql: str, what: str, place: str) -> None:
    folder = write(tmp_path, "insert into t values (1, 'a') on conflict do nothing", f"{sql};")
    with pytest.raises(UserError) as refused:
        apply(database, folder)
    assert what in refused.value.what
    assert refused.value.where == place
    assert run(database, "select * from t") == [(1, "a")]


def test_prod_is_refused_by_name_before_anything_is_read(database: Access, tmp_path: Path) -> None:
    away = dataclasses.replace(database, url=dataclasses.replace(database.url, port=1))
    with pytest.raises(UserError, match="a prod database gets none"):
        list(seeds.apply(away, Environment.PROD, tmp_path))


def test_an_environment_without_seeds_is_told(database: Access, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there are no seeds for staging") as refused:
        list(seeds.apply(database, Environment.STAGING, tmp_path))
    assert refused.value.where == str(tmp_path / "staging")


def test_a_file_that_is_no_text_is_told(database: Access, tmp_path: Path) -> None:
    (write(tmp_path) / "dev" / "1.sql").write_bytes(b"select '\xff'")
    with pytest.raises(UserError, match="a seed is UTF-8"):
        apply(database, tmp_path)


def test_a_server_that_is_not_there_is_told(database: Access, tmp_path: Path) -> None:
    away = dataclasses.replace(database, url=dataclasses.replace(database.url, port=1))
    with pytest.raises(UserError, match="Connection refused"):
        apply(away, write(tmp_path, "select 1"))


@pytest.mark.parametrize(
    ("environment", "tenants"), [(Environment.DEV, {"default": 5, "acme": 2}), (Environment.STAGING, {"default": 1000})]
)
def test_our_own_seeds_are_idempotent_and_chained(
    postgres: TestServer, empty_database: str, environment: Environment, tenants: dict[str, int]
) -> None:
    access = postgres.access(database=empty_database)
    list(runner.apply(access, files.read(checkout.AUDIT_SCHEMA / "migrations")))
    assert all(seeded.rows > 0 for seeded in seeds.apply(access, environment))
    assert {seeded.rows for seeded in seeds.apply(access, environment)} == {0}
    counted = "select tenant_id, count(*), min(seq), max(seq) from infraops_audit.audit_events group by tenant_id"
    assert {row[0]: row[1:] for row in run(access, counted)} == {tenant: (number, 1, number) for tenant, number in tenants.items()}
