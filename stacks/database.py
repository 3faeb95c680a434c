"""What a target returns, and what it becomes for others: ways in, and URLs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulumi import Input, Output, Resource

from infraops_core import database_url
from infraops_core.tls import Tls


@dataclass(frozen=True)
class RoleUrls:
    """The URLs of the three roles, secret, and the resource that makes the roles."""

    owner: Output[str]
    app: Output[str]
    readonly: Output[str]
    made_by: Resource


@dataclass(frozen=True)
class Database:
    """Where a database is and how its admin gets in.

    :param provider: the name in `DATABASE_PROVIDER`.
    :param hosted: whether it is somebody else's machine, so that audit writes have to be enabled by hand.
    :param identity: another value for another database: what was proved of one is not proved of the next.
    :param endpoint: `HOST:PORT`, direct.
    :param admin_url: of the server's maintenance database; secret.
    :param roles: where the provider's API makes the roles; else they are made by SQL.
    """

    provider: str
    hosted: bool
    tls: Tls
    identity: Output[str]
    host: Output[str]
    port: Output[int]
    server_version: Output[str]
    admin_url: Output[str]
    roles: RoleUrls | None = None

    @property
    def endpoint(self) -> Output[str]:
        return Output.format("{0}:{1}", self.host, self.port)

    def url(self, role: str, password: Output[str], *, database: str) -> Output[str]:
        """The URL of `database` for one role; secret, as its password is."""

        return secret_url(role, password, host=self.host, port=self.port, database=database, tls=self.tls)

    def access(self, url: Output[str]) -> Mapping[str, Any]:
        """The inputs that `infraops_core.access.Access.from_inputs` reads."""
        return {"url": url, "tls": str(self.tls)}


def secret_url(role: str, password: Output[str], *, host: Input[str], port: Input[int], database: str, tls: Tls) -> Output[str]:
    """The URL of `database` for one role, as a secret."""

    def build(values: list[Any]) -> str:
        host, port, secret = values
        return database_url.build(role, secret, host=host, port=int(port), database=database, sslmode=tls).with_password()

    return Output.secret(Output.all(host, port, password).apply(build))
