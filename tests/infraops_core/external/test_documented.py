"""docs/external.md: its messages are those of the code, its tests exist, and each of its settings does."""

import re
from pathlib import Path

import pytest

from infraops_core import checkout
from infraops_core.external.refusals import REFUSALS
from infraops_core.settings import every_setting
from tests import documented

PAGE = (checkout.ROOT / "docs" / "external.md").read_text()
ROWS = documented.rows(PAGE)
FOLDERS = ("external", "settings", "providers")
SOURCES = [path for folder in FOLDERS for path in (checkout.ROOT / "infraops_core" / folder).rglob("*.py")]
# With anything where a text has a variable, or a place for one.
WRITTEN = ["".join("{}" if part is None else part for part in text) for text in documented.texts(SOURCES)]
TEXTS = [re.compile(re.sub(r"\\\{\w*\\\}", ".+", re.escape(text))) for text in WRITTEN]
MESSAGES = [row[1].strip("`") for row in ROWS if row[1].startswith("`")]


def test_every_row_has_its_cells() -> None:
    assert [row for row in ROWS if len(row) != 4 or not all(row)] == []
    assert len(ROWS) > 20


@pytest.mark.parametrize("message", MESSAGES)
def test_the_code_says_it(message: str) -> None:
    assert any(text.fullmatch(message) for text in TEXTS)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.what)
def test_the_page_has_every_refusal(refusal: object) -> None:
    what = re.sub(r"\\\{\w+\\\}", ".+", re.escape(getattr(refusal, "what", "")))
    assert any(re.fullmatch(what, message) for message in MESSAGES)


@pytest.mark.parametrize("test", list(dict.fromkeys(span for row in ROWS for span in re.findall(r"`([^`]+)`", row[3]))))
def test_the_test_is_there(test: str) -> None:
    assert documented.is_there(test, Path(__file__))


def test_the_settings_are_there() -> None:
    assert set(re.findall(r"^\| `(infraops:\w+)` \|", PAGE, re.MULTILINE)) <= set(every_setting())
