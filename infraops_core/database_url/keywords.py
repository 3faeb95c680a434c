"""What may stand in a URL besides who, where and what: libpq's keywords with what each allows, and other libraries' keys.

Sources: PostgreSQL 17 documentation, "Database Connection Control Functions", section "Parameter Key Words"; the keys new in
libpq 18 are from the same section of PostgreSQL 18's. Whose the other keys are stands beside them in `FOREIGN`.
"""

import difflib
import re
from collections.abc import Callable, Iterable

from infraops_core.database_url.url import is_address
from infraops_core.tls import MODES

Check = Callable[[str], str]
"""A value in; what is allowed out, or nothing where the value is."""

WHO_WHERE_WHAT = ("user", "password", "host", "port", "dbname")

PLACED_ELSEWHERE = {"username": "user", "pwd": "password", "hostname": "host", "server": "host", "database": "dbname", "db": "dbname"}
"""What others call these, and libpq does not."""


def _any(_value: str) -> str:
    return ""


def _one_of(*allowed: str) -> Check:
    return lambda value: "" if value in allowed else f"one of: {', '.join(allowed)}"


def _number(value: str) -> str:
    return "" if re.fullmatch(r"-?[0-9]{1,9}", value) else "a whole number"


def _addresses(value: str) -> str:
    given = value.split(",")
    fits = all(is_address(address) or (not address and len(given) > 1) for address in given)
    return "" if fits else "one IP address for each host"


def _authentication(value: str) -> str:
    methods = value.split(",")
    negated = {method.startswith("!") for method in methods}
    known = {"password", "md5", "gss", "sspi", "scram-sha-256", "oauth", "none"}
    fits = len(negated) == 1 and all(method.removeprefix("!") in known for method in methods)
    return "" if fits else f"some of {', '.join(sorted(known))}; or each with ! before it"


