"""The audit schema of a database: bring it to what `audit-schema/` says, or see whether it is there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from infraops_core import checkout
from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.migrations import files, lock, over_psycopg, refusals, runner, snapshot
from infraops_core.migrations.files import Migration
from infraops_core.migrations.runner import Applied, Reverted
from infraops_core.migrations.status import State
from infraops_core.servers.embedded import binaries
from infraops_core.settings import Environment, SchemaMode

_GRANT = "infraops_audit.grant_to_roles()"
_SECONDS = 60


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


def bring(access: Access, mode: str, environment: Environment) -> SchemaState:
    """Apply what is missing, or in mode `verify` refuse if anything is; `off` does not look.

    :param access: the owner's, direct.
    :param environment: in prod, a database that holds anything is copied before it is changed.
    :raises UserError: for a migration the server refused, or, in mode `verify`, for anything that `runner.verify` finds bad.
    """
    if SchemaMode(mode) is SchemaMode.OFF:
        return SchemaState("", "")
    migrations = _files()
    if SchemaMode(mode) is SchemaMode.VERIFY:
        _verify(access, migrations)
    else:
        for applied in apply(access, migrations, environment):
            print(f"Applied   {applied.migration.path.name} in {applied.milliseconds:.0f} ms")
    return _state(migrations)


def apply(
    access: Access, migrations: Sequence[Migration], environment: Environment, *, target: str = "", resume: bool = False
) -> Iterator[Applied]:
    """`runner.apply`, in prod after a snapshot of a database that holds anything, and then the roles' grants."""
    if environment is Environment.PROD and runner.changes(access, migrations, target=target, resume=resume):
        _keep_a_copy(access, f"before-{target or migrations[-1].version}")
    yield from runner.apply(access, migrations, target=target, resume=resume)
    _grant(access)


def revert(access: Access, migrations: Sequence[Migration], environment: Environment, *, resume: bool = False) -> Reverted:
    """`runner.down`, in prod after a snapshot of a database that holds anything."""
    if environment is Environment.PROD:
        _keep_a_copy(access, "before-down")
    return runner.down(access, migrations, resume=resume)


def _files() -> list[Migration]:
    return files.read(checkout.AUDIT_SCHEMA / "migrations")


def _state(migrations: list[Migration]) -> SchemaState:
    return SchemaState(migrations[-1].version, files.checksum(migrations))


def _keep_a_copy(access: Access, label: str) -> None:
    if snapshot.needed(access):
        snapshot.PgDumpSnapshot(access, _programs()).take(label)


def _programs() -> binaries.Binaries | None:
    """Postgres' programs of this machine; without them the snapshot looks on PATH, and says so if there are none."""
    try:
        return binaries.find([18, 17, 16], None)
    except UserError:
        return None


def _grant(access: Access) -> None:
    """Let the schema grant to the roles there are now: one applied before its roles were made gets its grants here."""
    with refusals.explained(access), over_psycopg.opened(access, seconds=_SECONDS) as transport:
        if transport.run("select to_regprocedure($1) is not null", [_GRANT]) == [(True,)]:
            lock.hold(transport, access)  # two GRANTs at once on one table, or one beside a migration's: "tuple concurrently updated"
            transport.run(f"select {_GRANT}")


def _verify(access: Access, migrations: list[Migration]) -> None:
    found = [finding for finding in runner.verify(access, migrations) if finding.is_bad]
    missing = [finding.file for finding in found if finding.state is State.PENDING]
    if missing:
        raise UserError(
            f"the database lacks {len(missing)} migration{'s' if len(missing) > 1 else ''}: {', '.join(missing)}",
            where=f"{access.endpoint}, infraops:schema is verify",
            next="let your pipeline apply them, or: pulumi config set infraops:schema apply",
        )
    if found:
        raise UserError(
            "the database is not what the migrations say: "
            + "; ".join(f"{finding.file or finding.version}: {finding.what}" for finding in found),
            where=f"{access.endpoint}, infraops:schema is verify",
            next=found[0].next,
        )
