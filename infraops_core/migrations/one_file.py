"""All migrations as one script for psql: `audit-schema/postgres.sql`, for those who have neither Pulumi nor this project.

Made anew by: python -m infraops_core.migrations.one_file > audit-schema/postgres.sql
"""

import sys
from collections.abc import Sequence

from infraops_core import checkout
from infraops_core.migrations import files
from infraops_core.migrations.files import Migration
from infraops_core.migrations.runner import LEDGER, LOCK_KEY

_HEAD = f"""\
-- The audit schema in one file. As the database's owner: psql --file audit-schema/postgres.sql "$DIRECT_DATABASE_URL"
-- It applies what the database lacks, all of it or nothing, and keeps the same ledger as the migrations' runner.
-- Made from audit-schema/migrations by: python -m infraops_core.migrations.one_file > audit-schema/postgres.sql

\\set ON_ERROR_STOP on
begin;
set local client_min_messages = warning;
set local lock_timeout = '60s';
do $$ begin perform pg_advisory_xact_lock({LOCK_KEY}); end $$;
{LEDGER};
"""

_ONE = """
-- {name}
select not exists (select from public.schema_migrations where version = '{version}') as missing \\gset
\\if :missing

{up}

insert into public.schema_migrations (version) values ('{version}');
\\endif
"""


def render(migrations: Sequence[Migration]) -> str:
    """The script; psql, unlike a plain SQL client, can skip what the ledger has."""
    parts = [_ONE.format(name=migration.path.name, version=migration.version, up=_ended(migration.up.strip())) for migration in migrations]
    return "".join([_HEAD, *parts, "\ncommit;\n"])


def _ended(statements: str) -> str:
    """The last statement of a file needs no semicolon, but here another one follows it."""
    return statements if statements.endswith(";") else f"{statements}\n;"


if __name__ == "__main__":
    sys.stdout.write(render(files.read(checkout.AUDIT_SCHEMA / "migrations")))
