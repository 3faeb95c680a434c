"""The real squawk on migrations: places are the file's, levels are ours, and it says when it can't be run."""

import subprocess
import sysconfig
from pathlib import Path

import pytest

from infraops_core.errors import UserError
from infraops_core.migrations.lint import squawk
from infraops_core.migrations.lint.findings import Level
from tests.infraops_core.migrations.lint.conftest import Write

VERSION = "17.10"


def found(write: Write, *blocks: str) -> list[tuple[str, str]]:
    return sorted((finding.place, finding.rule) for finding in squawk.check(write(*blocks), VERSION))


@pytest.mark.parametrize(
    ("sql", "findings"),
    [
        ("alter table a drop column b;", [("1_m.sql:2:15", "ban-drop-column")]),
        ("select 'äöü€😀'; alter table a drop column b;", [("1_m.sql:2:31", "ban-drop-column")]),
        ("-- why\n\n\tcreate index i on a (b);", [("1_m.sql:4:2", "require-concurrent-index-creation")]),
        ("alter table a rename column b to c;", [("1_m.sql:2:15", "renaming-column")]),
        ("alter table a add constraint c check (b > 0);", [("1_m.sql:2:15", "constraint-missing-not-valid")]),
        (
            "select 1; create index concurrently if not exists i on a (b);",
            [("1_m.sql:2:24", "ban-concurrent-index-creation-in-transaction")],
        ),
        ("begin;\nselect 1;\ncommit;", [("1_m.sql:2:1", "transaction-nesting"), ("1_m.sql:4:1", "transaction-nesting")]),
        ("create table a (id uuid primary key, n varchar(10));", [("1_m.sql:2:40", "prefer-text-field")]),
        # right, or right for us
        ("create table a (id uuid primary key); create index i on a (id);", []),
        ("alter table a add constraint c check (b > 0) not valid;", []),
        ("transaction:false\ncreate index concurrently if not exists i on a (b);", []),
        ("alter table a add column b text;", []),
        ("", []),
    ],
)
def test_what_it_finds_and_where(write: Write, sql: str, findings: list[tuple[str, str]]) -> None:
    assert found(write, sql) == findings


def test_the_block_that_reverts_is_not_its_concern(write: Write) -> None:
    migrations = write("create table a (id uuid primary key);")
    migrations[0].path.write_text(migrations[0].path.read_text() + "drop table a;\n")
    assert squawk.check(migrations, VERSION) == []


def test_each_file_is_told_its_own(write: Write) -> None:
    assert found(write, "drop table a;", "transaction:false\ndrop table if exists b;", "select 1;\n\ndrop table c;") == [
        ("1_m.sql:2:1", "ban-drop-table"), ("2_m.sql:3:1", "ban-drop-table"), ("3_m.sql:4:1", "ban-drop-table")]  # fmt: skip


def test_levels_are_ours(write: Write) -> None:
    levels = {
        finding.rule: finding.level for finding in squawk.check(write("drop table a;\ncreate table b (id serial primary key);"), VERSION)
    }
    assert levels == {"ban-drop-table": Level.ERROR, "prefer-bigint-over-int": Level.WARNING, "prefer-identity": Level.WARNING}


def test_its_own_waivers_are_not_heeded(write: Write) -> None:
    assert found(write, "-- squawk-ignore ban-drop-table\ndrop table a;") == [("1_m.sql:3:1", "ban-drop-table")]


def test_a_configuration_that_lies_about_changes_nothing(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".squawk.toml").write_text('excluded_rules = ["ban-drop-table"]\n')
    monkeypatch.chdir(tmp_path)
    assert found(write, "drop table a;") == [("1_m.sql:2:1", "ban-drop-table")]


@pytest.mark.parametrize("rule", sorted((set(squawk.EXCLUDED) | squawk.ERRORS) - {"syntax-error"}))
def test_every_rule_named_here_is_one(rule: str) -> None:
    assert squawk.is_rule(rule)


def test_what_is_no_rule_is_known() -> None:
    assert not squawk.is_rule("no-such-rule")


def test_it_is_found_beside_python_or_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = Path(sysconfig.get_path("scripts")) / "squawk"
    assert squawk.find() == str(beside)
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    monkeypatch.setenv("PATH", str(beside.parent))
    assert squawk.find() == str(beside)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="squawk is not installed") as refused:
        squawk.find()
    assert "make setup" in refused.value.next


@pytest.mark.parametrize(
    ("script", "what"),
    [("echo nonsense", "squawk failed: nonsense"), ("echo broken >&2; exit 2", "squawk failed: broken"), ("sleep 60", "did not end within"),
     ("exit 3", "exit status 3")],
)  # fmt: skip
def test_a_squawk_that_does_not_work_is_told(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, what: str) -> None:
    program = tmp_path / "squawk"
    program.write_text(f"#!/bin/sh\n{script.replace('sleep', 'exec sleep')}\n")
    program.chmod(0o755)
    monkeypatch.setattr(squawk, "find", lambda: str(program))
    monkeypatch.setattr(squawk, "_SECONDS", 0.5)
    with pytest.raises(UserError) as refused:
        squawk.check(write("select 1"), VERSION)
    assert what in refused.value.what


def test_a_squawk_of_another_machine_is_told(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "squawk"
    program.write_bytes(b"\x7fELF nothing")
    program.chmod(0o755)
    with pytest.raises(OSError, match="Exec format"):
        subprocess.run([program], check=False)
    monkeypatch.setattr(squawk, "find", lambda: str(program))
    with pytest.raises(UserError, match="cannot be run: Exec format error"):
        squawk.check(write("select 1"), VERSION)
