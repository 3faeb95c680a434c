"""Stack files on disk: which there are, and what one says."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from infraops_core.errors import UserError
from infraops_core.settings import NAMESPACE, Settings, parse

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_TAG = "tag:yaml.org,2002:"


class _AsWritten(yaml.SafeLoader):
    """YAML as Pulumi reads it: `off`, `yes` and 12:30 are texts, which PyYAML would turn into false, true and 750."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that is given twice, as Pulumi does."""
        given: set[str] = set()
        pairs = node.value if isinstance(node, yaml.MappingNode) else []  # `!!map text` is none
        for key in (key for key, _ in pairs if isinstance(key, yaml.ScalarNode)):
            if key.value in given:
                raise yaml.constructor.ConstructorError(problem=f"{key.value} is given twice", problem_mark=key.start_mark)
            given.add(key.value)
        return super().construct_mapping(node, deep)


_AsWritten.yaml_implicit_resolvers = {}
_AsWritten.add_implicit_resolver(f"{_TAG}null", re.compile(r"(~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_AsWritten.add_implicit_resolver(f"{_TAG}merge", re.compile(r"<<$"), ["<"])
_AsWritten.yaml_constructors = {_TAG + kind: yaml.SafeLoader.yaml_constructors[_TAG + kind] for kind in ("map", "seq", "str", "null")}


def read(folder: Path, stack: str) -> Settings:
    """The settings in `folder`'s file for `stack`.

    :raises UserError: when there is no such file, it is no YAML mapping, or its settings are wrong.
    """
    return parse(stack, config(folder, stack))


def config(folder: Path, stack: str) -> Mapping[str, Any]:
    """What `folder`'s file for `stack` says under `config:`, keys with their namespace; right or wrong, only YAML.

    :raises UserError: when there is no such file, or it is no YAML mapping.
    """
    check_name(folder, stack)
    path = folder / f"Pulumi.{stack}.yaml"
    try:
        content = _content(path)
    except FileNotFoundError:
        raise UserError(
            f"there is no stack {stack}: {path.name} does not exist",
            where=str(folder),
            next=f"take one of {', '.join(known(folder)) or 'none yet'}, or write {path.name} (docs/settings.md)",
        ) from None
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}", where=str(path), next="make it a readable file") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise UserError(
            f"{path.name} is not YAML: {_problem(error)}",
            where=f"{path.name}:{mark.line + 1}" if mark else path.name,
            next=f"fix the file, then: pulumi preview --stack {stack}",
        ) from None
    said = content.get("config") if isinstance(content, dict) else content
    if said and not isinstance(said, dict):
        raise UserError(f"{path.name} has no mapping under config:", where=path.name, next="see docs/settings.md")
    return {_named(str(key)): value for key, value in (said or {}).items()}


def known(folder: Path) -> list[str]:
    """The stacks that have a file in `folder`, by name."""
    names = (path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in folder.glob("Pulumi.*.yaml"))
    return sorted(name for name in names if _NAME.fullmatch(name))


def check_name(folder: Path, stack: str) -> None:
    """Refuse what can be no stack's name."""
    if not _NAME.fullmatch(stack):
        raise UserError(
            f"{stack!r} is no name for a stack: letters, digits, _ . and -, at most 100",
            next=f"take one of {', '.join(known(folder)) or 'none yet'}",
        )


def _named(key: str) -> str:
    """A key with its namespace; Pulumi gives one without the project's name."""
    return key if ":" in key else NAMESPACE + key


def _content(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), _AsWritten)  # noqa: S506  # makes mappings, lists and texts only


def _problem(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    return str(getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read")
