"""What a stack file may say: a mapping in, frozen dataclasses out, every mistake of the file at once.

One function is for others: `parse`. Values come as YAML scalars (read from the file) or as text (read from
Pulumi, which hands over every value as text); both are understood.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from infraops_core import reading
from infraops_core.errors import UserError
from infraops_core.reading import Reader

NAMESPACE = "infraops:"


class Target(StrEnum):
    """A kind of place a database can live: one module in `stacks/targets/`."""

    LOCAL = "local"


class Environment(StrEnum):
    """What the database is for; chooses defaults."""

    DEV = "dev"
    STAGING = "staging"
    PROD = "prod"


class SchemaMode(StrEnum):
    """Who runs the migrations: this program (`apply`), a pipeline of its own (`verify` them here, or leave it `off`)."""

    APPLY = "apply"
    VERIFY = "verify"
    OFF = "off"


@dataclass(frozen=True)
class Settings:
    """What every stack has, whatever its target."""

    stack: str
    target: Target
    environment: Environment
    schema: SchemaMode
    postgres_version: int | None
    protect: bool
    tenant: str
    connection_limit: int
    rehearsal: str


@dataclass(frozen=True)
class LocalSettings(Settings):
    """An embedded Postgres on this machine."""

    port: int | None
    postgres_bin: Path | None


@dataclass(frozen=True)
class Setting:
    """One key of a stack file: how it is read, what it is when absent."""

    key: str
    field: str
    read: Reader
    default: Any = None
    required: bool = False


_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")

_EVERY_STACK = (
    Setting("target", "target", reading.choice(Target), required=True),
    Setting("environment", "environment", reading.choice(Environment), Environment.DEV),
    Setting("schema", "schema", reading.choice(SchemaMode), SchemaMode.APPLY),
    Setting("postgresVersion", "postgres_version", reading.integer(16, 18)),
    Setting("protect", "protect", reading.boolean),
    Setting("tenant", "tenant", reading.pattern(_TENANT, "letters, digits, . _ -, at most 63"), "default"),
    Setting("connectionLimit", "connection_limit", reading.integer(1, 10_000), 50),
    Setting("rehearsal", "rehearsal", reading.pattern(re.compile(r"[\x20-\x7e]{1,100}"), "up to 100 plain characters"), ""),
)

_OF_TARGET: dict[Target, tuple[type[Settings], tuple[Setting, ...]]] = {
    Target.LOCAL: (
        LocalSettings,
        (
            Setting("port", "port", reading.integer(1024, 65535)),
            Setting("postgresBin", "postgres_bin", reading.absolute_path),
        ),
    ),
}


def every_setting() -> list[str]:
    """The keys of all targets, namespace included, for the documentation's test."""
    tables = [_EVERY_STACK, *(table for _, table in _OF_TARGET.values())]
    return sorted({NAMESPACE + setting.key for table in tables for setting in table})


def parse(stack: str, config: Mapping[Any, Any]) -> Settings:
    """The settings of `stack`, of the class that belongs to its target.

    :param config: the stack file's `config` mapping; keys of other namespaces (`aws:region`) are left alone.
    :raises UserError: listing every mistake with its key, its value and what is allowed.
    """
    given = {key.removeprefix(NAMESPACE): value for key, value in config.items() if isinstance(key, str) and key.startswith(NAMESPACE)}
    mistakes: list[tuple[str, str, str]] = []
    kind, own = _of_target(given)
    known = _EVERY_STACK + own
    values: dict[str, Any] = {"stack": stack}
    for setting in known:
        if setting.key not in given:
            values[setting.field] = setting.default
            if setting.required:
                mistakes.append((setting.key, "", f"is missing; {setting.read(None)[1]}"))
            continue
        value, problem = setting.read(given[setting.key])
        values[setting.field] = value
        if problem:
            mistakes.append((setting.key, reading.shown(given[setting.key]), problem))
    unknown = [key for key in given if key not in {setting.key for setting in known}]
    mistakes += [(reading.shown(key).strip('"'), reading.shown(given[key], key), _unknown(key, known)) for key in unknown]
    if mistakes:
        raise _refused(stack, mistakes)
    if values["protect"] is None:
        values["protect"] = values["environment"] is Environment.PROD
    return kind(**values)


def _of_target(given: Mapping[str, Any]) -> tuple[type[Settings], tuple[Setting, ...]]:
    """The class and keys of the target named; with none or a wrong one, every target's keys, lest they all be unknown."""
    target, problem = reading.choice(Target)(given.get("target"))
    if problem:
        return Settings, tuple(setting for _, table in _OF_TARGET.values() for setting in table)
    return _OF_TARGET[target]


def _unknown(key: str, known: tuple[Setting, ...]) -> str:
    close = difflib.get_close_matches(key, [setting.key for setting in known], n=1)
    if close:
        return f"unknown setting; did you mean {NAMESPACE}{close[0]}?"
    return "unknown setting; docs/settings.md lists them"


def _refused(stack: str, mistakes: list[tuple[str, str, str]]) -> UserError:
    keys = max(len(NAMESPACE + key) for key, _, _ in mistakes)
    shown = max(len(value) for _, value, _ in mistakes)
    lines = [f"  {NAMESPACE + key:<{keys}}  {value:<{shown}}  {problem}" for key, value, problem in mistakes]
    count = f"{len(mistakes)} problem{'s' if len(mistakes) > 1 else ''}"
    return UserError(
        "\n".join([f"Pulumi.{stack}.yaml: {count}", *lines]),
        next=f"fix the file, then: pulumi preview --stack {stack}",
    )