_switch = _one_of("0", "1")
_tls_version = _one_of("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_protocol = _one_of("3.0", "3.2", "latest")

KEYWORDS: dict[str, Check] = {
    "application_name": _any,
    "channel_binding": _one_of("disable", "prefer", "require"),
    "client_encoding": _any,
    "connect_timeout": _number,
    "fallback_application_name": _any,
    "gssdelegation": _switch,
    "gssencmode": _one_of("disable", "prefer", "require"),
    "gsslib": _any,
    "hostaddr": _addresses,
    "keepalives": _number,
    "keepalives_count": _number,
    "keepalives_idle": _number,
    "keepalives_interval": _number,
    "krbsrvname": _any,
    "load_balance_hosts": _one_of("disable", "random"),
    "options": _any,
    "passfile": _any,
    "replication": _one_of("true", "on", "yes", "1", "database", "false", "off", "no", "0"),
    "require_auth": _authentication,
    "requirepeer": _any,
    "ssl_max_protocol_version": _tls_version,
    "ssl_min_protocol_version": _tls_version,
    "sslcert": _any,
    "sslcertmode": _one_of("disable", "allow", "require"),
    "sslcompression": _switch,
    "sslcrl": _any,
    "sslcrldir": _any,
    "sslkey": _any,
    "sslmode": _one_of(*MODES),
    "sslnegotiation": _one_of("postgres", "direct"),
    "sslpassword": _any,
    "sslrootcert": _any,
    "sslsni": _switch,
    "target_session_attrs": _one_of("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "tcp_user_timeout": _number,
    # new in libpq 18
    "max_protocol_version": _protocol,
    "min_protocol_version": _protocol,
    "oauth_client_id": _any,
    "oauth_client_secret": _any,
    "oauth_issuer": _any,
    "oauth_scope": _any,
    "scram_client_key": _any,
    "scram_server_key": _any,
    "sslkeylogfile": _any,
}
"""libpq's keywords but for who, where, what and `service`."""

FOREIGN: dict[str, str] = {
    "pgbouncer": "Prisma",
    "connection_limit": "Prisma",
    "pool_timeout": "Prisma",
    "socket_timeout": "Prisma",
    "schema": "Prisma",
    "sslaccept": "Prisma",
    "sslidentity": "Prisma",
    "statement_cache_size": "Prisma, asyncpg",
    "prepared_statement_cache_size": "SQLAlchemy's asyncpg",
    "prepared_statement_name_func": "SQLAlchemy's asyncpg",
    "command_timeout": "asyncpg",
    "supa": "Supabase",
    "workaround": "Supabase",
    "uselibpqcompat": "node-postgres",
    "statement_timeout": "node-postgres",
    "query_timeout": "node-postgres",
    "lock_timeout": "node-postgres",
    "idle_in_transaction_session_timeout": "node-postgres",
    "max": "node-postgres, postgres.js",
    "idle_timeout": "postgres.js",
    "max_lifetime": "postgres.js",
    "prepare": "postgres.js",
    "pool_max_conns": "pgx",
    "pool_min_conns": "pgx",
    "pool_max_conn_lifetime": "pgx",
    "pool_max_conn_idle_time": "pgx",
    "default_query_exec_mode": "pgx",
    "statement_cache_capacity": "pgx",
    "description_cache_capacity": "pgx",
    "search_path": "pgx",
    "prepareThreshold": "PgJDBC",
    "preparedStatementCacheQueries": "PgJDBC",
    "preferQueryMode": "PgJDBC",
    "currentSchema": "PgJDBC",
    "ApplicationName": "PgJDBC",
    "reWriteBatchedInserts": "PgJDBC",
    "targetServerType": "PgJDBC",
    "loadBalanceHosts": "PgJDBC",
    "socketTimeout": "PgJDBC",
    "loginTimeout": "PgJDBC",
    "connectTimeout": "PgJDBC",
    "tcpKeepAlive": "PgJDBC",
    "stringtype": "PgJDBC",
    "pool": "Rails",
    "prepared_statements": "Rails",
    "encoding": "Rails",
    "conn_max_age": "Django",
}
"""Keys that other libraries read from a URL, and whose they are. Kept and shown; libpq never gets them."""


def problem(key: str, value: str) -> str:
    """What is wrong with a parameter by itself; nothing where it is one of libpq's or of another library's."""
    if key == "ssl":
        return "ssl is no keyword of libpq's (only ssl=true is read); write sslmode=require, or stronger"
    if key in FOREIGN:
        return ""
    if key not in KEYWORDS:
        return unknown(key)
    allowed = KEYWORDS[key](value)
    found = f"{key}={value}" if re.fullmatch(r"[A-Za-z-]{1,15}|[0-9.-]{1,15}", value) else f"the value of {key}"  # others may be a secret
    return f"{found} is not allowed: {key} is {allowed}" if allowed else ""


def unknown(key: str) -> str:
    """That nobody knows this key, and which one is meant."""
    meant = suggestion(key)
    return f"{shortened(key)} is no key of libpq's, nor of a library known here" + (f"; did you mean {meant}?" if meant else "")


def suggestion(key: str) -> str:
    """The key that was probably meant; empty where none is alike."""
    if renamed := PLACED_ELSEWHERE.get(key.lower()):
        return renamed
    known = {name.lower(): name for name in [*KEYWORDS, *FOREIGN, *WHO_WHERE_WHAT, "service"]}
    close = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.7)
    return known[close[0]] if close else ""


def contradiction(given: dict[str, str]) -> str:
    """What is wrong with parameters together; libpq would say so only when it connects."""
    mode = given.get("sslmode")
    if given.get("sslrootcert") == "system" and mode not in (None, "verify-full"):
        return f"sslrootcert=system, the certificates of this machine, goes with sslmode=verify-full only, and the URL says sslmode={mode}"
    if given.get("sslnegotiation") == "direct" and mode not in ("require", "verify-ca", "verify-full"):
        return "sslnegotiation=direct goes with sslmode=require or stronger only"
    if given.get("channel_binding") == "require" and mode == "disable":
        return "channel_binding=require binds the login to TLS, and sslmode=disable is without TLS"
    return ""


def shortened(key: str) -> str:
    """A key as a message names it."""
    return repr(key[:30] + ("…" if len(key) > 30 else "")) if not re.fullmatch(r"\w{1,30}", key, re.ASCII) else key


def names(keys: Iterable[str]) -> str:
    """Several keys as a message names them."""
    return ", ".join(shortened(key) for key in sorted(set(keys)))
