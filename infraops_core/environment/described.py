"""What the environment says, with every mistake and contradiction of it at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infraops_core import providers
from infraops_core.database_url import DatabaseUrl
from infraops_core.environment import contradictions
from infraops_core.environment.contradictions import Problem
from infraops_core.environment.variables import (
    ADMIN,
    DIRECT,
    PROVIDER,
    READONLY,
    TLS,
    URL,
    VARIABLES,
    WRITES,
    Variable,
)
from infraops_core.errors import UserError
from infraops_core.providers import Provider
from infraops_core.quoting import plain
from infraops_core.tls import Tls


@dataclass(frozen=True)
class DatabaseEnvironment:
    """The databases that the environment names, and the rules for them.

    :param provider: who runs them: the one named, else the one whose host it is; the plain one where nothing tells.
    :param url: the application's, if it is set.
    :param tls: the weakest `sslmode` that `url` may have; of another URL `rule` tells.
    :param tls_named: the same, as `DATABASE_SSL_MODE` says it; None where that is not set.
    """

    provider: Provider
    url: DatabaseUrl | None
    direct_url: DatabaseUrl | None
    readonly_url: DatabaseUrl | None
    admin_url: DatabaseUrl | None
    tls: Tls
    tls_named: Tls | None
    writes_enabled: bool

    def rule(self, url: DatabaseUrl) -> Tls:
        """The weakest `sslmode` that this one of the URLs may have."""
        return _rule(self.provider, self.tls_named, url)


def read(variables: Mapping[str, str]) -> DatabaseEnvironment:
    """What the variables say. None has to be set: who needs one says so.

    :raises UserError: listing each value that is none, and each that contradicts another; it holds no password.
    """
    values: dict[Variable, Any] = {}
    problems: list[Problem] = []
    for variable in VARIABLES:
        values[variable], found = _value(variable, variables)
        problems += found
    problems += contradictions.between(values)
    if problems:
        raise _refused(problems)
    named, url = values[TLS], values[URL]
    provider = values[PROVIDER] or _recognised(values)
    return DatabaseEnvironment(
        provider, url, values[DIRECT], values[READONLY], values[ADMIN],
        tls=_rule(provider, named, url) if url else named or Tls.REQUIRE, tls_named=named, writes_enabled=bool(values[WRITES]),
    )  # fmt: skip


def _value(variable: Variable, variables: Mapping[str, str]) -> tuple[Any, list[Problem]]:
    """The value, None where there is none or a wrong one, and what is wrong."""
    given = {name: text for name in variable.names if (text := plain(variables.get(name, "")))}
    if len(set(given.values())) > 1:
        return None, [(variable.name, f"is not what its other name {variable.alias} holds; set one of them")]
    for name, text in given.items():
        value, problem = variable.read(text)
        return value, [(name, problem if variable.secret else f"{variable.shown(text)}: {problem}")] if problem else []
    return None, []


def _recognised(values: Mapping[Variable, Any]) -> Provider:
    found = [providers.of(values[variable]) for variable in (URL, DIRECT, READONLY, ADMIN) if values[variable]]
    return next((provider for provider in found if provider.hosted), found[0] if found else providers.named("postgres"))


def _rule(provider: Provider, named: Tls | None, url: DatabaseUrl) -> Tls:
    """Loopback may be plain unless the environment says otherwise; elsewhere the stronger of what it and the provider say."""
    if url.is_loopback:
        return named or Tls.DISABLE
    rules = [named or Tls.REQUIRE, Tls.REQUIRE, provider.tls, providers.of(url).tls]
    return max(rules, key=list(Tls).index)


def _refused(problems: list[Problem]) -> UserError:
    order = [name for variable in VARIABLES for name in variable.names]
    width = max(len(name) for name, _ in problems)
    lines = [f"  {name:<{width}}  {problem}" for name, problem in sorted(problems, key=lambda problem: order.index(problem[0]))]
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    return UserError("\n".join([f"the environment: {count}", *lines]), next="set them as docs/environment.md says, or leave them out")
