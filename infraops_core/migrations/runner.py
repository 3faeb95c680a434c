"""Apply, revert and look at migrations: the functions that `infraops migrate` and the schema's resource call.

Every `access` is the owner's, and direct. The ledger is dbmate's, so either tool goes on where the other ended.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.migrations import findings, indexes, ledger, lock, over_psycopg, refusals, running
from infraops_core.migrations.files import Migration
from infraops_core.migrations.findings import Finding
from infraops_core.migrations.ledger import Direction, Ledger, UnderWay
from infraops_core.migrations.one_by_one import OneByOne
from infraops_core.migrations.status import State, Status, compare
from infraops_core.migrations.transport import Transport

SECONDS = 4 * 3600  # an index of a large table rightly takes hours; that the way to the server is lost is noticed in a minute
_LOOK_SECONDS = 60


@dataclass(frozen=True)
class Applied:
    """A migration that has been committed, and how long it took."""

    migration: Migration
    milliseconds: float


@dataclass(frozen=True)
class Reverted:
    """A migration whose down block has been committed, and how long it took."""

    migration: Migration
    milliseconds: float


def apply(
    access: Access, migrations: Sequence[Migration], *, target: str = "", resume: bool = False, seconds: float | None = None
) -> Iterator[Applied]:
    """Apply those of `migrations` that the ledger lacks, each in a transaction of its own; yield it after its commit.

    Exactly once even when several runners start together. When it stops early, everything yielded stays applied
    and nothing else is, but for a migration that asks for no transaction: of that the statements before the one it
    stopped at are done, and the next run says so.

    :param target: the version to end with; empty for all.
    :param resume: go on with a migration without a transaction that was interrupted.
    :param seconds: for all of it.
    :raises UserError: for SQL the server refused, with file:line:column; for a file edited after it was applied, an
        interrupted migration without `resume`, a pooled URL; and when the server can't be worked with.
    """
    wanted = _up_to(migrations, target)
    with refusals.explained(access), over_psycopg.opened(access, seconds=seconds or SECONDS) as transport:
        found = ledger.read(transport)
        if not _pending(wanted, found) and not found.under_way:
            _refuse_edited(access, migrations, found)
            _tell(migrations, wanted, found)
            return
        found = _locked(transport, access)
        _refuse_edited(access, migrations, found)
        resumed = _resumed(transport, migrations, found, Direction.UP, resume=resume)
        _tell(migrations, wanted, found)
        for migration in sorted(_pending(wanted, found), key=lambda migration: migration.version not in resumed):
            print(f"Applying  {migration.path.name}")
            started = time.perf_counter()
            _run(transport, migration, Direction.UP, resumed.get(migration.version))
            yield Applied(migration, (time.perf_counter() - started) * 1000)


def down(access: Access, migrations: Sequence[Migration], *, resume: bool = False) -> Reverted:
    """Revert the newest applied one of `migrations`, and take it out of the ledger in the same transaction.

    :raises UserError: where none is applied, a newer one is that has no file, its down block is empty, its file was
        edited, and as `apply` does.
    """
    with refusals.explained(access), over_psycopg.opened(access, seconds=SECONDS) as transport:
        found = _locked(transport, access)
        resumed = _resumed(transport, migrations, found, Direction.DOWN, resume=resume)
        applied = [migration for migration in migrations if migration.version in found.entries]
        if not applied:
            raise UserError("there is nothing to revert: no migration that has a file is applied", where=access.endpoint,
                            next="infraops migrate status lists what is applied")  # fmt: skip
        migration = applied[-1]
        _refuse_edited(access, [migration], found)
        _refuse_not_newest(migration, migrations, found)
        if not migration.down.statements:
            raise UserError("the newest migration has nothing below -- migrate:down, and so cannot be reverted", where=migration.path.name,
                            next="write what reverts it there, or a new migration that does")  # fmt: skip
        print(f"Reverting {migration.path.name}")
        started = time.perf_counter()
        _run(transport, migration, Direction.DOWN, resumed.get(migration.version))
        return Reverted(migration, (time.perf_counter() - started) * 1000)


def mark(access: Access, *migrations: Migration) -> None:
    """Enter them as applied as their files now are, in one transaction, without running anything.

    Mends a checksum, and ends what was interrupted.

    :raises UserError: when the server can't be worked with.
    """
    with refusals.explained(access), over_psycopg.opened(access, seconds=2 * _LOOK_SECONDS) as transport:
        _locked(transport, access)
        transaction = transport.begin(afresh=True)
        for migration in migrations:
            ledger.mark(transport, migration, within=transaction)
        transport.commit(transaction)


def changes(access: Access, migrations: Sequence[Migration], *, target: str = "", resume: bool = False) -> bool:
    """Whether `apply` would change anything, as things are now.

    :raises UserError: for what `apply` refuses before it changes anything.
    """
    wanted = _up_to(migrations, target)
    with refusals.explained(access), over_psycopg.opened(access, seconds=_LOOK_SECONDS) as transport:
        found = ledger.read(transport)
        _refuse_edited(access, migrations, found)
        if not any(item.is_running for item in found.under_way):
            _resumed(transport, migrations, found, Direction.UP, resume=resume)
        return bool(_pending(wanted, found) or found.under_way)


def pending(access: Access, migrations: Sequence[Migration]) -> list[Migration]:
    """Those of `migrations` that the database's ledger lacks.

    :raises UserError: when the ledger can't be read.
    """
    return _pending(migrations, _read(access))


def status(access: Access, migrations: Sequence[Migration]) -> list[Status]:
    """The state of every migration, of the files and of the ledger; changes nothing and waits for no runner.

    :raises UserError: when the ledger can't be read.
    """
    return compare(migrations, _read(access))


def verify(access: Access, migrations: Sequence[Migration]) -> list[Finding]:
    """What keeps the database from being what the files say, and what could not be compared; empty where all is well.

    :raises UserError: when the ledger can't be read.
    """
    return findings.of(compare(migrations, _read(access)))


def _read(access: Access) -> Ledger:
    with refusals.explained(access), over_psycopg.opened(access, seconds=_LOOK_SECONDS) as transport:
        return ledger.read(transport)


def _up_to(migrations: Sequence[Migration], target: str) -> list[Migration]:
    versions = [migration.version for migration in migrations]
    if target and target not in versions:
        raise UserError(f"there is no migration of version {target}", where="infraops migrate up",
                        next="see the versions with: infraops migrate status")  # fmt: skip
    return list(migrations[: versions.index(target) + 1] if target else migrations)


def _pending(migrations: Sequence[Migration], found: Ledger) -> list[Migration]:
    return [migration for migration in migrations if migration.version not in found.entries]


def _locked(transport: Transport, access: Access) -> Ledger:
    """The ledger, made if it was not there, as it is once no other runner changes it."""
    lock.hold(transport, access)
    found = ledger.read(transport)
    if not found.is_whole:
        ledger.make(transport)
    return found


def _refuse_edited(access: Access, migrations: Sequence[Migration], found: Ledger) -> None:
    edited = {status.version for status in compare(migrations, found) if status.state is State.EDITED}
    if edited:
        raise refusals.edited([migration for migration in migrations if migration.version in edited], access)


def _refuse_not_newest(migration: Migration, migrations: Sequence[Migration], found: Ledger) -> None:
    """Another checkout's migration may stand on this one."""
    fileless = found.entries.keys() - {one.version for one in migrations}
    if newer := sorted(version for version in fileless if f"{version}_" > migration.path.name):
        raise UserError(f"a newer migration is applied whose file is not here: {', '.join(newer)}", where=migration.path.name,
                        next="revert from a checkout that has the file, or restore it (git restore)")  # fmt: skip


