"""Waivers: which finding they let through, and that a wrong one is told."""

import pytest

from infraops_core.migrations import lint
from infraops_core.migrations.files import Migration
from infraops_core.migrations.lint import squawk, waivers
from infraops_core.migrations.lint.findings import Finding, Level
from infraops_core.servers.embedded import binaries
from tests.infraops_core.migrations.lint.conftest import Write


def judged(migration: Migration, *findings: Finding) -> tuple[list[str], list[str]]:
    """Place and rule of what stays, and of what is waived."""
    read, wrong = waivers.read(migration)
    stay, waived = waivers.judge(migration, findings, read, squawk.is_rule)
    return [f"{one.line} {one.rule}" for one in [*stay, *wrong]], [f"{one.line} {one.rule}" for one in waived]


def at(migration: Migration, line: int, rule: str) -> Finding:
    return Finding(migration, line, 1, rule, Level.ERROR, "why")


ABOVE = "-- infraops:allow primary-key it is a queue\ncreate table a ();\ncreate table b ();"
FOR_ALL = "-- infraops:allow-file primary-key all of these are queues\ncreate table a ();\ncreate table b ();"


@pytest.mark.parametrize(
    ("sql", "line", "stays", "waived"),
    [
        (ABOVE, 3, [], ["3 primary-key"]),
        (ABOVE, 4, ["4 primary-key", "2 waiver"], []),
        (FOR_ALL, 3, [], ["3 primary-key"]),
        (FOR_ALL, 4, [], ["4 primary-key"]),
        ("create table a ();\n  --infraops:allow   primary-key  it is\n\n-- and more\ncreate table b ();", 6, [], ["6 primary-key"]),
        ("create table a ();\n-- infraops:allow-file primary-key a reason", 2, [], ["2 primary-key"]),
        ("-- infraops:allow primary-key r\n-- infraops:allow own-type r\ncreate table a ();", 4, ["3 waiver"], ["4 primary-key"]),
        # what is no waiver
        ("-- infraops:allow primary-key\ncreate table a ();", 3, ["3 primary-key", "2 waiver"], []),
        ("-- infraops:allow\ncreate table a ();", 3, ["3 primary-key", "2 waiver"], []),
        ("-- infraops:alow primary-key it is\ncreate table a ();", 3, ["3 primary-key", "2 waiver"], []),
        ("-- infraops:allow Primary-Key it is\ncreate table a ();", 3, ["3 primary-key", "2 waiver"], []),
        ("-- squawk-ignore ban-drop-table\ncreate table a ();", 3, ["3 primary-key", "2 waiver"], []),
        ("create table a (); -- infraops:allow primary-key it is\n", 2, ["2 primary-key", "2 waiver"], []),
        ("create table a ();\n-- infraops:allow primary-key nothing follows", 2, ["2 primary-key", "3 waiver"], []),
        ("select '\n-- infraops:allow primary-key it is\n';\ncreate table a ();", 5, ["5 primary-key"], []),
        ("/* it was\n/**/ -- */ infraops:allow\n-- infraops:allow primary-key it is\n*/\ncreate table a ();", 6, ["6 primary-key"], []),
        ("/* no */\n-- infraops:allow primary-key it /* is\ncreate table a ();", 4, [], ["4 primary-key"]),
        ("do $$\n-- infraops:allow-file primary-key it is\nbegin end $$;\ncreate table a ();", 5, ["5 primary-key"], []),
    ],
)
def test_what_a_waiver_reaches(write: Write, sql: str, line: int, stays: list[str], waived: list[str]) -> None:
    [migration] = write(sql)
    assert judged(migration, at(migration, line, "primary-key")) == (stays, waived)


@pytest.mark.parametrize(
    ("rule", "what"),
    [("primary-key", "nothing here breaks the rule primary-key"), ("ban-drop-table", "nothing here breaks the rule ban-drop-table"),
     ("no-such-rule", "there is no rule no-such-rule")],
)  # fmt: skip
def test_a_waiver_that_waives_nothing_is_told(write: Write, rule: str, what: str) -> None:
    [migration] = write(f"\n  -- infraops:allow {rule} once it did\nselect 1;")
    read, wrong = waivers.read(migration)
    [finding], waived = waivers.judge(migration, [], read, squawk.is_rule)
    assert (wrong, waived) == ([], [])
    assert (finding.place, finding.rule, finding.level) == ("1_m.sql:3:3", "waiver", Level.WARNING)
    assert what in finding.reason


def test_a_finding_says_how_to_let_it_through(write: Write) -> None:
    [migration] = write("create table a ();")
    finding = at(migration, 2, "primary-key")
    assert str(finding) == "1_m.sql:2:1: error primary-key: why"
    [waived] = write(f"{finding.waiver}\ncreate table a ();")
    assert judged(waived, at(waived, 3, "primary-key")) == ([], ["3 primary-key"])


def test_rules_of_both_linters_are_waived_alike(write: Write) -> None:
    migrations = write(
        "create table a (id uuid);",
        "-- infraops:allow primary-key the app never changes a row\n-- infraops:allow prefer-text-field ten is the standard's limit\n"
        "create table b (n varchar(10));\n-- infraops:allow ban-drop-table nobody reads it any more\n"
        "drop table a;\ncreate table c (id uuid);",
    )
    checked = lint.check(migrations, migrations[1:], binaries.find([17], None))
    assert [str(one) for one in checked.findings] == [
        "2_m.sql:7:1: error primary-key: table public.c: without a primary key, replication refuses its updates and a copy can't be "
        "compared row by row"
    ]
    assert [(one.line, one.rule) for one in checked.waived] == [(4, "primary-key"), (4, "prefer-text-field"), (6, "ban-drop-table")]


def test_where_nothing_is_judged_nothing_is_started(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert lint.check(write("select 1"), [], binaries.find([17], None)) == lint.Checked([], [])
    assert capsys.readouterr().out == ""
