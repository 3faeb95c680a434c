"""The variables: what each means, what it may hold, and what holds without it.

A value may stand in spaces, end with a line end (a secret's file has one) or stand in quotes (`docker run --env-file` keeps
a dotenv's): none of them can be part of what is meant. An empty value is none.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infraops_core import providers, reading
from infraops_core.database_url import parse, told
from infraops_core.errors import UserError
from infraops_core.quoting import plain
from infraops_core.reading import Reader
from infraops_core.tls import Tls


@dataclass(frozen=True)
class Variable:
    """One environment variable.

    :param read: the value's reader; its second result says what is wrong.
    :param example: a value that goes with the examples of the others.
    :param without: what holds where it is not set.
    :param secret: whether it holds a password, and is shown in no message.
    :param alias: another name it may have.
    :param application: whether an application reads it, rather than our commands only.
    """

    name: str
    meaning: str
    read: Reader
    example: str
    without: str
    secret: bool = False
    alias: str = ""
    application: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, self.alias) if self.alias else (self.name,)

    def given(self, variables: Mapping[str, str]) -> str:
        """What it is set to, by either name; empty where it is not."""
        return next(filter(None, (plain(variables.get(name, "")) for name in self.names)), "")

    def shown(self, text: str) -> str:
        """A value as a message shows it."""
        return "(not shown)" if self.secret else reading.shown(text)


def _url(text: Any) -> tuple[Any, str]:
    try:
        return parse(text), ""
    except UserError as error:
        return None, told(error)


def _provider(text: Any) -> tuple[Any, str]:
    try:
        return providers.named(text), ""
    except UserError:
        return None, f"one of: {', '.join(provider.name for provider in providers.ALL)}"


def _file(text: Any) -> tuple[Any, str]:
    with suppress(OSError, ValueError):  # a name that is none: too long, or with a NUL character
        if Path(text).is_file():
            return Path(text), ""
    return None, "no such file"


def _text(text: Any) -> tuple[Any, str]:
    return text, ""


_AT_EXAMPLE = "PASSWORD@db.example.com:5432/infraops?sslmode=require"

PROVIDER = Variable(
    "DATABASE_PROVIDER", "who runs the database", _provider, "postgres", "its host tells, where it can", application=True,
)  # fmt: skip
URL = Variable(
    "DATABASE_URL", "the database as the application's role sees it, pooled or not", _url, f"postgresql://infraops_app:{_AT_EXAMPLE}",
    "nothing is read or written", secret=True, application=True,
)  # fmt: skip
TLS = Variable(
    "DATABASE_SSL_MODE", "the weakest `sslmode` that a URL may ask for", reading.choice(Tls), "require",
    "`require`; for our commands `disable` on this machine", application=True,
)  # fmt: skip
WRITES = Variable(
    "ENABLE_HOSTED_AUDIT_WRITES", "whether audit records are written rather than previewed", reading.boolean, "false", "`false`",
    application=True,
)  # fmt: skip
DIRECT = Variable(
    "DIRECT_DATABASE_URL", "the database as its owner sees it, never through a pooler", _url, f"postgresql://infraops_owner:{_AT_EXAMPLE}",
    "migrations, dumps and pruning ask for a stack", secret=True, alias="DATABASE_URL_DIRECT",
)  # fmt: skip
READONLY = Variable(
    "READONLY_DATABASE_URL", "the database as a role sees it that only reads", _url, f"postgresql://infraops_readonly:{_AT_EXAMPLE}",
    "the trail is verified with the owner's URL", secret=True,
)  # fmt: skip
ADMIN = Variable(
    "ADMIN_DATABASE_URL", "the server as the role sees it that made the others; never for an application", _url,
    "postgresql://postgres:PASSWORD@db.example.com:5432/postgres?sslmode=require", "no cutover", secret=True,
)  # fmt: skip
HOSTS = Variable(
    "INFRAOPS_HOSTS", "a file of lines `NAME ADDRESS PORT`: where a host is reached under its own name, as behind a tunnel", _file,
    "/etc/infraops/hosts", "names are looked up as usual",
)  # fmt: skip
STATE = Variable(
    "INFRAOPS_STATE", "the folder for Pulumi's state, its passphrase and local servers", _text, "/var/lib/infraops",
    "`.infraops` in the checkout",
)  # fmt: skip

VARIABLES = (PROVIDER, URL, TLS, WRITES, DIRECT, READONLY, ADMIN, HOSTS, STATE)
