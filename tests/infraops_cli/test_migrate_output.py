"""What `infraops migrate status` and `verify` show."""

import json
from datetime import UTC, datetime

import pytest

from infraops_cli import migrate_output
from infraops_core.migrations import findings
from infraops_core.migrations.ledger import Direction, UnderWay
from infraops_core.migrations.status import State, Status

AT = datetime(2026, 11, 22, 4, 21, 34, 567000, tzinfo=UTC)
BEGUN = UnderWay("3", Direction.UP, 2, 4, "", AT, "infraops_owner", False)
APPLIED = Status("1", "1_notes.sql", State.APPLIED, AT, 12.4, "infraops_owner", is_checksum_known=True)
BY_DBMATE = Status("1", "1_notes.sql", State.APPLIED)
EDITED = Status("2", "2_more.sql", State.EDITED, AT, 3.0, "infraops_owner", is_checksum_known=True)
INTERRUPTED = Status("3", "3_index.sql", State.INTERRUPTED, under_way=BEGUN)
RUNNING = Status("3", "3_index.sql", State.RUNNING, under_way=BEGUN)
PENDING = Status("4", "4_new.sql", State.PENDING)
NO_FILE = Status("5", "", State.FILE_MISSING, AT, 1.0, "infraops_owner", is_checksum_known=True)
TIME = AT.astimezone().isoformat(sep=" ", timespec="seconds")


@pytest.mark.parametrize(
    ("statuses", "lines"),
    [
        ([APPLIED], [f"Applied       1_notes.sql  {TIME}, 12 ms, by infraops_owner", "1 of 1 migration applied in h:1/d"]),
        ([BY_DBMATE], ["Applied       1_notes.sql  by another tool, without a checksum", "1 of 1 migration applied in h:1/d"]),
        (
            [APPLIED, EDITED, INTERRUPTED, PENDING, NO_FILE],
            [
                f"Applied       1_notes.sql  {TIME}, 12 ms, by infraops_owner",
                f"Edited        2_more.sql   {TIME}, 3 ms, by infraops_owner",
                "Interrupted   3_index.sql  at statement 2 of 4",
                "Pending       4_new.sql",
                f"File missing  5 (no file)  {TIME}, 1 ms, by infraops_owner",
                "3 of 5 migrations applied in h:1/d",
            ],
        ),
        ([RUNNING], ["Running       3_index.sql  at statement 2 of 4", "0 of 1 migration applied in h:1/d"]),
    ],
)
def test_a_line_a_migration_and_the_sum(statuses: list[Status], lines: list[str]) -> None:
    assert migrate_output.table(statuses, "h:1/d").splitlines() == lines


@pytest.mark.parametrize("status", [APPLIED, BY_DBMATE, EDITED, INTERRUPTED, RUNNING, PENDING, NO_FILE])
def test_the_same_for_a_program(status: Status) -> None:
    [told] = json.loads(migrate_output.as_json([status]))
    assert (told["version"], told["file"], told["state"]) == (status.version, status.file, str(status.state))
    assert told["applied_at"] == (status.applied_at.isoformat() if status.applied_at else None)
    assert (told["under_way"] or {}).get("statement") == (2 if status.under_way else None)


@pytest.mark.parametrize(
    ("statuses", "lines"),
    [
        ([APPLIED], ["Verified  1 migration in h:1/d: all applied, and as their files are"]),
        (
            [BY_DBMATE],
            [
                "Unknown   1_notes.sql  applied by another tool, without a checksum: its content could not be compared",
                "next      if it is what the file says: infraops migrate mark 1",
                "Verified  1 migration in h:1/d: all applied; 1 could not be compared with its file",
            ],
        ),
        (
            [PENDING, Status("6", "6_newest.sql", State.PENDING)],
            [
                "Found     4_new.sql     not applied",
                "Found     6_newest.sql  not applied",
                "next      infraops migrate up",
                "Verified  2 migrations in h:1/d: 2 not as the files say",
            ],
        ),
    ],
)
def test_what_was_found_what_mends_it_once_and_the_sum(statuses: list[Status], lines: list[str]) -> None:
    assert migrate_output.verified(findings.of(statuses), len(statuses), "h:1/d").splitlines() == lines


@pytest.mark.parametrize("status", [EDITED, INTERRUPTED, RUNNING, PENDING, NO_FILE])
def test_whatever_is_bad_is_found_and_says_what_mends_it(status: Status) -> None:
    found, then, verdict = migrate_output.verified(findings.of([status]), 1, "h:1/d").splitlines()
    assert found.startswith("Found     ")
    assert then.startswith("next      ")
    assert verdict == "Verified  1 migration in h:1/d: 1 not as the files say"
