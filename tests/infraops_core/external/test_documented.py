"""docs/external.md: its messages are those of the code, its tests exist, and each of its settings does."""

import ast
import re
from pathlib import Path

import pytest

from infraops_core import checkout
from infraops_core.external.refusals import REFUSALS
from infraops_core.settings import every_setting

PAGE = (checkout.ROOT / "docs" / "external.md").read_text()
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.partition("| condition |")[2].splitlines()[2:]]
FOLDERS = ("external", "settings", "providers")
SOURCES = [path for folder in FOLDERS for path in (checkout.ROOT / "infraops_core" / folder).rglob("*.py")]
_SHORTEST = 8  # what a text has besides its variables, or it would match anything


def texts() -> list[re.Pattern[str]]:
    """Every text in the sources, with anything where it has a variable or a place for one."""
    found = []
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            fixed = [part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else None for part in parts]
            if sum(len(part or "") for part in fixed) >= _SHORTEST:
                found.append("".join("{}" if part is None else part for part in fixed))
    return [re.compile(re.sub(r"\\\{\w*\\\}", ".+", re.escape(text))) for text in found]


TEXTS = texts()
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
    file, name = test.split("::")
    folder = checkout.ROOT / "tests" if "/" in file else Path(__file__).parent
    assert f"\ndef {name}(" in (folder / file).read_text()


def test_the_settings_are_there() -> None:
    assert set(re.findall(r"^\| `(infraops:\w+)` \|", PAGE, re.MULTILINE)) <= set(every_setting())
