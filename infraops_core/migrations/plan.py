"""What `migrate up` would do: the statements of the pending migrations, and what the checks say of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from infraops_core.errors import ExitCode
from infraops_core.migrations import lint
from infraops_core.migrations.files import Migration
from infraops_core.migrations.lint.findings import Finding, Level
from infraops_core.servers.embedded.binaries import Binaries
from infraops_core.wording import counted


@dataclass(frozen=True)
class PlannedMigration:
    """One pending migration, what was found in it, and what it waives of that."""

    migration: Migration
    findings: list[Finding]
    waived: list[Finding]


@dataclass(frozen=True)
class Plan:
    """The pending migrations, oldest first."""

    migrations: list[PlannedMigration]

    def count(self, level: Level) -> int:
        """How many findings of this level there are."""
        return sum(finding.level is level for planned in self.migrations for finding in planned.findings)

    @property
    def code(self) -> ExitCode:
        """What a command that shows this plan returns: an error is something bad that was found, a warning is not."""
        return ExitCode.FOUND_BAD if self.count(Level.ERROR) else ExitCode.DONE


def plan(migrations: Sequence[Migration], pending: Sequence[Migration], binaries: Binaries) -> Plan:
    """What applying `pending` means.

    :param migrations: all of them, oldest first; the pending ones are tried on top of the rest, on a scratch server.
    :param binaries: Postgres' programs, of the version that the database runs.
    :raises UserError: when a check can't be made here.
    """
    checked = lint.check(migrations, pending, binaries)
    return Plan([PlannedMigration(one, _of(one, checked.findings), _of(one, checked.waived)) for one in pending])


def lines(shown: Plan) -> Iterator[str]:
    """The plan as plain text for a reader: each migration with its SQL, then what was found in it, then the sum."""
    for planned in shown.migrations:
        migration = planned.migration
        way = "in one transaction" if migration.up.transaction else "each by itself (transaction:false)"
        yield f"Pending   {migration.path.name}: {counted(len(migration.up.statements), 'statement')} {way}"
        for statement in migration.up.statements:
            yield migration.up.place(statement.start)
            yield from (f"    {text}".rstrip() for text in f"{statement.text};".split("\n"))
        for finding in planned.findings:
            yield str(finding)
            if finding.advice:
                yield f"    {finding.advice}"
            if finding.rule != "waiver":
                yield f"    let it through by a line above the statement: {finding.waiver}"
        for finding in planned.waived:
            yield f"{finding.place}: waived {finding.rule}"
    yield _sum(shown)


def _of(migration: Migration, findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.migration is migration]


def _sum(shown: Plan) -> str:
    if not shown.migrations:
        return "Planned   nothing: the database has every migration"
    found = f"{counted(shown.count(Level.ERROR), 'error')}, {counted(shown.count(Level.WARNING), 'warning')}"
    waived = sum(len(planned.waived) for planned in shown.migrations)
    number = sum(len(planned.migration.up.statements) for planned in shown.migrations)
    return f"Planned   {counted(len(shown.migrations), 'migration')}, {counted(number, 'statement')}; {found}, {waived} waived"
