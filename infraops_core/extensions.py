"""Extensions that a stack asks for: refused where the server has none of that name, made in the database otherwise.

One that is no longer asked for stays: dropping it would drop every column of its types.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from infraops_core.access import Access, message
from infraops_core.errors import UserError

if TYPE_CHECKING:
    from psycopg import Connection

_NEXT = "take it out of infraops:extensions, or have it installed on the server"


def check(connection: "Connection", access: Access, names: Sequence[str]) -> None:
    """Refuse names that the server has no extension of, before anything is changed.

    :raises UserError: naming all of them.
    """
    if names:
        offered = connection.execute("select name::text from pg_available_extensions where name = any(%s)", [list(names)]).fetchall()
        refuse(names, {name for (name,) in offered}, access.endpoint)


def check_installed(folder: Path, names: Sequence[str]) -> None:
    """As `check`, for a server that is not there yet, by the control files of the programs in `folder`.

    Source: PostgreSQL documentation, "Packaging Related Objects into an Extension", section "Extension Files".

    :param folder: `SHAREDIR/extension`; where there is none, nothing is known and nothing refused.
    """
    if names and folder.is_dir():
        refuse(names, {path.stem for path in folder.glob("*.control")}, str(folder))


def refuse(names: Iterable[str], offered: set[str], where: str) -> None:
    """Refuse those of `names` that are not among the `offered` ones.

    :raises UserError: naming all of them.
    """
    if missing := [name for name in names if name not in offered]:
        what = f"extensions {', '.join(missing)}" if len(missing) > 1 else f"extension {missing[0]}"
        raise UserError(
            f"the server has no {what}; nothing was changed", where=f"infraops:extensions, {where}", next=f"{_NEXT}; then: pulumi up"
        )


def enable(connection: "Connection", access: Access, names: Sequence[str]) -> None:
    """Make them in the database of `connection`, with what they need in turn; those that are there stay as they are.

    :raises UserError: for one that the admin may not make, or that fails.
    """
    import psycopg
    from psycopg import sql

    have = {name for (name,) in connection.execute("select extname::text from pg_extension").fetchall()}
    for name in names:
        if name in have:
            continue
        try:
            connection.execute(sql.SQL("create extension if not exists {} cascade").format(sql.Identifier(name)))
        except psycopg.Error as error:
            raise UserError(
                f"extension {name} could not be made: {message(error)}",
                where=f"{access.endpoint} as {access.url.user}",
                next=f"make it by a role that may (create extension {name}), or take it out of infraops:extensions; then: pulumi up",
            ) from None
        print(f"Extension {name}")
