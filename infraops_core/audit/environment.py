"""The store that an application's environment describes, in the variables that every stack exports.

`DATABASE_URL` is read again each time it is needed. `DATABASE_SSL_MODE` is the weakest encryption that will do, `require` where
it is not set. Writes are off unless `ENABLE_HOSTED_AUDIT_WRITES` says true.
"""

import os
from typing import Any

from infraops_core import reading
from infraops_core.audit.async_postgres import AsyncPostgresAuditStore
from infraops_core.audit.connections.sources import EnvironmentUrl
from infraops_core.audit.postgres import PostgresAuditStore
from infraops_core.errors import UserError
from infraops_core.tls import Tls

_WRITES = "ENABLE_HOSTED_AUDIT_WRITES"
_TLS = "DATABASE_SSL_MODE"


def open_store(tenant: str) -> PostgresAuditStore:
    """The tenant's store, for threads; nothing is connected until it is used.

    :raises UserError: for a variable that holds what it can't, or a tenant that is none.
    """
    return PostgresAuditStore(EnvironmentUrl(), tenant=tenant, tls=_tls(), writes_enabled=_writes_enabled())


def open_async_store(tenant: str) -> AsyncPostgresAuditStore:
    """As `open_store`, for asyncio."""
    return AsyncPostgresAuditStore(EnvironmentUrl(), tenant=tenant, tls=_tls(), writes_enabled=_writes_enabled())


def _tls() -> Tls:
    tls: Tls = _read(_TLS, Tls.REQUIRE, reading.choice(Tls))
    return tls


def _writes_enabled() -> bool:
    return bool(_read(_WRITES, "false", reading.boolean))


def _read(name: str, default: str, read: reading.Reader) -> Any:
    given = os.environ.get(name) or default
    value, problem = read(given)
    if problem:
        raise UserError(f"{name} is {reading.shown(given)}: {problem}", where="environment", next="set it as the stack's outputs say")
    return value
