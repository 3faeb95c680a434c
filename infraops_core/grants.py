"""Rights of `app` and `readonly` on schemas that are not the audit trail's, brought to what the stack says.

In each schema that is or was named, the role has what its grant says on tables and sequences, those to come included,
and nothing else. Schemas that never were named are left alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from infraops_core.access import Access, message
from infraops_core.errors import UserError
from infraops_core.settings.grants import Grant

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.sql import Composable, Composed

# Who makes objects in a schema: the owners of those there are, and the schema's own. Nobody logs in as a predefined role.
_MAKERS = """
select o.rolname::text, pg_has_role(o.oid, 'usage') from (
    select nspowner as oid from pg_namespace where nspname = %(schema)s
    union select c.relowner from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = %(schema)s and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union select d.defaclrole from pg_default_acl d join pg_namespace n on n.oid = d.defaclnamespace where n.nspname = %(schema)s
    union select oid from pg_roles where rolname = %(owner)s
) maker join pg_roles o using (oid) where o.rolname !~ '^pg_' order by 1
"""


# What a role has something on, be it on a column: what it has nothing on may be a stranger's, and need not be touched.
_HELD = """
select relname::text from pg_class c
where relnamespace = to_regnamespace(quote_ident(%(schema)s)) and (relkind = 'S') = %(sequences)s
    and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    and exists (
        select from aclexplode(relacl) a where a.grantee = to_regrole(quote_ident(%(role)s))
        union all select from pg_attribute t, aclexplode(t.attacl) a
            where t.attrelid = c.oid and a.grantee = to_regrole(quote_ident(%(role)s)))
order by 1
"""

# The migrations' own tables, of which no schema grant is to be one.
_LEDGER = """
select relname::text from pg_class where relnamespace = 'public'::regnamespace and pg_get_userbyid(relowner) = %s
    and relname in ('schema_migrations', 'schema_migrations_under_way')
"""


def bring(
    connection: "Connection", access: Access, wanted: Sequence[Grant], before: Sequence[Grant], *, roles: Mapping[str, str], owner: str,
    makes_schemas: bool,
) -> None:  # fmt: skip
    """Give what is `wanted` and take back what was granted `before` and is wanted no more, all of it or nothing.

    :param connection: the admin's, in the database.
    :param roles: the names of `app` and `readonly` on the server.
    :param owner: who runs migrations: what it makes in a schema later is granted as well.
    :param makes_schemas: whether a schema that is not there is made, for `owner`; else it is refused.
    :raises UserError: naming the schema, and what the server refused.
    """
    import psycopg

    with connection.transaction():
        for role, schema in dict.fromkeys((grant.role, grant.schema) for grant in (*before, *wanted)):
            grant = next((one for one in wanted if (one.role, one.schema) == (role, schema)), None)
            try:
                _bring(connection, access, grant, schema, role=roles[role], owner=owner, makes_schemas=makes_schemas)
            except psycopg.Error as error:
                way_out = "take the grant out" if grant else "have their owners revoke it"
                raise UserError(
                    f"the rights of {role} on schema {schema} could not be set: {message(error)}",
                    where=f"infraops:grants, {access.endpoint} as {access.url.user}",
                    next=f"let {access.url.user} do it (grant the owners' roles to it), or {way_out}; then: pulumi up",
                ) from None


def _bring(
    connection: "Connection", access: Access, grant: Grant | None, schema: str, *, role: str, owner: str, makes_schemas: bool
) -> None:
    from psycopg import sql

    exists = connection.execute("select from pg_namespace where nspname = %s", [schema]).fetchone() is not None
    if not exists and grant is None:
        return
    names: dict[str, Composable] = {"schema": sql.Identifier(schema), "role": sql.Identifier(role), "owner": sql.Identifier(owner)}
    if not exists:
        if not makes_schemas:
            raise UserError(f"there is no schema {schema}", where=f"infraops:grants, {access.endpoint}",
                            next=f"make it (create schema {schema}), or mend the grant; then: pulumi up")  # fmt: skip
        connection.execute(sql.SQL("create schema {schema} authorization {owner}").format(**names))
        print(f"Schema    {schema}")
    makers = connection.execute(_MAKERS, {"schema": schema, "owner": owner}).fetchall()
    for statement in _revokes(connection, schema, role):
        connection.execute(statement)
    for statement in _statements(grant, names, [maker for maker, may in makers if may]):
        connection.execute(statement)
    if schema == "public":
        for (table,) in connection.execute(_LEDGER, [owner]).fetchall():
            connection.execute(sql.SQL("revoke all on public.{table} from {role}").format(table=sql.Identifier(table), **names))
    if grant is not None:
        said = [f"{', '.join(grant.tables)} on tables"] * bool(grant.tables) + ["usage on sequences"] * bool(grant.sequences)
        others = [maker for maker, may in makers if not may]
        note = f"; not on what {', '.join(others)} will make, for whom {access.url.user} may not speak" if others else ""
        print(f"Grant     {grant.role} in schema {schema}: {', '.join(said)}{note}")


def _revokes(connection: "Connection", schema: str, role: str) -> "Iterator[Composed]":
    """Take from the role what it has on what is there."""
    from psycopg import sql

    for kind in ("table", "sequence"):
        held = connection.execute(_HELD, {"schema": schema, "role": role, "sequences": kind == "sequence"}).fetchall()
        if held:
            names = sql.SQL(", ").join(sql.Identifier(schema, name) for (name,) in held)
            yield sql.SQL("revoke all on {kind} {names} from {role}").format(kind=sql.SQL(kind), names=names, role=sql.Identifier(role))


def _statements(grant: Grant | None, names: "Mapping[str, Composable]", makers: Sequence[str]) -> "Iterator[Composed]":
    """Take the rest away, then give what is wanted: nobody sees the state between, for it is one transaction."""
    from psycopg import sql

    wanted = {"tables": grant.tables, "sequences": grant.sequences} if grant else {"tables": (), "sequences": ()}
    yield sql.SQL("revoke all on schema {schema} from {role}").format(**names)
    if grant is not None:
        yield sql.SQL("grant usage on schema {schema} to {role}").format(**names)
    for kind, privileges in wanted.items():
        words = {"kind": sql.SQL(kind), "privileges": sql.SQL(", ").join(map(sql.SQL, privileges)), **names}
        if privileges:
            yield sql.SQL("grant {privileges} on all {kind} in schema {schema} to {role}").format(**words)
        for maker in map(sql.Identifier, makers):
            default = sql.SQL("alter default privileges for role {maker} in schema {schema} ").format(maker=maker, **names)
            yield default + sql.SQL("revoke all on {kind} from {role}").format(**words)
            if privileges:
                yield default + sql.SQL("grant {privileges} on {kind} to {role}").format(**words)
