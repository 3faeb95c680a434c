"""Roles of our names that are on a server already, before a stack makes its own: whose they may be.

Roles belong to the server, and not to a database of it: a stack that gives them new passwords shuts out who used the old ones,
in whatever database. Sources: PostgreSQL documentation, "pg_shdepend"; "Role Attributes" for who may alter a role.
"""

from typing import TYPE_CHECKING, Any

from infraops_core.external.refusals import in_sql
from infraops_core.roles import APP, OWNER, READONLY
from infraops_core.settings.external import ADMIN_URL

if TYPE_CHECKING:
    from psycopg import Connection

_ROLES = """
select r.rolname::text,
    a.rolsuper or current_setting('server_version_num')::integer < 160000 or pg_has_role(r.oid, 'member with admin option')
from pg_roles r, pg_roles a where r.rolname = any(%s) and a.rolname = current_user order by array_position(%s, r.rolname::text)
"""
_OWNED_ELSEWHERE = """
select string_agg(distinct d.datname, ', ') from pg_shdepend s join pg_roles r on r.oid = s.refobjid join pg_database d on d.oid = s.dbid
where s.refclassid = 'pg_authid'::regclass and s.deptype = 'o' and r.rolname = %s and d.datname <> current_database()
"""


def problem(connection: "Connection", admin: str, stack: str) -> tuple[str, str]:
    """Why a stack that is new here must not have the roles that are there, and what to do; empty where it may.

    Those that it takes over, as after `down`, are warned of.
    """
    ours = [OWNER, APP, READONLY]
    there: list[Any] = connection.execute(_ROLES, [ours, ours]).fetchall()
    names = ", ".join(name for name, _ in there)
    if closed := next((name for name, may_alter in there if not may_alter), ""):
        remedy = f"as who made it: grant {names} to {in_sql(admin)} with admin option; or infraops secret set {stack} {ADMIN_URL}"
        return f"{closed} is there already, and {admin} may not alter it", remedy
    row: Any = connection.execute(_OWNED_ELSEWHERE, [OWNER]).fetchone()
    if row[0]:
        return (
            f"{OWNER} is there already, and what it owns in database {row[0]} is another stack's, which new passwords would shut out",
            f"take another server, or infraops:roles: given with that stack's URLs; if it is gone, there: reassign owned by {OWNER} to "
            f"{in_sql(admin)}",
        )
    if there:
        print(f"warning: there already, and given new passwords: {names}; who uses the old ones is shut out")
    return "", ""
