"""The audit schema of a database: bring it to what `audit-schema/` says, or see whether it is there."""

from dataclasses import dataclass

from infraops_core import checkout
from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.migrations import files, runner
from infraops_core.migrations.files import Migration
from infraops_core.settings import SchemaMode


@dataclass(frozen=True)
class SchemaState:
    """The newest migration a database has, and the checksum of all of them; empty where nobody looked."""

    version: str
    checksum: str


def wanted() -> SchemaState:
    """What the migration files make.

    :raises UserError: for files that are no migrations, or none.
    """
    return _state(_files())


def bring(access: Access, mode: str) -> SchemaState:
    """Apply what is missing, or in mode `verify` refuse if anything is; `off` does not look.

    :param access: the owner's, direct.
    :raises UserError: for a migration the server refused, or one that is missing in mode `verify`.
    """
    if SchemaMode(mode) is SchemaMode.OFF:
        return SchemaState("", "")
    migrations = _files()
    if SchemaMode(mode) is SchemaMode.VERIFY:
        _verify(access, migrations)
    else:
        for applied in runner.apply(access, migrations):
            print(f"Applied   {applied.migration.path.name} in {applied.milliseconds:.0f} ms")
    return _state(migrations)


def _files() -> list[Migration]:
    return files.read(checkout.AUDIT_SCHEMA / "migrations")


def _state(migrations: list[Migration]) -> SchemaState:
    return SchemaState(migrations[-1].version, files.checksum(migrations))


def _verify(access: Access, migrations: list[Migration]) -> None:
    missing = runner.pending(access, migrations)
    if missing:
        raise UserError(
            f"the database lacks {len(missing)} migration{'s' if len(missing) > 1 else ''}: "
            + ", ".join(migration.path.name for migration in missing),
            where=f"{access.endpoint}, infraops:schema is verify",
            next="let your pipeline apply them, or: pulumi config set infraops:schema apply",
        )
