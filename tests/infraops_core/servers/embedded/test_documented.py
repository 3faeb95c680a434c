"""docs/local.md: its messages are those of the code, its tests exist, and each of its settings does."""

import ast
import re
from pathlib import Path

import pytest

from infraops_core import checkout
from infraops_core.settings import every_setting

PAGE = (checkout.ROOT / "docs" / "local.md").read_text()
TABLE = PAGE.partition("| condition |")[2].splitlines()[2:]
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TABLE]
SOURCES = [path for package in ("infraops_core", "infraops_cli", "stacks") for path in (checkout.ROOT / package).rglob("*.py")]
_SHORTEST = 8  # what a text has besides its variables, or it would match anything


def texts() -> list[re.Pattern[str]]:
    """Every text in the sources, with anything where it has a variable."""
    found = []
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            fixed = [part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else None for part in parts]
            if sum(len(part or "") for part in fixed) >= _SHORTEST:
                found.append(re.compile("".join(".+" if part is None else re.escape(part) for part in fixed)))
    return found


TEXTS = texts()


def spans(column: int) -> list[str]:
    return list(dict.fromkeys(span for row in ROWS for span in re.findall(r"`([^`]+)`", row[column])))


def test_every_row_has_its_cells_and_a_test() -> None:
    assert [row for row in ROWS if len(row) != 4 or not row[1].startswith(("repaired", "refused", "waited for")) or not row[3]] == []


@pytest.mark.parametrize("message", spans(2))
def test_the_code_says_it(message: str) -> None:
    assert any(text.fullmatch(message) for text in TEXTS)


@pytest.mark.parametrize("test", spans(3))
def test_the_test_is_there(test: str) -> None:
    file, name = test.split("::")
    folder = checkout.ROOT / "tests" if "/" in file else Path(__file__).parent
    assert f"\ndef {name}(" in (folder / file).read_text()


def test_the_settings_are_there() -> None:
    assert set(re.findall(r"^\| `(infraops:\w+)` \|", PAGE, re.MULTILINE)) <= set(every_setting())
