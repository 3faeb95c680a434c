"""All migrations as one script for psql: `audit-schema/postgres.sql`, for those who have neither Pulumi nor this project.

Made anew by: python -m infraops_core.migrations.one_file > audit-schema/postgres.sql
"""

import sys
from collections.abc import Sequence

from infraops_core import checkout
from infraops_core.migrations import files
from infraops_core.migrations.files import Block, Migration
from infraops_core.migrations.ledger import DDL, LOCK_KEY

_HEAD = """\
-- The audit schema in one file. As the database's owner: psql --file audit-schema/postgres.sql "$DIRECT_DATABASE_URL"
-- It applies what the database lacks{whole}, and keeps the same ledger as the migrations' runner.
-- Made from audit-schema/migrations by: python -m infraops_core.migrations.one_file > audit-schema/postgres.sql

\\set ON_ERROR_STOP on
set client_min_messages = warning;
-- Tried again and again, for a session that waits for a lock would be waited for by the runner's CREATE INDEX CONCURRENTLY.
do $$
begin
    for try in 1..300 loop
        if pg_try_advisory_lock({key}) then return; end if;
        commit;
        perform pg_sleep(0.2);
    end loop;
    raise 'another runner has been applying migrations for more than 60 s';
end
$$;
begin;
select to_regclass('public.schema_migrations_under_way') is null as infraops_bare \\gset
\\if :infraops_bare
{ddl}
\\endif
do $$
declare
    found text;
begin
    select string_agg(version, ', ') into found from public.schema_migrations_under_way;
    if found is not null then
        raise 'interrupted: migration %', found using hint = 'infraops migrate status says more';
    end if;
    select string_agg(version, ', ' order by version) into found from public.schema_migrations
    join (values {checksums}) as file (version, checksum) using (version)
    where schema_migrations.checksum <> file.checksum;
    if found is not null then
        raise 'changed after it was applied: migration %', found using hint = 'infraops migrate verify says more';
    end if;
end
$$;
"""

_ONE = """
-- {name}
select not exists (select from public.schema_migrations where version = '{version}') as infraops_missing,
       clock_timestamp() as infraops_began \\gset
\\if :infraops_missing
{settings}
{body}
insert into public.schema_migrations (version, checksum, milliseconds)
values ('{version}', '{checksum}', round(1000 * extract(epoch from clock_timestamp() - :'infraops_began'::timestamptz)::numeric, 1));
{end}\\endif
"""

# The settings that the runner gives every migration, whatever the one before SET.
_SETTINGS = (
    "reset session authorization; reset role; reset all; set client_encoding = 'UTF8'; set client_min_messages = warning; "
    "set standard_conforming_strings = on; set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; "
    "set lock_timeout = '60s';"
)

_CLEAR = "delete from public.schema_migrations_under_way where version = '{version}';\n"
_BEGUN = """\
insert into public.schema_migrations_under_way (version, direction, statement, statements, checksum)
values ('{version}', 'up', 1, {statements}, '{checksum}');"""
_NOTE = "update public.schema_migrations_under_way set statement = {number}, checksum = '{checksum}' where version = '{version}';"

_TAIL = """
{settings}
do $$
begin
    -- Roles made after the schema get their grants now.
    if to_regprocedure('infraops_audit.grant_to_roles()') is not null then
        perform infraops_audit.grant_to_roles();
    end if;
end
$$;
commit;
"""


def render(migrations: Sequence[Migration]) -> str:
    """The script; psql, unlike a plain SQL client, can skip what the ledger has."""
    whole = ", all of it or nothing" if all(migration.up.transaction for migration in migrations) else ""
    checksums = ",\n        ".join(f"('{migration.version}', '{migration.checksum}')" for migration in migrations)
    ddl = "\n".join(f"{statement};" for statement in DDL)
    head = _HEAD.format(whole=whole, key=LOCK_KEY, ddl=ddl, checksums=checksums)
    return "".join([head, *map(_one, migrations), _TAIL.format(settings=_SETTINGS)])


def _one(migration: Migration) -> str:
    in_transaction = migration.up.transaction
    return _ONE.format(
        name=migration.path.name,
        version=migration.version,
        settings=_SETTINGS,
        checksum=migration.checksum,
        body=f"\n{_ended(migration.up.sql.strip())}\n" if in_transaction else _alone(migration.version, migration.up),
        end="" if in_transaction else _CLEAR.format(version=migration.version),
    )


def _ended(statements: str) -> str:
    """The last statement of a file needs no semicolon, but here another one follows it."""
    return statements if statements.endswith(";") else f"{statements}\n;"


def _alone(version: str, block: Block) -> str:
    """The statements of a migration without a transaction, outside the script's; what came before it is committed."""
    lines = [_BEGUN.format(version=version, statements=len(block.statements), checksum=block.checksum(0)), "commit;"]
    for number, statement in enumerate(block.statements, start=1):
        if number > 1:
            lines.append(_NOTE.format(number=number, checksum=block.checksum(number - 1), version=version))
        lines.append(f"{statement.text}\n;")
    return "\n".join([*lines, "begin;"])


if __name__ == "__main__":
    sys.stdout.write(render(files.read(checkout.AUDIT_SCHEMA / "migrations")))
