"""Options and arguments, read without loading what reading most of them does not need.

Typer has pydantic turn what was typed into its type, and loading pydantic takes a tenth of a second. A text that is to be
a text needs no turning, and neither does an option that was not given.
"""

from collections.abc import Iterable
from typing import Any

import typer
from typer.core import TyperGroup


class Group(TyperGroup):
    """A group of commands that load pydantic only where there is something to turn."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]  # typer keeps its own copy of click to itself
        """The group's own options."""
        return _quick(super().get_params(ctx))

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """The command of that name, or None."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _quick(command.get_params(ctx))
        return command


class _WhereNeeded:
    def coerce(self, value: Any, param: Any, ctx: typer.Context) -> Any:
        """What typer makes of `value`, without asking it where that is known."""
        takes_one = param.nargs == 1 and not param.multiple
        if takes_one and (value is None or (type(value) is str and param.type_descriptor.annotation is str)):
            return value
        vars(param)["_runtime_param"] = None
        return param.get_runtime_param().coerce(value, param=param, ctx=ctx)


def _quick(parameters: Iterable[Any]) -> list[Any]:
    """The same, each with our way to read it; a typer that has no such private name reads them in its own way."""
    found = list(parameters)
    for parameter in found:
        if "_runtime_param" in vars(parameter) and vars(parameter)["_runtime_param"] is None:
            vars(parameter)["_runtime_param"] = _WhereNeeded()
    return found
