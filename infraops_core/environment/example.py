"""`.env.example`: the same table as a file to copy and fill in."""

import textwrap

from infraops_core.environment.variables import VARIABLES, Variable

_HEAD = """\
# What an application needs to use a stack's database. `infraops env STACK --format dotenv` prints it filled in.
# Made by: python -m infraops_core.environment > .env.example
"""
_WIDTH = 120


def text() -> str:
    """The file; what an application does not need is commented out."""
    return "\n".join([_HEAD, *map(_entry, VARIABLES)])


def _entry(variable: Variable) -> str:
    first = f"{variable.meaning[0].upper()}{variable.meaning[1:]}. Without it: {variable.without}."
    other = f" Its other name is {variable.alias}." if variable.alias else ""
    told = textwrap.wrap(f"{first}{other}".replace("`", ""), _WIDTH, initial_indent="# ", subsequent_indent="# ")
    line = f'{variable.name}="{variable.example}"'
    return "\n".join([*told, line if variable.application else f"# {line}", ""])
