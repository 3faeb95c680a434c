"""Indexes built or rebuilt CONCURRENTLY: what an interrupted build left behind.

PostgreSQL documentation, CREATE INDEX, "Building Indexes Concurrently": a build that fails leaves an index that is
invalid: it costs every write and answers no query, and CREATE INDEX CONCURRENTLY IF NOT EXISTS takes it for good.
"""

import re
from dataclasses import dataclass

from infraops_core.migrations.statements import Statement, tokens
from infraops_core.migrations.transport import Transport

# By its name alone where the table is not found: a search_path that the migration SET is not that of whoever looks later.
_NAMED = """
select quote_ident(n.nspname) || '.' || quote_ident(c.relname), i.indisvalid
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
where c.relname = $1 and (i.indrelid = to_regclass($2) or to_regclass($2) is null and not i.indisvalid)
"""
_REBUILT = r"""
select quote_ident(n.nspname) || '.' || quote_ident(c.relname), i.indisvalid
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
where not i.indisvalid and c.relkind = 'i' and c.relname ~ '_cc(new|old)[0-9]*$' and n.nspname <> 'pg_toast'
"""
_NAME = r'(?:"(?:[^"]|"")*"|[^ "(]+)'
_BUILD = re.compile(
    rf"create (?:unique )?index concurrently (?:if not exists )?(?:(?P<name>(?!on ){_NAME}) )?on (?:only )?"
    rf"(?P<table>{_NAME}(?: \. {_NAME})*)"
)


@dataclass(frozen=True)
class Build:
    """CREATE INDEX CONCURRENTLY of `name`, which is empty where the statement leaves it to Postgres; or a REINDEX."""

    name: str
    table: str
    is_rebuild: bool


def build(statement: Statement) -> Build | None:
    """What the statement builds CONCURRENTLY, or None."""
    words = " ".join(tokens(statement.text, limit=40))
    if re.match(r"reindex\b.* concurrently ", words):
        return Build("", "", is_rebuild=True)
    found = _BUILD.match(words)
    return Build(_plain(found["name"] or ""), found["table"].replace(" . ", "."), is_rebuild=False) if found else None


def left(transport: Transport, what: Build) -> dict[str, bool]:
    """The indexes of that build that are there: quoted name to whether it is valid."""
    if what.is_rebuild:
        return dict(transport.run(_REBUILT))
    return dict(transport.run(_NAMED, [what.name, what.table]))


def invalid(transport: Transport, statement: Statement) -> list[str]:
    """The indexes, by quoted name, that the statement left behind invalid."""
    what = build(statement)
    return [name for name, is_valid in left(transport, what).items() if not is_valid] if what else []


def _plain(name: str) -> str:
    """A name as the catalog has it."""
    return re.sub('""', '"', name[1:-1]) if name.startswith('"') else name
