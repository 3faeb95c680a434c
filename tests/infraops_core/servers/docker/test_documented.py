"""docs/docker.md: its messages are those of the code, its tests exist, and each of its settings does."""

import re
from pathlib import Path

import pytest

from infraops_core import checkout
from infraops_core.settings import every_setting
from tests import documented
from tests.infraops_core.servers.embedded.test_documented import TEXTS

PAGE = (checkout.ROOT / "docs" / "docker.md").read_text()
ROWS = documented.rows(PAGE)


def spans(column: int) -> list[str]:
    return list(dict.fromkeys(span for row in ROWS for span in re.findall(r"`([^`]+)`", row[column])))


def test_every_row_has_its_cells_and_a_test() -> None:
    assert [row for row in ROWS if len(row) != 4 or not row[1].startswith(("repaired", "refused", "waited for")) or not row[3]] == []


@pytest.mark.parametrize("message", spans(2))
def test_the_code_says_it(message: str) -> None:
    assert any(text.fullmatch(message) for text in TEXTS)


@pytest.mark.parametrize("test", spans(3))
def test_the_test_is_there(test: str) -> None:
    assert documented.is_there(test, Path(__file__))


def test_the_settings_are_there() -> None:
    assert set(re.findall(r"^\| `(infraops:\w+)` \|", PAGE, re.MULTILINE)) <= set(every_setting())
