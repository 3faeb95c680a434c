"""What a database's catalogs say against our rules: one query, asked after every statement.

Postgres' own objects and those of extensions are left out, for an extension is judged by its name.
"""

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

from infraops_core.providers import names

if TYPE_CHECKING:
    from psycopg import Connection

Violation = tuple[str, str]
"""A rule, and the object that breaks it as a reader would name it."""

_RELATIONS = """
relation as (
    select c.*, format('%I.%I', n.nspname, c.relname) as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname <> 'information_schema' and n.nspname !~ '^pg_' and not exists (
        select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
)
"""
_COLUMNS = """
-- The type a column's values are made of: an array's elements, else its own. A domain is a type of its own.
usage as (
    select format('column %s.%I', r.name, a.attname) as name, r.relkind, a.attidentity, a.attcollation, t.oid as type_oid,
        format('%I.%I', tn.nspname, t.typname) as type_name, tn.nspname as type_schema,
        exists (select from pg_depend d where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e') as is_extensions
    from relation r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    join pg_type s on s.oid = a.atttypid
    join pg_type t on t.oid = case when s.typcategory = 'A' and s.typelem <> 0 then s.typelem else s.oid end
    join pg_namespace tn on tn.oid = t.typnamespace
    where r.relkind in ('r', 'p', 'm', 'f', 'c')
)
"""
_ROUTINES = r"""
routine as (
    select p.*, format('function %I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) as name,
        replace(regexp_replace(regexp_replace(p.prosrc, '/\*.*?\*/', '', 'g'), '--[^\n]*', '', 'g'), '"', '') as body
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname <> 'information_schema' and n.nspname !~ '^pg_' and not exists (
        select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
)
"""
_PARTS: Mapping[str, str] = {
    "extension": "select format('extension %I', extname) from pg_extension where extname <> all (:extensions)",
    "primary-key": """
        select format('table %s', r.name) from relation r where r.relkind in ('r', 'p') and not r.relispartition
            and not exists (select from pg_index i where i.indrelid = r.oid and i.indisprimary)""",
    "extension-type": "select format('%s is of type %s', name, type_name) from usage where is_extensions and type_schema <> 'pg_catalog'",
    "own-type": "select format('%s is of type %s', name, type_name) from usage where not is_extensions and type_schema <> 'pg_catalog'",
    "unlogged-table": "select format('table %s', name) from relation where relkind in ('r', 'p') and relpersistence = 'u'",
    "forced-row-security": "select format('table %s', name) from relation where relforcerowsecurity",
    "identity-always": "select name from usage where attidentity = 'a'",
    "large-object": """
        select format('%s is of type oid', name) from usage where type_oid = 'oid'::regtype and relkind <> 'c'
        union all select format('large object %s', oid) from pg_largeobject_metadata""",
    "foreign-server": """
        select format('server %I', srvname) from pg_foreign_server
        union all select format('foreign table %s', name) from relation where relkind = 'f'""",
    "definer-search-path": """
        select name from routine where prosecdef
            and not exists (select from unnest(proconfig) as setting where starts_with(setting, 'search_path='))""",
    "definer-public": """
        select name from routine r where prosecdef and exists (
            select from aclexplode(coalesce(r.proacl, acldefault('f', r.proowner))) where grantee = 0)""",
    "definer-app": """
        select name from routine r join pg_roles app on app.rolname = :app
        where prosecdef and has_function_privilege(app.oid, r.oid, 'execute') and not exists (
            select from aclexplode(coalesce(r.proacl, acldefault('f', r.proowner))) where grantee = 0)""",
    "collation": """
        select format('%s has collation %I', u.name, c.collname) from usage u join bad_collation c on c.oid = u.attcollation
        union all
        select format('index %s has collation %I', r.name, c.collname) from relation r join pg_index i on i.indexrelid = r.oid
            join bad_collation c on c.oid = any (i.indcollation)
        union all
        select format('collation %I', collname) from bad_collation where collnamespace <> 'pg_catalog'::regnamespace""",
    "publication": "select format('publication %I', pubname) from pg_publication",
    "database-setting": """
        select format('%s of %s', setting, coalesce(d.datname, 'every database') || coalesce(' for ' || r.rolname, ''))
        from pg_db_role_setting s cross join unnest(s.setconfig) as setting
        left join pg_database d on d.oid = s.setdatabase left join pg_roles r on r.oid = s.setrole
        where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))""",
    "provider-function": """
        select distinct format('%s uses %s', r.name, used[1]) from routine r
        cross join regexp_matches(lower(r.body), '\\m([a-z_][a-z0-9_]*)\\.[a-z_][a-z0-9_]*\\s*\\(', 'g') as used
        where used[1] = any (:schemas) and not exists (select from pg_namespace n where n.nspname = used[1])""",
}
_BAD_COLLATIONS = """
bad_collation as (
    select * from pg_collation where not (collnamespace = 'pg_catalog'::regnamespace and collname in ('default', 'C', 'POSIX', 'ucs_basic'))
)
"""


def violations(connection: "Connection", *, app: str) -> set[Violation]:
    """All that now breaks a rule, in the database of this connection.

    :param app: the name of the app's role.
    """
    return {(rule, subject) for rule, subject in connection.execute(_query(app))}


@functools.cache
def _query(app: str) -> bytes:
    """The parts as one query, with our lists written into it: psycopg would take format's %I for a place of its own."""
    parts = [f"select '{rule}', subject from ({part}) as found (subject)" for rule, part in _PARTS.items()]  # noqa: S608 - our own words
    query = f"with {_RELATIONS}, {_COLUMNS}, {_ROUTINES}, {_BAD_COLLATIONS}" + " union all ".join(parts)
    for name, literal in {"extensions": _array(names.EXTENSIONS), "schemas": _array(names.SCHEMAS), "app": f"'{app}'"}.items():
        query = query.replace(f":{name}", literal)
    return query.encode()


def _array(names: frozenset[str]) -> str:
    literals = ", ".join(f"'{name}'" for name in sorted(names))
    return f"array[{literals}]"
