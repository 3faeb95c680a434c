"""Take over a database that has a schema but no ledger: find the migrations that make what it has, and mark them.

The migrations are applied to a scratch server, both databases are dumped, and the dumps compared object by object: in
the schemas that the migrations make, the ledger apart. Owners and tablespaces don't count, privileges do.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, LiteralString

from infraops_core import roles
from infraops_core.access import Access, message
from infraops_core.errors import ExitCode, UserError
from infraops_core.migrations import dump, runner
from infraops_core.migrations.files import Migration
from infraops_core.servers import scratch
from infraops_core.servers.embedded.binaries import Binaries
from infraops_core.servers.scratch import Scratch

if TYPE_CHECKING:
    from psycopg import Connection

_SECONDS = 600
_STEPS = "infraops_steps"
_SHOWN = 12
_HEADER = re.compile(r"^--\n-- Name: (?P<name>.*); Type: (?P<type>[A-Z ]+); Schema: (?P<schema>.*); Owner: .*\n--\n", re.MULTILINE)
_OPTIONS = ("--no-tablespaces", "--no-table-access-method", "--exclude-table=public.schema_migrations*")
_SCHEMAS = """
select nspname::text from pg_namespace n where nspname <> 'information_schema' and nspname !~ '^pg_' and (nspname <> 'public'
    or exists (select from pg_class where relnamespace = n.oid and relname !~ '^schema_migrations')
    or exists (select from pg_proc where pronamespace = n.oid) or exists (select from pg_type where typnamespace = n.oid
        and typtype in ('e', 'd', 'c', 'r') and typname !~ '^schema_migrations'))
order by 1
"""

Objects = Mapping[str, str]
"""The definition of each object, under its name: `TABLE infraops_audit.audit_events`."""


class Kind(StrEnum):
    """How a database differs from what the migrations make."""

    MISSING = "missing"
    EXTRA = "extra"
    DIFFERENT = "different"


@dataclass(frozen=True)
class Difference:
    """One object that is not as the migrations make it; `lines` are a unified diff from theirs to the database's."""

    kind: Kind
    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Compared:
    """The migrations that make what the database has (none when no number of them does), and what differs.

    :param applied: to be marked, oldest first.
    :param nearest: the version that the differences are against; it is the newest applied where there are none.
    """

    applied: list[Migration]
    nearest: str
    differences: list[Difference]

    def lines(self) -> list[str]:
        """The differences for a reader."""
        told: list[str] = []
        for difference in self.differences:
            told.append(f"{difference.kind.capitalize():<9} {difference.name}")
            told += [f"    {line}" for line in difference.lines]
        return told


def compare(access: Access, migrations: Sequence[Migration], binaries: Binaries) -> Compared:
    """Find the newest version whose migrations make just what the database has.

    :param access: the owner's, direct; nothing is written.
    :param migrations: all of them, oldest first.
    :param binaries: Postgres' programs, best of the version that the database runs: another may word a definition differently.
    :raises UserError: when the database can't be read, or a migration can't be applied to an empty one.
    """
    with scratch.server(binaries) as server:
        owner = _prepared(server, access)
        with owner.connect(seconds=_SECONDS) as connection:
            for migration in migrations:
                _apply(connection, migration)
            schemas = [row[0] for row in connection.execute(_SCHEMAS)]
        has = _objects(access, binaries, schemas)
        made = {migrations[-1].version: _objects(owner, binaries, schemas)}
        if made[migrations[-1].version] != has:
            made |= _step_by_step(server, owner, migrations[:-1], schemas)
    for number, migration in reversed(list(enumerate(migrations, start=1))):
        if made[migration.version] == has:
            return Compared(list(migrations[:number]), migration.version, [])
    differences = {version: _differences(objects, has) for version, objects in made.items()}
    nearest = min(differences, key=lambda version: len(differences[version]))  # the newest comes first among equals
    return Compared([], nearest, differences[nearest])


def adopt(access: Access, migrations: Sequence[Migration], binaries: Binaries) -> Compared:
    """Compare, and record as applied, without running them, the migrations that make what the database has.

    :raises UserError: for a database that has a ledger already, or a schema that no number of migrations makes.
    """
    _check_no_ledger(access)
    compared = compare(access, migrations, binaries)
    if not compared.applied:
        shown = compared.lines()
        more = [f"    … and {len(shown) - _SHOWN} lines more"] if len(shown) > _SHOWN else []
        told = "\n".join(["", *(f"  {line}" for line in [*shown[:_SHOWN], *more])])
        number = len(compared.differences)
        differ = f"{number} objects differ" if number > 1 else "1 object differs"
        raise UserError("the database is not as any number of the migrations makes it; "
                        f"{differ} from version {compared.nearest}:{told}", where=access.endpoint, code=ExitCode.FOUND_BAD,
                        next="make the database so, or write migrations that make what it has; then run it again")  # fmt: skip
    runner.mark(access, *compared.applied)
    return compared


