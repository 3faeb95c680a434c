"""Which files are migrations, and what is said of those that are not."""

import re
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infraops_core import checkout
from infraops_core.errors import UserError
from infraops_core.migrations import files
from infraops_core.migrations.files import Block

GOOD = "-- migrate:up\ncreate table t ();\n-- migrate:down\ndrop table t;\n"


def write(folder: Path, **texts: str | bytes) -> Path:
    for name, text in texts.items():
        (folder / f"{name}.sql").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


@pytest.mark.parametrize(
    ("text", "up", "first_line"),
    [
        (GOOD, "create table t ();", 1),
        ("-- migrate:up\n-- migrate:down\n", "", 1),
        ("-- migrate:up\nselect 1;\n\n-- migrate:down", "select 1;", 1),
        ("--migrate:up\nselect 1;\n--  migrate:down\n", "select 1;", 1),
        ("-- migrate:up   \nselect 1;\n-- migrate:down\t\n", "select 1;", 1),
        ("\n-- why\n   -- and how\n\n-- migrate:up\nselect 1;\n-- migrate:down\n", "select 1;", 5),
        ("-- migrate:up\r\nselect 1,\r\n  2;\r\n-- migrate:down\r\n", "select 1,\n  2;", 1),
        ("-- migrate:up\nselect 'é', '-- migrate:down';\n-- migrate:down\n", "select 'é', '-- migrate:down';", 1),
        ("-- migrate:up\n  -- migrate:down is for later\nselect 1;\n-- migrate:down\n", "-- migrate:down is for later\nselect 1;", 1),
    ],
)
def test_understood(tmp_path: Path, text: str, up: str, first_line: int) -> None:
    [migration] = files.read(write(tmp_path, **{"20261122000000_a": text}))
    assert migration.version == "20261122000000"
    assert migration.up.sql.strip() == up
    assert migration.up.first_line == first_line


@pytest.mark.parametrize(
    ("name", "text", "what", "where"),
    [
        ("audit_events", GOOD, "named VERSION_name.sql", "audit_events.sql"),
        ("1_\u00e4", GOOD, "named VERSION_name.sql", "1_\u00e4.sql"),
        ("v1_a", GOOD, "named VERSION_name.sql", "v1_a.sql"),
        ("\u0661_a", GOOD, "named VERSION_name.sql", "\u0661_a.sql"),
        ("1_a", "", "one -- migrate:up block", "1_a.sql"),
        ("1_a", "create table t ();\n", "one -- migrate:up block", "1_a.sql"),
        ("1_a", "-- migrate:up\nselect 1;\n", "after it one -- migrate:down", "1_a.sql"),
        ("1_a", "-- migrate:down\n-- migrate:up\n", "one -- migrate:up block", "1_a.sql"),
        ("1_a", "-- migrate:up\n-- migrate:up\n-- migrate:down\n", "one -- migrate:up block", "1_a.sql"),
        ("1_a", GOOD + GOOD, "one -- migrate:up block", "1_a.sql"),
        ("1_a", " -- migrate:up\n-- migrate:down\n", "one -- migrate:up block", "1_a.sql"),
        ("1_a", "-- Migrate:Up\n-- migrate:down\n", "one -- migrate:up block", "1_a.sql"),
        ("1_a", "-- migrate:upward\n-- migrate:down\n", "one -- migrate:up block", "1_a.sql"),
        ("1_a", "\n-- why\nselect 1;\n" + GOOD, "only -- comments may stand before -- migrate:up", "1_a.sql:3"),
        ("1_a", "/* why */\n" + GOOD, "only -- comments may stand before -- migrate:up", "1_a.sql:1"),
        ("1_a", "-- why\n-- migrate:up transaction:no\n-- migrate:down\n", "the option transaction:no is not known", "1_a.sql:2"),
        ("1_a", "-- migrate:up\n\n-- migrate:down run:false\n", "the option run:false is not known", "1_a.sql:3"),
        ("1_a", "-- migrate:up\nselect 1;\n \\d\n-- migrate:down\n", "\\d is psql's", "1_a.sql:3:2"),
        ("1_a", "-- migrate:up\n-- migrate:down\n\n copy a from stdin;", "COPY FROM STDIN reads its rows", "1_a.sql:4:2"),
        ("1_a", "-- migrate:up\nselect 'a\n-- migrate:down\n", "a string (') is never closed", "1_a.sql:2:8"),
        ("1_a", "\ufeff" + GOOD, "a byte order mark", "1_a.sql:1"),
        ("1_a", "-- migrate:up\nselect '\x00';\n-- migrate:down\n", "a NUL character", "1_a.sql:2"),
        ("1_a", "-- migrate:up\n-- \x1b[8m\nselect 1;\n-- migrate:down\n", "the control character U+001B", "1_a.sql:2"),
        ("1_a", "-- migrate:up\nselect '\u202e';\n-- migrate:down\n", "the control character U+202E", "1_a.sql:2"),
        ("1_a", "-- migrate:up\nselect 'ä';\n-- migrate:down\n".encode("latin-1"), "is UTF-8", "1_a.sql:2"),
        ("1_a", GOOD.encode("utf-16"), "is UTF-8", "1_a.sql:1"),
    ],
)
def test_refused_and_where(tmp_path: Path, name: str, text: str | bytes, what: str, where: str) -> None:
    with pytest.raises(UserError) as refused:
        files.read(write(tmp_path, **{name: text}))
    assert what in refused.value.what
    assert refused.value.where == where
    assert refused.value.next


