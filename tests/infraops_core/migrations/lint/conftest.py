"""Migrations for the tests of the linter."""

from collections.abc import Callable
from pathlib import Path

import pytest

from infraops_core.migrations import files
from infraops_core.migrations.files import Migration

Write = Callable[..., list[Migration]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Make migrations 1, 2, 3, … of these up blocks; one that begins with transaction:false has that option."""

    def written(*blocks: str) -> list[Migration]:
        for number, block in enumerate(blocks, start=1):
            option, sql = (
                (" transaction:false", block.removeprefix("transaction:false")) if block.startswith("transaction:") else ("", block)
            )
            (tmp_path / f"{number}_m.sql").write_text(f"-- migrate:up{option}\n{sql}\n\n-- migrate:down\n")
        return files.read(tmp_path)

    return written
