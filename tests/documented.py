"""What the tests of pages with a table of conditions share: its rows, the texts of the code, whether a test it names is there."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from infraops_core import checkout

_SHORTEST = 8  # what a text has besides its variables, or it would match anything


def rows(page: str) -> list[list[str]]:
    """The cells of each row below the heading that begins with `condition`."""
    table = page.partition("| condition |")[2].splitlines()[2:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table]


def texts(sources: Iterable[Path]) -> Iterator[list[str | None]]:
    """Every text in the sources by its parts, with None where it has a variable."""
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            fixed = [part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else None for part in parts]
            if sum(len(part or "") for part in fixed) >= _SHORTEST:
                yield fixed


def is_there(test: str, beside: Path) -> bool:
    """Whether `FILE::NAME` is a test; a file without a folder stands beside the one that asks, another below `tests`."""
    file, name = test.split("::")
    folder = checkout.ROOT / "tests" if "/" in file else beside.parent
    return f"\ndef {name}(" in (folder / file).read_text()
