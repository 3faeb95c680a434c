"""The one error of a database URL that can't be read."""

from infraops_core.errors import UserError

_HINT = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=require"
_WHERE = "database URL"


def refused(what: str) -> UserError:
    """`what` is wrong; it holds nothing of a password, nor of a text that may be one."""
    return UserError(what, where=_WHERE, next=f"write it as {_HINT}")


def told(error: UserError) -> str:
    """What is wrong with a URL, for a list of mistakes; with the place where that is in a file that it names, as a service's."""
    return error.what if error.where == _WHERE else f"{error.what} ({error.where})"
