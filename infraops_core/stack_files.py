"""Stack files on disk: which there are, and what one says."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from infraops_core.errors import UserError
from infraops_core.settings import Settings, parse

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def read(folder: Path, stack: str) -> Settings:
    """The settings in `folder`'s file for `stack`.

    :raises UserError: when there is no such file, it is no YAML mapping, or its settings are wrong.
    """
    return parse(stack, _config(folder, stack))


def _config(folder: Path, stack: str) -> Mapping[str, Any]:
    if not _NAME.fullmatch(stack):
        raise UserError(
            f"{stack!r} is no name for a stack: letters, digits, _ . and -, at most 100",
            next=f"take one of {', '.join(known(folder)) or 'none yet'}",
        )
    path = folder / f"Pulumi.{stack}.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"there is no stack {stack}: {path.name} does not exist",
            where=str(folder),
            next=f"take one of {', '.join(known(folder)) or 'none yet'}, or write {path.name} (docs/settings.md)",
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise UserError(
            f"{path.name} is not YAML: {getattr(error, 'problem', None) or 'not UTF-8'}",
            where=f"{path.name}:{mark.line + 1}" if mark else path.name,
            next=f"fix the file, then: pulumi preview --stack {stack}",
        ) from None
    config = (content or {}).get("config") if isinstance(content or {}, dict) else content
    if config is not None and not isinstance(config, dict):
        raise UserError(f"{path.name} has no mapping under config:", where=path.name, next="see docs/settings.md")
    return {str(key): value for key, value in (config or {}).items()}


def known(folder: Path) -> list[str]:
    """The stacks that have a file in `folder`, by name."""
    return sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in folder.glob("Pulumi.*.yaml"))
