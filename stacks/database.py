"""What a target returns, and what it becomes for others: ways in, and URLs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulumi import Input, Output, Resource

from infraops_core import database_url
from infraops_core.role_urls import Like
from infraops_core.roles import DATABASE
from infraops_core.tls import Tls


@dataclass(frozen=True)
class RoleUrls:
    """The URLs of the three roles, secret, and the resource that makes the roles.

    Roles that somebody else made may lack an owner's URL, where the schema is not ours to see to, and a readonly one.
    """

    owner: Output[str] | None
    app: Output[str]
    readonly: Output[str] | None
    made_by: Resource


@dataclass(frozen=True)
class Database:
    """Where a database is and how its admin gets in.

    :param provider: the name in `DATABASE_PROVIDER`.
    :param hosted: whether it is somebody else's machine, so that audit writes have to be enabled by hand.
    :param identity: another value for another database: what was proved of one is not proved of the next.
    :param admin_url: of the server's maintenance database; secret; None where nobody gave it.
    :param roles: where others make the roles; else they are made by SQL.
    :param name: the database's.
    :param is_ours: whether it is made for this stack alone; else it is there already and holds more.
    :param like: what the roles' URLs are like, where host, port and TLS rule don't say it all.
    :param writes_enabled: what the user said of audit writes; None for nothing.
    """

    provider: str
    hosted: bool
    tls: Tls
    identity: Output[str]
    host: Output[str]
    port: Output[int]
    server_version: Output[str]
    admin_url: Output[str] | None
    roles: RoleUrls | None = None
    name: str = DATABASE
    is_ours: bool = True
    like: Like | None = None
    writes_enabled: bool | None = None

    @property
    def endpoint(self) -> Output[str]:
        """`HOST:PORT` where the application connects."""
        return Output.from_input(self.like.endpoint) if self.like else Output.format("{0}:{1}", self.host, self.port)

    @property
    def takes_writes(self) -> bool:
        """Whether applications may write audit events: with somebody else's machine, only once the user has said so."""
        return not self.hosted if self.writes_enabled is None else self.writes_enabled

    def url(self, role: str, password: Output[str], *, pooled: bool = False) -> Output[str]:
        """The database's URL for one role; secret, as its password is.

        :param pooled: whether it may lead through a pooler, where there is one.
        """
        like = self.like
        if like is None:
            return secret_url(role, password, host=self.host, port=self.port, database=self.name, tls=self.tls)
        return Output.secret(password.apply(lambda secret: like.url(role, secret, pooled=pooled).with_password()))

    def access(self, url: Output[str]) -> Mapping[str, Any]:
        """The inputs that `infraops_core.access.Access.from_inputs` reads."""
        return {"url": url, "tls": str(self.tls)}


def secret_url(role: str, password: Output[str], *, host: Input[str], port: Input[int], database: str, tls: Tls) -> Output[str]:
    """The URL of `database` for one role, as a secret."""

    def build(values: list[Any]) -> str:
        host, port, secret = values
        return database_url.build(role, secret, host=host, port=int(port), database=database, sslmode=tls).with_password()

    return Output.secret(Output.all(host, port, password).apply(build))
