"""A stack's outputs as environment variables, in the form a shell, a dotenv file or a program reads."""

import json
import re
import shlex
from enum import StrEnum
from typing import Any

APPLICATION = ("DATABASE_PROVIDER", "DATABASE_URL", "DATABASE_SSL_MODE", "ENABLE_HOSTED_AUDIT_WRITES")
DIRECT = ("DIRECT_DATABASE_URL",)
READONLY = ("READONLY_DATABASE_URL",)
ADMIN = ("ADMIN_DATABASE_URL", "ADMIN_DATABASE_SECRET")


class Format(StrEnum):
    """Forms of the output."""

    SHELL = "shell"
    DOTENV = "dotenv"
    JSON = "json"


def select(outputs: dict[str, Any], *, direct: bool = False, readonly: bool = False, admin: bool = False) -> dict[str, str]:
    """The variables asked for that the stack has; an application gets no more than its own."""
    names = APPLICATION + (DIRECT if direct else ()) + (READONLY if readonly else ()) + (ADMIN if admin else ())
    return {name: str(outputs[name]) for name in names if name in outputs}


def render(variables: dict[str, str], form: Format) -> str:
    """The variables in one form, a line each (JSON: one object)."""
    if form is Format.JSON:
        return json.dumps(variables, indent=2)
    if form is Format.DOTENV:
        return "\n".join(f'{name}="{_escaped(value)}"' for name, value in variables.items())
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())


def _escaped(value: str) -> str:
    """For double quotes, in which a shell that reads the file would expand these."""
    return re.sub(r'[\\"$`]', r"\\\g<0>", value)
