"""Take out of a database everything its owner made, for a dev database that begins anew."""

from collections import Counter

from infraops_core.access import Access
from infraops_core.errors import UserError
from infraops_core.migrations import lock, over_psycopg, refusals
from infraops_core.migrations.transport import ServerError, Transport

_SECONDS = 300

# What the owner owns in this database, as the catalog of owners has it (PostgreSQL documentation, "pg_shdepend"): schemas
# first, for they take most of the rest along. What belongs to something else of it goes with that. No statement drops
# default privileges by themselves, and a user mapping only gives the owner a name elsewhere.
_OWNED = """
select case o.type when 'statistics object' then 'statistics' else o.type end, o.identity
from pg_shdepend d, pg_identify_object(d.classid, d.objid, 0) o
where d.deptype = 'o' and d.refclassid = 'pg_authid'::regclass and d.refobjid = current_user::regrole
    and d.dbid = (select oid from pg_database where datname = current_database())
    and o.type not in ('default acl', 'user mapping', 'subscription') and o.identity is not null
    and not (o.type = 'schema' and o.identity = 'public')  -- every database has it; what is in it goes one by one
    and not exists (select from pg_depend i where i.classid = d.classid and i.objid = d.objid and i.deptype in ('i', 'e')
        and i.refobjid <> d.objid)  -- a partitioned table belongs to itself, by the columns of its key
order by o.type <> 'schema', d.objid
"""


def reset(access: Access) -> list[str]:
    """Drop it all, the ledger too, in one transaction; how many of each kind went, for a reader: `4 tables`.

    What others own stays, and so do extensions that others made. No migration runs meanwhile.

    :param access: the owner's, direct; whoever calls has made sure that nothing in there is wanted.
    :raises UserError: for a pooled URL, another runner at work, and when the server can't be worked with or refuses.
    """
    with refusals.explained(access), over_psycopg.opened(access, seconds=_SECONDS) as transport:
        lock.hold(transport, access)
        transaction = transport.begin(afresh=True)
        try:
            dropped = _drop(transport, transaction)
            transport.commit(transaction)
        except ServerError as error:
            if error.is_lost and not error.sqlstate:
                raise
            raise UserError(f"the database was not reset: {error.message}", where=f"{access.endpoint} as {access.url.user}",
                            next="see that nobody else works in it, then run it again") from None  # fmt: skip
    return dropped


def _drop(transport: Transport, transaction: str) -> list[str]:
    owned = transport.run(_OWNED, within=transaction)
    for kind, identity in owned:
        if kind == "large object":
            transport.run("select lo_unlink($1::oid)", [identity], within=transaction)
        else:
            transport.run(f"drop {kind} if exists {identity} cascade", within=transaction)
    return [f"{number} {kind if number == 1 else _several(kind)}" for kind, number in Counter(kind for kind, _ in owned).items()]


def _several(kind: str) -> str:
    if kind.endswith("s"):
        return kind
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
