"""What is said when a migration can't be applied or reverted, or the server can't be worked with."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from infraops_core.access import Access
from infraops_core.database_url import redact
from infraops_core.errors import UserError
from infraops_core.migrations.files import Block, Migration
from infraops_core.migrations.ledger import Direction, UnderWay
from infraops_core.migrations.statements import Statement
from infraops_core.migrations.transport import ServerError

_NOT_THE_FILE = ("08", "40", "53", "55P03", "57", "58")  # connection, conflict, resources, lock, shutdown, disk
_READ_ONLY, _NO_RIGHT = "25006", "42501"
_SHOWN = 100


@contextmanager
def explained(access: Access) -> Iterator[None]:
    """Turn a server that can't be worked with into what its user can do about it."""
    try:
        yield
    except ServerError as error:
        raise UserError(
            f"the migrations could not be applied or read: {error.message}",
            where=f"{access.endpoint} as {access.url.user}",
            next=_way_out(error, access),
        ) from None


def refused(block: Block, statement: Statement | None, error: ServerError) -> UserError:
    """For what the server said of a statement of a block in a transaction, or of that transaction's end."""
    then = "then run it again; what was applied before it stays applied"
    if statement is None:
        return UserError(f"the server refused a migration at its end: {error.message}", where=block.file, next=f"mend that, {then}")
    where = block.place(statement.start + max(0, error.position - 1))
    if not error.sqlstate:  # the driver's own refusal
        return UserError("a migration cannot COPY from or to its client", where=where, next=f"use INSERT, {then}")
    said = f"{error.message}{_inside(error)}\n  in: {shortened(statement.text)}"
    if error.sqlstate.startswith(_NOT_THE_FILE):
        return UserError(f"a migration was not applied: {said}", where=where, next=f"mend that, {then}")
    return UserError(f"the server refused a migration: {said}", where=where, next=f"mend the file, {then}")


def stopped(migration: Migration, direction: Direction, block: Block, number: int, error: ServerError) -> UserError:
    """For what the server said of a statement of a block without a transaction, whose statements before it are done."""
    told = refused(block, block.statements[number - 1], error)
    done = "the statements before it are done" if number > 1 else "nothing was before it"
    return UserError(
        f"{told.what}\n  it is statement {number} of {len(block.statements)}, outside a transaction; {done}",
        where=told.where,
        next=f"mend that, or the file from here on, then: {_command(direction)} --continue; "
        f"or do the rest by hand, then: infraops migrate mark {migration.version}",
    )


def interrupted(item: UnderWay, migration: Migration | None, invalid: Sequence[str] = ()) -> UserError:
    """For a migration without a transaction that an earlier run began and did not end."""
    where = item.version
    what = f"a migration without a transaction was interrupted in statement {item.statement} of {item.statements}"
    if migration:
        block = migration.up if item.direction is Direction.UP else migration.down
        where = migration.path.name
        if item.statement <= len(block.statements):
            statement = block.statements[item.statement - 1]
            where = block.place(statement.start)
            what += f": {shortened(statement.text.splitlines()[0])}"
    ways = f"{_command(item.direction)} --continue, which goes on with that statement; or, with the rest done by hand: " + (
        f"infraops migrate mark {item.version}"
    )
    if invalid:
        what += f"\n  it left an index that is not valid: {', '.join(invalid)}"
        ways = f"{drops(invalid)} then: {ways}"
    return UserError(what, where=where, next=ways)


def edited(migrations: Sequence[Migration], access: Access) -> UserError:
    """For files that are not as they were when they were applied."""
    names = ", ".join(migration.path.name for migration in migrations)
    marks = "; ".join(f"infraops migrate mark {migration.version}" for migration in migrations)
    return UserError(
        f"{names} changed after it was applied" if len(migrations) == 1 else f"files changed after they were applied: {names}",
        where=access.endpoint,
        next=f"restore it (git restore), and make the change in a new migration; or, if what was applied is what it says now: {marks}",
    )


def drops(invalid: Sequence[str]) -> str:
    """The statements that drop these indexes."""
    return " ".join(f"drop index concurrently {name};" for name in invalid)


def shortened(text: str) -> str:
    """A statement on one line, without passwords, and no longer than is read."""
    line = redact(" ".join(text.split()))
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def _way_out(error: ServerError, access: Access) -> str:
    if error.sqlstate == _READ_ONLY:
        return "use the primary's URL, or see whether default_transaction_read_only is on; then run it again"
    if error.sqlstate == _NO_RIGHT:
        return f"run it as the database's owner, or let {access.url.user} create in the schema public and write the ledger's tables there"
    return f"see that the server runs and lets {access.url.user} in, as the database's owner; then run it again"


def _command(direction: Direction) -> str:
    return f"infraops migrate {direction}"


def _inside(error: ServerError) -> str:
    """In which DO block or function, where the server names no place in the file."""
    inside = error.context.splitlines()
    return f" ({inside[-1]})" if inside and not error.position else ""
