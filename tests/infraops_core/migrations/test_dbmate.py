"""dbmate, the real one, and we take over from each other in both directions."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from infraops_core import checkout
from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.migrations import files, runner
from infraops_core.migrations.status import State
from infraops_core.servers.embedded import binaries
from tests.fix_postgres import TestServer

TEXTS = {
    "20260101000000_a": "-- migrate:up\ncreate table a (n int);\n\n-- migrate:down\ndrop table a;\n",
    "20260102000000_i": "-- migrate:up transaction:false\ncreate index concurrently a_n on a (n);\n\n"
    "-- migrate:down transaction:false\ndrop index concurrently a_n;\n",
    "20260103000000_b": "-- migrate:up\ncreate table b (); -- it's ;\ncreate function f() returns text as $$ select ';' $$\nlanguage sql;\n"
    "-- migrate:down\ndrop function f();\ndrop table b;\n",
}


@pytest.fixture
def database(postgres: TestServer, empty_database: str) -> Access:
    return postgres.access(database=empty_database)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in TEXTS.items():
        (tmp_path / f"{name}.sql").write_text(text)
    return tmp_path


def dbmate(access: Access, folder: Path, *command: str) -> str:
    """What dbmate printed; the URL with the password goes by its environment."""
    program = Path(sysconfig.get_path("scripts")) / "dbmate"
    path = os.pathsep.join([str(Path(binaries.find([17], None)["pg_dump"]).parent), os.environ["PATH"]])
    ran = subprocess.run(
        [str(program), "--migrations-dir", str(folder), "--schema-file", str(folder / "schema.txt"), *command],
        env={"PATH": path, "DATABASE_URL": access.url.with_password()}, cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def made(access: Access) -> list[str]:
    with access.connect(seconds=30) as connection:
        found = connection.execute(
            "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relname !~ '^schema_migrations' order by 1"
        ).fetchall()
    return [row[0] for row in found]


def states(access: Access, folder: Path) -> list[State]:
    return [status.state for status in runner.status(access, files.read(folder))]


def test_dbmate_applies_ours_and_we_go_on(database: Access, folder: Path) -> None:
    dbmate(database, folder, "up")
    assert made(database) == ["a", "a_n", "b"]
    migrations = files.read(folder)
    assert list(runner.apply(database, migrations)) == []
    assert [finding.is_bad for finding in runner.verify(database, migrations)] == [False] * 3
    (folder / "20260104000000_c.sql").write_text("-- migrate:up\ncreate table c ();\n-- migrate:down\ndrop table c;\n")
    assert [applied.migration.version for applied in runner.apply(database, files.read(folder))] == ["20260104000000"]
    assert "Pending: 0" in dbmate(database, folder, "status")
    runner.mark(database, *migrations)
    assert runner.verify(database, files.read(folder)) == []


def test_a_tree_that_dbmate_began_we_end_and_dbmate_reverts(database: Access, folder: Path) -> None:
    later = {name: (folder / f"{name}.sql").rename(folder / f"{name}.later") for name in list(TEXTS)[1:]}
    dbmate(database, folder, "up")
    assert made(database) == ["a"]
    for name, path in later.items():
        path.rename(folder / f"{name}.sql")
    assert len(list(runner.apply(database, files.read(folder)))) == 2
    assert made(database) == ["a", "a_n", "b"]

    told = dbmate(database, folder, "status")
    assert "Applied: 3" in told
    dbmate(database, folder, "dump")
    dumped = (folder / "schema.txt").read_text()
    assert "CREATE TABLE public.a" in dumped
    assert all(f"('{name[:14]}')" in dumped for name in TEXTS)

    dbmate(database, folder, "rollback")
    assert made(database) == ["a", "a_n"]
    assert states(database, folder) == [State.APPLIED, State.APPLIED, State.PENDING]
    dbmate(database, folder, "rollback")
    assert made(database) == ["a"]
    dbmate(database, folder, "up")
    assert states(database, folder) == [State.APPLIED] * 3
    whole = [(status.applied_at is None, status.applied_by) for status in runner.status(database, files.read(folder))]
    assert whole == [(True, None), (False, "infraops_admin"), (False, "infraops_admin")]  # by the columns' defaults


def test_we_begin_and_dbmate_ends_and_we_revert(database: Access, folder: Path) -> None:
    migrations = files.read(folder)
    assert len(list(runner.apply(database, migrations, target="20260102000000"))) == 2
    dbmate(database, folder, "up")
    assert made(database) == ["a", "a_n", "b"]
    assert [runner.down(database, migrations).migration.version[:8] for _ in range(3)] == ["20260103", "20260102", "20260101"]
    assert made(database) == []
    with pytest.raises(UserError, match="there is nothing to revert"):
        runner.down(database, migrations)
    assert "Pending: 3" in dbmate(database, folder, "status")


def test_what_dbmate_makes_new_is_a_migration(database: Access, tmp_path: Path) -> None:
    dbmate(database, tmp_path, "new", "audit_events")
    [migration] = files.read(tmp_path)
    (tmp_path / "ours").mkdir()
    assert migration.path.read_text() == files.new(tmp_path / "ours", "audit_events").read_text()


def test_ours_are_applied_by_dbmate(database: Access, tmp_path: Path) -> None:
    folder = checkout.AUDIT_SCHEMA / "migrations"
    dbmate(database, folder, "--no-dump-schema", "up")
    migrations = files.read(folder)
    assert runner.pending(database, migrations) == []
    for _ in migrations:
        dbmate(database, folder, "--no-dump-schema", "rollback")
    assert runner.pending(database, migrations) == migrations
    assert len(list(runner.apply(database, migrations))) == len(migrations)
