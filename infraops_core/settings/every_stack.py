"""What every stack's file may say, whatever its target."""

import re
from dataclasses import dataclass
from enum import StrEnum

from infraops_core import reading
from infraops_core.settings import grants
from infraops_core.settings.grants import Grant
from infraops_core.settings.setting import Setting

NAMESPACE = "infraops:"
MAJORS = range(16, 19)  # of Postgres, for a server of ours


class Target(StrEnum):
    """A kind of place a database can live: one module in `stacks/targets/`."""

    LOCAL = "local"
    DOCKER = "docker"
    EXTERNAL = "external"


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
    extensions: tuple[str, ...]
    grants: tuple[Grant, ...]


_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")

EVERY_STACK = (
    Setting("target", "target", reading.choice(Target), required=True),
    Setting("environment", "environment", reading.choice(Environment), Environment.DEV),
    Setting("schema", "schema", reading.choice(SchemaMode), SchemaMode.APPLY),
    Setting("postgresVersion", "postgres_version", reading.integer(MAJORS[0], MAJORS[-1])),
    Setting("protect", "protect", reading.boolean),
    Setting("tenant", "tenant", reading.pattern(_TENANT, "letters, digits, . _ -, at most 63"), "default"),
    Setting("connectionLimit", "connection_limit", reading.integer(1, 10_000), 50),
    Setting("rehearsal", "rehearsal", reading.pattern(re.compile(r"[\x20-\x7e]{1,100}"), "up to 100 plain characters"), ""),
    Setting("extensions", "extensions", grants.extensions, ()),
    Setting("grants", "grants", grants.grants, ()),
)
