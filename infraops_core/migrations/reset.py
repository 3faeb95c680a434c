"""Take out of a database everything its owner made, for a dev database that begins anew."""

from typing import TYPE_CHECKING

from infraops_core.access import Access
from infraops_core.errors import UserError

if TYPE_CHECKING:
    from psycopg import Connection

_SECONDS = 120

# What extensions brought stays, and so does what others own.
_SCHEMAS = "select format('drop schema %I cascade', nspname) from pg_namespace where nspowner = current_user::regrole and nspname <> 'public'"
_IN_PUBLIC = """
select format('drop %s if exists public.%s cascade', kind, name) from (
    select case relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' when 'f' then 'foreign table'
           else 'table' end as kind, quote_ident(relname) as name, oid, 'pg_class'::regclass as class, 1 as turn
    from pg_class where relnamespace = 'public'::regnamespace and relowner = current_user::regrole and relkind in ('r', 'p', 'v', 'm', 'S', 'f')
    union all
    select 'routine', quote_ident(proname) || '(' || pg_get_function_identity_arguments(oid) || ')', oid, 'pg_proc'::regclass, 2
    from pg_proc where pronamespace = 'public'::regnamespace and proowner = current_user::regrole
    union all
    select case typtype when 'd' then 'domain' else 'type' end, quote_ident(typname), oid, 'pg_type'::regclass, 3
    from pg_type where typnamespace = 'public'::regnamespace and typowner = current_user::regrole
        and (typtype in ('e', 'd', 'r') or typtype = 'c' and exists (select from pg_class where oid = typrelid and relkind = 'c'))
) made
where not exists (select from pg_depend d where d.classid = made.class and d.objid = made.oid and d.deptype = 'e')
order by turn, name
"""


def reset(access: Access) -> int:
    """Drop it all, the ledger too, in one transaction; how many objects were named.

    :param access: the owner's, direct; whoever calls has made sure that nothing in there is wanted.
    :raises UserError: when the server can't be worked with or refuses.
    """
    import psycopg

    try:
        with access.connect(seconds=_SECONDS) as connection, connection.transaction():
            connection.execute("set local lock_timeout = '10s'")
            return _drop(connection, _SCHEMAS) + _drop(connection, _IN_PUBLIC)
    except psycopg.Error as error:
        said = error.diag.message_primary or " ".join(str(error).split())
        raise UserError(f"the database was not reset: {said}", where=f"{access.endpoint} as {access.url.user}",
                        next="see that nobody else works in it, and run it again") from None  # fmt: skip


def _drop(connection: "Connection", statements: str) -> int:
    found = connection.execute(statements.encode()).fetchall()
    for (statement,) in found:
        connection.execute(statement.encode())
    return len(found)
