"""The store that an application's environment describes, in the variables that every stack exports.

`DATABASE_URL` is read again each time it is needed. `DATABASE_SSL_MODE` is the weakest encryption that will do, `require` where
it is not set. Writes are off unless `ENABLE_HOSTED_AUDIT_WRITES` says true. No other variable is looked at: whether all of
them go together is for `infraops_core.environment.read` to say.
"""

import os
from typing import Any

from infraops_core.audit.async_postgres import AsyncPostgresAuditStore
from infraops_core.audit.connections.sources import EnvironmentUrl
from infraops_core.audit.postgres import PostgresAuditStore
from infraops_core.environment.variables import TLS, WRITES, Variable
from infraops_core.errors import UserError
from infraops_core.tls import Tls


def open_store(tenant: str) -> PostgresAuditStore:
    """The tenant's store, for threads; nothing is connected until it is used.

    :raises UserError: for a variable that holds what it can't, or a tenant that is none.
    """
    return PostgresAuditStore(EnvironmentUrl(), tenant=tenant, tls=_tls(), writes_enabled=_writes_enabled())


def open_async_store(tenant: str) -> AsyncPostgresAuditStore:
    """As `open_store`, for asyncio."""
    return AsyncPostgresAuditStore(EnvironmentUrl(), tenant=tenant, tls=_tls(), writes_enabled=_writes_enabled())


def _tls() -> Tls:
    return _read(TLS) or Tls.REQUIRE


def _writes_enabled() -> bool:
    return bool(_read(WRITES))


def _read(variable: Variable) -> Any:
    given = variable.given(os.environ)
    value, problem = variable.read(given) if given else (None, "")
    if problem:
        raise UserError(
            f"{variable.name} is {variable.shown(given)}: {problem}", where="environment", next="set it as the stack's outputs say"
        )
    return value
