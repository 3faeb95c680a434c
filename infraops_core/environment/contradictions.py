"""What cannot all be meant: values that are each well-formed and do not go together."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from infraops_core import providers
from infraops_core.database_url import DatabaseUrl
from infraops_core.environment.variables import ADMIN, DIRECT, PROVIDER, READONLY, TLS, URL, WRITES, Variable
from infraops_core.errors import UserError
from infraops_core.providers import Provider, pooled
from infraops_core.tls import Tls

Problem = tuple[str, str]
Values = Mapping[Variable, Any]
"""By variable; None where it is not set, or holds what it can't."""

_URLS = (URL, DIRECT, READONLY, ADMIN)
_ORDER = list(Tls)  # from the weakest on


def between(values: Values) -> list[Problem]:
    """Each contradiction: the variable to mend, and what is wrong with it."""
    return [problem for check in _CHECKS for problem in check(values)]


def _provider_against_host(values: Values) -> Iterator[Problem]:
    provider: Provider | None = values[PROVIDER]
    if provider is None:
        return
    for variable, url in _given(values):
        if why := _foreign(provider, url):
            yield PROVIDER.name, f"is {provider.name}, and {variable.name} names {why}"


def _foreign(provider: Provider, url: DatabaseUrl) -> str:
    """Which host a URL names that can't be the provider's; empty where it can."""
    found = providers.of(url)
    if found is provider or (found.hosted and providers.fits(provider, url)):
        return ""
    if found.hosted:
        return f"{url.host}, a host of {found.title} ({found.name})"
    if url.is_loopback:
        its_own = provider.on_loopback or _is_own_pooler(url)
        return "" if its_own else f"{url.host}, this machine"
    if provider.tls is Tls.DISABLE:
        return f"{url.host}, another machine than this"
    return f"{url.host}, no host of {provider.title}" if provider.domains and _is_public_name(url.host) else ""


def _is_public_name(host: str) -> bool:
    """Whether it is a name out of the DNS: an address, or a private network's short name, tells nobody's."""
    return re.fullmatch(r"(?i)[a-z0-9_-]+(\.[a-z0-9_-]+)*\.[a-z][a-z0-9-]*\.?", host) is not None


def _providers_rule(values: Values) -> Iterator[Problem]:
    for variable, url in _given(values):
        try:
            _whose(values, url).check(url)
        except UserError as refused:
            yield variable.name, refused.what


def _mode(values: Values) -> Iterator[Problem]:
    """The mode against what a place demands, and what each URL says against the mode."""
    mode: Tls | None = values[TLS]
    if mode is None:
        return
    if too_weak := next((why for rule, why in _demands(values) if _ORDER.index(mode) < _ORDER.index(rule)), ""):
        yield TLS.name, f"is {mode}, and {too_weak}"
    for variable, url in _given(values):
        if not mode.accepts(url.sslmode):
            yield TLS.name, f"is {mode}, and {variable.name} says sslmode={url.sslmode}"


def _demands(values: Values) -> Iterator[tuple[Tls, str]]:
    """The weakest modes that will do, and why. Where the application's database answers on this machine, as a pooler of its
    own does in front of one elsewhere, the mode speaks of that way alone."""
    url: DatabaseUrl | None = values[URL]
    if url is not None and url.is_loopback:
        return
    provider: Provider | None = values[PROVIDER]
    if provider is not None and provider.hosted:
        yield provider.tls, f"{provider.title} is used with {provider.tls} or stronger"
    for variable, given in _given(values):
        if not given.is_loopback:
            whose = _whose(values, given)
            yield Tls.REQUIRE, f"{variable.name} names another machine ({given.host})"
            if whose.hosted:
                yield whose.tls, f"{whose.title} is used with {whose.tls} or stronger"


def _poolers(values: Values) -> Iterator[Problem]:
    for variable in (DIRECT, ADMIN):
        url: DatabaseUrl | None = values[variable]
        if url is not None and (whose := pooled.pooler(url)):
            direct = pooled.direct(url)
            then = "the database's own host and port" if direct.places == url.places else f"{direct.places[0]}"
            yield variable.name, f"leads to {whose}, which keeps no session; the direct one is {then}"


def _same_database(values: Values) -> Iterator[Problem]:
    url: DatabaseUrl | None = values[URL]
    for variable in (DIRECT, READONLY):
        other: DatabaseUrl | None = values[variable]
        if url is None or other is None:
            continue
        if url.database != other.database and not pooled.pooler(url) and not pooled.pooler(other):  # a pool may have a name of its own
            yield variable.name, f"names the database {other.database}, and {URL.name} names {url.database}"
        elif variable is DIRECT and _are_apart(url, other):  # one that only reads may be a standby's
            yield variable.name, f"names the server {other.places[0]}, and {URL.name} names {url.places[0]}"


def _writes(values: Values) -> Iterator[Problem]:
    if values[WRITES] and values[URL] is None:
        yield WRITES.name, f"is true, and {URL.name}, where they would go, is not set or not usable"


_CHECKS: tuple[Callable[[Values], Iterator[Problem]], ...] = (
    _provider_against_host, _providers_rule, _mode, _poolers, _same_database, _writes,
)  # fmt: skip


def _given(values: Values) -> Iterator[tuple[Variable, DatabaseUrl]]:
    return ((variable, values[variable]) for variable in _URLS if values[variable] is not None)


def _whose(values: Values, url: DatabaseUrl) -> Provider:
    """Whose rule holds for the URL: its host's provider, or the one that was named where the host tells nothing."""
    found = providers.of(url)
    return found if found.hosted or url.is_loopback else values[PROVIDER] or found


def _is_own_pooler(url: DatabaseUrl) -> bool:
    """Whether it is a pooler that somebody runs here, in front of a database elsewhere."""
    return not providers.of(url).hosted and bool(pooled.pooler(url))


def _are_apart(one: DatabaseUrl, other: DatabaseUrl) -> bool:
    """Whether two URLs certainly lead to different servers. One server may have names in several domains."""
    if _is_own_pooler(one) or _is_own_pooler(other):
        return False
    one, other = pooled.direct(one), pooled.direct(other)
    whose, whose_other = providers.of(one), providers.of(other)
    if whose.hosted and whose_other.hosted and whose.domains != whose_other.domains:
        return True
    if set(one.places) & set(other.places):
        return False
    if one.is_loopback or other.is_loopback:
        return one.is_loopback is not other.is_loopback or one.port != other.port
    (name, _, domain), (name_other, _, domain_other) = _labels(one), _labels(other)
    if domain != domain_other:
        return False
    return one.port != other.port if name == name_other else not (_is_form_of(name, name_other) or _is_form_of(name_other, name))


def _labels(url: DatabaseUrl) -> tuple[str, str, str]:
    return url.host.lower().rstrip(".").partition(".")


def _is_form_of(name: str, plain: str) -> bool:
    """Whether it is the other with a word before or behind it, as private-NAME is."""
    return name.endswith(f"-{plain}") or name.startswith(f"{plain}-")