def _resumed(
    transport: Transport, migrations: Sequence[Migration], found: Ledger, direction: Direction, *, resume: bool
) -> dict[str, UnderWay]:
    """What was interrupted, by version, if it may go on now; the lock is ours, so nobody is at it."""
    files = {migration.version: migration for migration in migrations}
    for item in found.under_way:
        migration = files.get(item.version)
        if not resume or item.direction is not direction or migration is None:
            raise refusals.interrupted(item, migration, _invalid(transport, item, migration))
    return {item.version: item for item in found.under_way}


def _invalid(transport: Transport, item: UnderWay, migration: Migration | None) -> list[str]:
    if migration is None:
        return []
    block = migration.up if item.direction is Direction.UP else migration.down
    return indexes.invalid(transport, block.statements[item.statement - 1]) if item.statement <= len(block.statements) else []


def _tell(migrations: Sequence[Migration], wanted: Sequence[Migration], found: Ledger) -> None:
    """Say what is out of the ordinary and no reason to stop."""
    for version in sorted(found.entries.keys() - {migration.version for migration in migrations}):
        print(f"Missing   the file of {version}, which is applied")
    applied = [migration for migration in migrations if migration.version in found.entries]
    for migration in _pending(wanted, found):
        if applied and migration.path.name < applied[-1].path.name:
            print(f"Older     {migration.path.name} than the newest applied one, {applied[-1].path.name}")


def _run(transport: Transport, migration: Migration, direction: Direction, resumed: UnderWay | None) -> None:
    """Run one of its blocks, and have the ledger say so in the transaction that ends it."""
    block = migration.up if direction is Direction.UP else migration.down
    started = time.perf_counter()

    def finish(transaction: str) -> None:
        if direction is Direction.UP:
            ledger.record(transport, migration, (time.perf_counter() - started) * 1000, within=transaction)
        else:
            ledger.remove(transport, migration, within=transaction)
        if not block.transaction:
            ledger.clear(transport, migration, within=transaction)

    running.check(block)
    if block.transaction:
        running.in_transaction(transport, block, finish)
    else:
        OneByOne(transport, migration, direction, finish).run(resumed)
