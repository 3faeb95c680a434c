"""What a check of migrations finds: where, which rule, why, and how to have it let through."""

from dataclasses import dataclass
from enum import StrEnum

from infraops_core.migrations.files import Migration


class Level(StrEnum):
    """An error has to be mended or waived before the migration goes anywhere; a warning is for whoever reviews it."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing found, at a place in a migration's file; line and column count from 1."""

    migration: Migration
    line: int
    column: int
    rule: str
    level: Level
    reason: str
    advice: str = ""

    @property
    def place(self) -> str:
        return f"{self.migration.path.name}:{self.line}:{self.column}"

    @property
    def waiver(self) -> str:
        """The comment that lets it through, to be put on a line of its own above the statement."""
        return f"-- infraops:allow {self.rule} REASON"

    def __str__(self) -> str:
        return f"{self.place}: {self.level} {self.rule}: {self.reason}"


def in_order(findings: list[Finding]) -> list[Finding]:
    """By file, line and column."""
    return sorted(findings, key=lambda finding: (finding.migration.path.name, finding.line, finding.column, finding.rule))
