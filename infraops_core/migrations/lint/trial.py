"""One application of migrations to a scratch server, statement by statement, with a look at the catalogs after each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infraops_core import roles
from infraops_core.access import Access, message
from infraops_core.migrations.files import Migration
from infraops_core.migrations.lint import catalog, portable
from infraops_core.migrations.lint.catalog import Violation
from infraops_core.migrations.lint.findings import Finding
from infraops_core.migrations.lint.rules import RULES
from infraops_core.migrations.lint.waivers import finding_at
from infraops_core.migrations.statements import Statement
from infraops_core.providers import names
from infraops_core.wording import counted

if TYPE_CHECKING:
    from psycopg import Connection, Error

_ADMIN_SECONDS = 60
_NO_RIGHT = "42501"
_ENDED = "the migration ended its own transaction, which the runner refuses"
_LEND = """
do $$ declare wrapper name; begin
    for wrapper in select fdwname from pg_foreign_data_wrapper loop
        execute format('grant usage on foreign data wrapper %I to OWNER', wrapper);
    end loop;
end $$
""".replace("OWNER", roles.OWNER)


@dataclass
class Trial:
    """What came to light: what the server refused, and what the catalogs say at the end with the statement that brought it.

    :param admin: a superuser's way in, who helps out with what no owner may, so that the rest can be checked as well.
    :param judged: the migrations whose findings count.
    """

    admin: Access
    database: str
    judged: list[Migration]
    refused: list[Finding] = field(default_factory=list)
    brought: dict[Violation, tuple[Migration, int]] = field(default_factory=dict)
    _before: set[Violation] | None = None
    _made: set[str] = field(default_factory=set)

    def run(self, connection: "Connection", migrations: Sequence[Migration]) -> None:
        """Apply them as the runner does, until one of them can't be."""
        for migration in migrations:
            if self._before is None and migration in self.judged:
                self._before = catalog.violations(connection, app=roles.APP)
            stopped_at = self._apply(connection, migration)
            if stopped_at is not None:
                self._say_what_was_not_checked(migration, migration.up.statements[stopped_at + 1 :], migrations)
                return

    def _apply(self, connection: "Connection", migration: Migration) -> int | None:
        """Apply one migration; the number of the statement that could not be, or `None` when all could."""
        found = migration.up.statements
        helped: set[int] = set()
        if migration.up.transaction:
            connection.execute("begin")
        for number, statement in enumerate(found):
            while number not in helped and (error := _executed(connection, statement.text)):
                if not self._help(migration, statement, number, error, helped):
                    return number
                if migration.up.transaction and not _begun_anew(connection, found[:number], helped):
                    return number
            if not _is_as_it_should(connection, migration):
                self._find(migration, statement.start, "does-not-apply", _ENDED)
                return number
            if migration in self.judged and not self._look(connection, migration, statement):
                return number
        if migration.up.transaction and (error := _executed(connection, "commit")):
            self._find(migration, found[-1].start, *_rule(error))  # a deferred constraint has its say only now
            return len(found)
        return None

    def _look(self, connection: "Connection", migration: Migration, statement: Statement) -> bool:
        """Note what the catalogs say now; whether they could be read, which a statement_timeout of its own may prevent."""
        import psycopg

        try:
            now = catalog.violations(connection, app=roles.APP) - (self._before or set())
        except psycopg.Error as error:
            self._find(migration, statement.start, "not-checked", f"the catalogs could not be read after it ({message(error)})")
            return False
        self.brought = {one: self.brought.get(one, (migration, statement.start)) for one in sorted(now)}
        return True

    def _help(self, migration: Migration, statement: Statement, number: int, error: "Error", helped: set[int]) -> bool:
        """Note what the server refused, and whether it can go on: with the admin's help where what lacks is a provider's
        role, or the right to make an extension, which the admin then makes in the owner's stead."""
        said, place = message(error), statement.start + _inside(error, statement)
        role, extension = portable.missing_role(said), portable.refused_extension(said)
        if role and role not in self._made:
            self._find(migration, place, "provider-role", f"role {role}")
            self._made.add(role)
            return self._as_admin(f'create role "{role}"')
        if extension:
            known = extension in names.EXTENSIONS
            self._find(migration, place, "needs-superuser" if known else "extension", said if known else f"extension {extension}")
            helped.add(number)
            return self._as_admin(f'create extension if not exists "{extension}"', _LEND)
        self._find(migration, place, *_rule(error))
        return False

    def _as_admin(self, *commands: str) -> bool:
        """Do what the owner may not; whether that went well."""
        with self.admin.connect(seconds=_ADMIN_SECONDS, database=self.database) as connection:
            return all(_executed(connection, command) is None for command in commands)

    def _find(self, migration: Migration, offset: int, rule: str, what: str) -> None:
        if migration in self.judged:
            why = "" if rule == "does-not-apply" else f": {RULES[rule].why}"
            self.refused.append(finding_at(migration, offset, rule, f"{what}{why}"))

    def _say_what_was_not_checked(self, migration: Migration, rest: Sequence[Statement], migrations: Sequence[Migration]) -> None:
        """A warning at the first statement that nothing is known of, if it is one to be judged."""
        later = [one for one in migrations[migrations.index(migration) + 1 :] if one in self.judged]
        why = f"what stands before it in {migration.path.name} could not be applied"
        more = f" and {counted(len(later), 'later migration')}" if later else ""
        if migration in self.judged and rest:
            what = f"{counted(len(rest), 'statement')} of this file{more} went unchecked: {why}"
            self.refused.append(finding_at(migration, rest[0].start, "not-checked", what))
        elif later:
            first = later[0].up.statements
            what = f"{counted(len(later), 'migration')} from here on went unchecked: {migration.path.name} could not be applied"
            self.refused.append(finding_at(later[0], first[0].start if first else 0, "not-checked", what))


def _executed(connection: "Connection", statement: str) -> "Error | None":
    """Run the statement; what went wrong, or `None`."""
    import psycopg

    try:
        connection.execute(statement.encode())
    except psycopg.Error as error:
        return error
    return None


def _begun_anew(connection: "Connection", before: Sequence[Statement], helped: set[int]) -> bool:
    """Begin the transaction again, with all it had done: only a new one sees what the admin made. Whether that went well."""
    again = ["rollback", "begin", *(one.text for number, one in enumerate(before) if number not in helped)]
    return all(_executed(connection, one) is None for one in again)


def _is_as_it_should(connection: "Connection", migration: Migration) -> bool:
    """Whether the transaction still is as the runner began it."""
    from psycopg.pq import TransactionStatus

    wanted = TransactionStatus.INTRANS if migration.up.transaction else TransactionStatus.IDLE
    return connection.info.transaction_status == wanted


def _rule(error: "Error") -> tuple[str, str]:
    """The rule a refusal falls under, and what the server said."""
    said = message(error)
    if schema := portable.missing_schema(said):
        return "provider-function", f"{schema} ({said})"
    if extension := portable.missing_extension(said):
        if extension in names.EXTENSIONS:
            return "not-checked", f"this machine's Postgres has no extension {extension}"
        return "extension", f"extension {extension}"
    if tablespace := portable.missing_tablespace(said):
        return "tablespace", f"tablespace {tablespace}"
    return ("needs-superuser" if error.sqlstate == _NO_RIGHT else "does-not-apply"), said


def _inside(error: "Error", statement: Statement) -> int:
    """How far into the statement the server met it."""
    position = int(error.diag.statement_position or 1) - 1
    return position if position <= len(statement.text) else 0
