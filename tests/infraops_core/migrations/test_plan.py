"""The plan: the pending SQL, what was found in it with its place and reason, and what the command returns."""

from pathlib import Path

import pytest

from infraops_core import checkout
from infraops_core.errors import ExitCode
from infraops_core.migrations import files, plan
from infraops_core.migrations.lint.findings import Level
from infraops_core.migrations.lint.rules import RULES
from infraops_core.servers.embedded import binaries

PROGRAMS = binaries.find([17], None)

OLD = "create table a (id uuid primary key);"
NEW = """
-- infraops:allow identity-always the app never chooses one
create table b (
    id bigint generated always as identity primary key
);
create table c (id uuid);
alter table a add column d varchar(10);
"""
SHOWN = """\
Pending   2_m.sql: 3 statements in one transaction
2_m.sql:4:1
    create table b (
        id bigint generated always as identity primary key
    );
2_m.sql:7:1
    create table c (id uuid);
2_m.sql:8:1
    alter table a add column d varchar(10);
2_m.sql:7:1: error primary-key: table public.c: without a primary key, replication refuses its updates and a copy can't be compared \
row by row
    let it through by a line above the statement: -- infraops:allow primary-key REASON
2_m.sql:8:28: warning prefer-text-field: Changing the size of a `varchar` field requires an `ACCESS EXCLUSIVE` lock, that will prevent \
all reads and writes to the table.
    Use a `TEXT` field with a `CHECK` constraint.
    let it through by a line above the statement: -- infraops:allow prefer-text-field REASON
2_m.sql:4:1: waived identity-always
Pending   3_m.sql: 1 statement each by itself (transaction:false)
3_m.sql:2:1
    create index concurrently if not exists i on a (d);
Planned   2 migrations, 4 statements; 1 error, 1 warning, 1 waived"""


def write(folder: Path, *blocks: str) -> list[files.Migration]:
    for number, block in enumerate(blocks, start=1):
        (folder / f"{number}_m.sql").write_text(f"-- migrate:up{block}\n\n-- migrate:down\n")
    return files.read(folder)


def test_what_a_reader_sees(tmp_path: Path) -> None:
    late = " transaction:false\ncreate index concurrently if not exists i on a (d);"
    migrations = write(tmp_path, f"\n{OLD}", f"\n{NEW}", late)
    shown = plan.plan(migrations, migrations[1:], PROGRAMS)
    assert "\n".join(plan.lines(shown)) == SHOWN
    assert shown.code is ExitCode.FOUND_BAD


@pytest.mark.parametrize(
    ("block", "code"),
    [("create table c (id uuid primary key)", ExitCode.DONE), ("create table c (id int primary key)", ExitCode.DONE),
     ("create table c (id uuid)", ExitCode.FOUND_BAD), ("selec 1", ExitCode.FOUND_BAD)],
)  # fmt: skip
def test_only_errors_are_bad(tmp_path: Path, block: str, code: ExitCode) -> None:
    migrations = write(tmp_path, f"\n{block};")
    assert plan.plan(migrations, migrations, PROGRAMS).code is code


def test_nothing_pending_is_said() -> None:
    shown = plan.plan([], [], PROGRAMS)
    assert list(plan.lines(shown)) == ["Planned   nothing: the database has every migration"]
    assert shown.code is ExitCode.DONE


def test_our_own_migrations_are_portable() -> None:
    """Of the rules about portability none is broken; squawk's, about a table in use, may be waived by its author."""
    migrations = files.read(checkout.AUDIT_SCHEMA / "migrations")
    shown = plan.plan(migrations, migrations, PROGRAMS)
    found = [finding for planned in shown.migrations for finding in planned.findings]
    assert [str(one) for one in found if one.rule in RULES and one.level is Level.ERROR] == []
