"""From a stack file's `config` to the settings of its target."""

import difflib
from collections.abc import Mapping
from typing import Any

from infraops_core import reading
from infraops_core.errors import UserError
from infraops_core.settings.every_stack import EVERY_STACK, NAMESPACE, Environment, Settings, Target
from infraops_core.settings.local import LOCAL, LocalSettings
from infraops_core.settings.setting import Setting

_OF_TARGET: dict[Target, tuple[type[Settings], tuple[Setting, ...]]] = {
    Target.LOCAL: (LocalSettings, LOCAL),
}


def every_setting() -> list[str]:
    """The keys of all targets, namespace included, for the documentation's test."""
    tables = [EVERY_STACK, *(table for _, table in _OF_TARGET.values())]
    return sorted({NAMESPACE + setting.key for table in tables for setting in table})


def parse(stack: str, config: Mapping[Any, Any]) -> Settings:
    """The settings of `stack`, of the class that belongs to its target.

    :param config: the stack file's `config` mapping; keys of other namespaces (`aws:region`) are left alone.
    :raises UserError: listing every mistake with its key, its value and what is allowed.
    """
    given = {key.removeprefix(NAMESPACE): value for key, value in config.items() if isinstance(key, str) and key.startswith(NAMESPACE)}
    mistakes: list[tuple[str, str, str]] = []
    kind, own = _of_target(given)
    known = EVERY_STACK + own
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