def test_a_version_used_twice_is_refused_with_both_names(tmp_path: Path) -> None:
    folder = write(tmp_path, **{"1_b": GOOD, "10_c": GOOD, "1_a": GOOD})
    with pytest.raises(UserError, match="two migrations have version 1") as refused:
        files.read(folder)
    assert refused.value.where == "1_a.sql, 1_b.sql"


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_a_folder_without_migrations_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "README.md").write_text("no migration")
    with pytest.raises(UserError, match="there are no migrations") as refused:
        files.read(tmp_path / name)
    assert refused.value.where == str(tmp_path / name)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "1_a.sql").mkdir()
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        files.read(tmp_path)


def test_an_editors_hidden_file_is_none(tmp_path: Path) -> None:
    (write(tmp_path, **{"1_a": GOOD}) / ".#1_a.sql").symlink_to("somebody@somewhere")
    assert [migration.path.name for migration in files.read(tmp_path)] == ["1_a.sql"]


def test_in_the_order_of_their_names(tmp_path: Path) -> None:
    folder = write(tmp_path, **{"20270101000000_c": GOOD, "20261122000000_z": GOOD, "20261123000000_a": GOOD})
    assert [migration.path.name[:8] for migration in files.read(folder)] == ["20261122", "20261123", "20270101"]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (GOOD.replace("\n", "\r\n"), True),
        (GOOD.replace("\n", "   \n"), True),
        (GOOD.replace("-- migrate:up\n", "-- why\n-- migrate:up\n\n\n"), True),
        (GOOD.replace("create", "/* why */ -- and how\n  create"), True),
        (GOOD.replace(";\n-- migrate:down", " /* the end */ ;;\n-- migrate:down"), True),
        (GOOD.replace("();\n", "()\n"), True),
        (GOOD.replace("migrate:up", "migrate:up transaction:true"), True),
        (GOOD.replace("migrate:up", "migrate:up transaction:false"), False),
        (GOOD.replace("migrate:down", "migrate:down transaction:false"), True),
        (GOOD.replace("drop table t", "drop table if exists t"), True),
        (GOOD.replace("create table t", "create  table t"), False),
        (GOOD.replace("create table t", "create /* a */ table t"), False),
        (GOOD.replace("create table t ()", "create table t (\n)"), False),
        (GOOD.replace("create table t", "create table T"), False),
        (GOOD.replace("create table t ()", "create table t (); select 1"), False),
    ],
)
def test_a_checksum_is_of_the_statements_and_not_of_what_is_around_them(tmp_path: Path, text: str, same: bool) -> None:
    [one, other] = files.read(write(tmp_path, **{"1_a": GOOD, "2_a": text}))
    assert (one.checksum == other.checksum) is same