def _check_no_ledger(access: Access) -> None:
    if _asked(access, "select 1 where to_regclass('public.schema_migrations') is not null"):
        [number] = _asked(access, "select count(*) from public.schema_migrations")
        if number:
            raise UserError(f"the database has a ledger already, with {number} version{'s' if number > 1 else ''}", where=access.endpoint,
                            next="infraops migrate status says what it lacks; infraops migrate mark VERSION records one")  # fmt: skip


def _asked(access: Access, query: LiteralString) -> list[Any]:
    """The first column of the query's rows.

    :raises UserError: when the database can't be read.
    """
    import psycopg

    try:
        with access.connect(seconds=_SECONDS) as connection:
            return [row[0] for row in connection.execute(query)]
    except psycopg.Error as error:
        told = message(error)
        raise UserError(f"the database could not be read: {told}", where=f"{access.endpoint} as {access.url.user}",
                        next="see that the server runs and lets the owner in; then run it again") from None  # fmt: skip


def _prepared(server: Scratch, access: Access) -> Access:
    """The owner's way into an empty database on a server that has just those of our roles which the other server has."""
    owner = server.owner()
    there = set(_asked(access, "select rolname::text from pg_roles"))
    with server.admin.connect(seconds=_SECONDS, database=roles.DATABASE) as connection:
        for role in {roles.APP, roles.READONLY} - there:
            connection.execute(f'drop owned by "{role}"; drop role "{role}"'.encode())
        connection.execute(f'create database "{_STEPS}" owner "{roles.OWNER}"'.encode())
    return owner


def _apply(connection: "Connection", migration: Migration) -> None:
    """Run the migration's statements as the runner would; the ledger plays no part here."""
    import psycopg

    if migration.up.transaction:
        connection.execute("begin")
    for statement in migration.up.statements:
        try:
            connection.execute(statement.text.encode())
        except psycopg.Error as error:
            told = message(error)
            raise UserError(f"the migration cannot be applied to an empty database: {told}", where=migration.up.place(statement.start),
                            next="infraops migrate plan says more; mend the file, then run it again") from None  # fmt: skip
    if migration.up.transaction:
        connection.execute("commit")


def _step_by_step(server: Scratch, owner: Access, migrations: Sequence[Migration], schemas: Sequence[str]) -> dict[str, Objects]:
    """What is there after each migration, the newest first."""
    steps = server.access(owner.url.user, owner.url.password, _STEPS)
    made: list[tuple[str, Objects]] = []
    with steps.connect(seconds=_SECONDS) as connection:
        for migration in migrations:
            _apply(connection, migration)
            made.append((migration.version, _objects(steps, server.binaries, schemas)))
    return dict(reversed(made))


def _objects(access: Access, binaries: Binaries, schemas: Sequence[str]) -> Objects:
    """Every object in those of `schemas` that the database has, as pg_dump writes it."""
    all_there = set(_asked(access, "select nspname::text from pg_namespace"))
    there = [name for name in schemas if name in all_there]
    if not there:
        return {}
    quoted = ('"' + name.replace('"', '""') + '"' for name in there)
    text = dump.schema(access, binaries, options=[*_OPTIONS, *(f"--schema={name}" for name in quoted)])
    text = text.removesuffix("\n--\n-- PostgreSQL database dump complete\n--\n")
    headers = list(_HEADER.finditer(text))
    ends = [*(header.start() for header in headers[1:]), len(text)]
    found: dict[str, str] = {}
    for header, end in zip(headers, ends, strict=True):
        schema = "" if header["schema"] == "-" else f"{header['schema']}."
        name = f"{header['type']} {schema}{header['name']}"
        found[name] = found.get(name, "") + text[header.end() : end].strip() + "\n"
    return found


def _differences(made: Objects, has: Objects) -> list[Difference]:
    found: list[Difference] = []
    for name in sorted({*made, *has}):
        if made.get(name) == has.get(name):
            continue
        kind = Kind.MISSING if name not in has else Kind.EXTRA if name not in made else Kind.DIFFERENT
        before, after = made.get(name, "").splitlines(), has.get(name, "").splitlines()
        diff = difflib.unified_diff(before, after, "migrations", "database", lineterm="")
        found.append(Difference(kind, name, tuple(diff)))
    return found
