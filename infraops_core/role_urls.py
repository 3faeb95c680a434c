"""From the URL a provider gave to those of our roles: which place, which parameters, which user name."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from infraops_core.database_url import DatabaseUrl
from infraops_core.providers import Provider
from infraops_core.tls import Tls


@dataclass(frozen=True)
class Like:
    """What the URLs of our roles are like: the application's, perhaps pooled, and the others', which are direct."""

    app: DatabaseUrl
    direct: DatabaseUrl
    provider: Provider

    def url(self, role: str, password: str, *, pooled: bool) -> DatabaseUrl:
        """The URL of one role: the given one's place, database and parameters, with who logs in there.

        :param pooled: whether it may lead through the pooler, where the application's does.
        """
        like = self.app if pooled else self.direct
        return dataclasses.replace(like, user=self.provider.login(role, like), password=password)

    @property
    def endpoint(self) -> str:
        """Where the application connects: every host and port, without who."""
        return ",".join(map(str, self.app.places))


def direct(url: DatabaseUrl, provider: Provider) -> DatabaseUrl | None:
    """The same database without its pooler; None where a part of that is known to its user alone."""
    return None if provider.missing(url) else provider.direct(url)


def rule(urls: Iterable[DatabaseUrl]) -> Tls:
    """The strongest rule that each of the URLs keeps."""
    modes = [url.sslmode for url in urls]
    return next(tls for tls in (Tls.VERIFY_FULL, Tls.REQUIRE, Tls.DISABLE) if tls is Tls.DISABLE or all(map(tls.accepts, modes)))