def test_statements_do_not_run_together_in_the_checksum(tmp_path: Path) -> None:
    [one, other] = files.read(
        write(tmp_path, **{f"{n}_a": f"-- migrate:up\n{sql}\n-- migrate:down\n" for n, sql in enumerate(("a;b", "a\nb"))})
    )
    assert one.checksum != other.checksum
    assert one.up.checksum(1) == Block("", "a", 1).checksum()


@pytest.mark.parametrize(
    ("up", "down", "found"),
    [
        ("", "", (True, True)),
        (" transaction:false", "", (False, True)),
        ("  transaction:true", "\ttransaction:false ", (True, False)),
    ],
)
def test_both_blocks_and_their_options(tmp_path: Path, up: str, down: str, found: tuple[bool, bool]) -> None:
    text = GOOD.replace("migrate:up", f"migrate:up{up}").replace("migrate:down", f"migrate:down{down}")
    [migration] = files.read(write(tmp_path, **{"1_a": text}))
    assert (migration.up.transaction, migration.down.transaction) == found
    assert [statement.text for block in (migration.up, migration.down) for statement in block.statements] == [
        "create table t ()",
        "drop table t",
    ]
    assert migration.down.first_line == 3
    assert migration.down.place(migration.down.statements[0].start) == "1_a.sql:4:1"


def test_a_new_one_is_a_migration_of_this_second(tmp_path: Path) -> None:
    path = files.new(tmp_path, "audit_events_2")
    [migration] = files.read(tmp_path)
    assert migration.path == path
    age = datetime.now(UTC) - datetime.strptime(migration.version, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    assert 0 <= age.total_seconds() < 5
    assert (migration.up.statements, migration.down.statements) == ((), ())


@pytest.mark.parametrize("name", ["", "Audit", "a-b", "a b", "../a", "é", "a.sql"])
def test_a_name_that_no_migration_has_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="no name for a migration"):
        files.new(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_a_second_is_used_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Stopped":
            return cls(2026, 11, 22, tzinfo=tz)

    monkeypatch.setattr(files, "datetime", Stopped)
    files.new(tmp_path, "a")
    with pytest.raises(UserError, match="this second's version is used already") as refused:
        files.new(tmp_path, "b")
    assert refused.value.where == "20261122000000_a.sql"


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="could not be made: No such file"):
        files.new(tmp_path / "missing", "a")


def test_the_checksum_of_all_changes_with_each_and_with_their_order(tmp_path: Path) -> None:
    other = GOOD.replace("()", "(a int)")
    seen = set()
    folders = [{"1_a": GOOD}, {"2_a": GOOD}, {"1_a": other}, {"1_a": GOOD, "2_a": other}, {"1_a": other, "2_a": GOOD}]
    for number, texts in enumerate(folders):
        folder = tmp_path / str(number)
        folder.mkdir()
        seen.add(files.checksum(files.read(write(folder, **texts))))
    assert len(seen) == 5


@given(st.text())
def test_any_text_is_a_migration_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "1_a.sql").write_text(f"-- migrate:up\n{text}\n-- migrate:down\n", encoding="utf-8", errors="surrogatepass")
    try:
        [migration] = files.read(folder)
    except UserError as refused:
        assert refused.where.startswith("1_a.sql")  # noqa: PT017
    else:
        assert migration.up.first_line == 1


def test_ours_are_migrations() -> None:
    assert files.read(checkout.AUDIT_SCHEMA / "migrations")[0].version == "20261122000000"


@pytest.mark.parametrize("name", ["1", "1_", "1_Audit-Events", "20260101000000_add users (again)", "1.audit.events"])
def test_every_name_that_dbmate_takes_will_do(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.sql").write_text(GOOD)
    (migration,) = files.read(tmp_path)
    assert migration.version == re.match("[0-9]+", name)[0]  # type: ignore[index]
