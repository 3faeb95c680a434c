"""From a stack file's `config` to the settings of its target."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from infraops_core import reading
from infraops_core.errors import UserError
from infraops_core.settings.docker import DOCKER, DockerSettings
from infraops_core.settings.every_stack import EVERY_STACK, NAMESPACE, Environment, Settings, Target
from infraops_core.settings.external import EXTERNAL, ExternalSettings, check
from infraops_core.settings.local import LOCAL, LocalSettings
from infraops_core.settings.setting import Setting

_Mistake = tuple[str, str, str]

_OF_TARGET: dict[Target, tuple[type[Settings], tuple[Setting, ...]]] = {
    Target.LOCAL: (LocalSettings, LOCAL),
    Target.DOCKER: (DockerSettings, DOCKER),
    Target.EXTERNAL: (ExternalSettings, EXTERNAL),
}


def every_setting() -> list[str]:
    """The keys of all targets, namespace included, for the documentation's test."""
    tables = [EVERY_STACK, *(table for _, table in _OF_TARGET.values())]
    return sorted({NAMESPACE + setting.key for table in tables for setting in table})


def secret_settings(target: Any) -> dict[str, Setting]:
    """The settings of a target that its file holds encrypted, by key; none for what is no target."""
    _, own = _OF_TARGET.get(target, (Settings, ()))
    return {setting.key: setting for setting in own if setting.secret}


def parse(stack: str, config: Mapping[Any, Any], secrets: Mapping[str, str] | None = None) -> Settings:
    """The settings of `stack`, of the class that belongs to its target.

    :param config: the stack file's `config` mapping; keys of other namespaces (`aws:region`) are left alone.
    :param secrets: what is encrypted in it, by the same keys, where it is at hand; else such a setting is None.
    :raises UserError: listing every mistake with its key, its value and what is allowed.
    """
    given = {key.removeprefix(NAMESPACE): value for key, value in config.items() if isinstance(key, str) and key.startswith(NAMESPACE)}
    plain = {key.removeprefix(NAMESPACE): value for key, value in (secrets or {}).items()}
    mistakes: list[_Mistake] = []
    kind, own = _of_target(given)
    known = EVERY_STACK + own
    values: dict[str, Any] = {"stack": stack}
    for setting in known:
        value, problem = _read(setting, given, plain, stack)
        values[setting.field] = value
        if problem:
            mistakes.append((setting.key, "" if setting.key not in given else _shown(setting, given[setting.key]), problem))
    unknown = [key for key in given if key not in {setting.key for setting in known}]
    mistakes += [(reading.shown(key).strip('"'), reading.shown(given[key], key), _unknown(key, known)) for key in unknown]
    if kind is ExternalSettings:
        mistakes += _together(ExternalSettings(**values), known, given, {key for key, _, _ in mistakes})
    if mistakes:
        raise _refused(stack, mistakes)
    if values["protect"] is None:
        values["protect"] = values["environment"] is Environment.PROD
    return kind(**values)


def _of_target(given: Mapping[str, Any]) -> tuple[type[Settings], tuple[Setting, ...]]:
    """The class and keys of the target named; with none or a wrong one, every target's keys, lest they all be unknown."""
    target, problem = reading.choice(Target)(given.get("target"))
    if problem:
        tables = [table for _, table in _OF_TARGET.values()]
        return Settings, tuple({setting.key: replace(setting, required=False) for table in tables for setting in table}.values())
    return _OF_TARGET[target]


def _read(setting: Setting, given: Mapping[str, Any], plain: Mapping[str, str], stack: str) -> tuple[Any, str]:
    """The setting's value, or None with what is wrong with it."""
    store = f"infraops secret set {stack} {setting.key}"
    if setting.key not in given:
        if not setting.required:
            return setting.default, ""
        return setting.default, f"is missing; {store if setting.secret else setting.read(None)[1]}"
    if not setting.secret:
        return setting.read(given[setting.key])
    if not isinstance(given[setting.key], Mapping) or "secure" not in given[setting.key]:
        return None, f"is a secret, and here in clear: take it out, then: {store}"
    return setting.read(plain[setting.key]) if setting.key in plain else (None, "")


def _shown(setting: Setting, value: Any) -> str:
    return "(not shown)" if setting.secret and not isinstance(value, Mapping) else reading.shown(value)


def _together(settings: ExternalSettings, known: tuple[Setting, ...], given: Mapping[str, Any], told: set[str]) -> Iterator[_Mistake]:
    """What is wrong only in the company of other settings; of a key that has its line already nothing more is said."""
    by_key = {setting.key: setting for setting in known}
    for key, problem in check(settings, given):
        if key not in told:
            told.add(key)
            yield key, _shown(by_key[key], given[key]) if key in given else "", problem


def _unknown(key: str, known: tuple[Setting, ...]) -> str:
    close = difflib.get_close_matches(key, [setting.key for setting in known], n=1)
    if close:
        return f"unknown setting; did you mean {NAMESPACE}{close[0]}?"
    return "unknown setting; docs/settings.md lists them"


def _refused(stack: str, mistakes: list[_Mistake]) -> UserError:
    keys = max(len(NAMESPACE + key) for key, _, _ in mistakes)
    shown = max(len(value) for _, value, _ in mistakes)
    lines = [f"  {NAMESPACE + key:<{keys}}  {value:<{shown}}  {problem}" for key, value, problem in mistakes]
    count = f"{len(mistakes)} problem{'s' if len(mistakes) > 1 else ''}"
    return UserError(
        "\n".join([f"Pulumi.{stack}.yaml: {count}", *lines]),
        next=f"fix the file, then: pulumi preview --stack {stack}",
    )
