"""`pgbouncer.ini`.

What its settings mean, and since when there are some: PgBouncer documentation, "pgbouncer.ini" and "Changelog" (2026-11).
Everything here is known to 1.18 and later; what is newer is written for a version that has it.
"""

from collections.abc import Iterator
from pathlib import Path

from infraops_core.pooler.plan import Pooler
from infraops_core.pooler.version import written

NAME = "pgbouncer.ini"
CA = "server-ca.pem"
PREPARED_SINCE = (1, 21)


def text(pooler: Pooler, folder: Path, users: Path) -> str:
    """The file.

    :param folder: where it will be; it names the other files by their whole path.
    :param users: the file with the users.
    """
    return "\n".join([*_head(pooler), "", "[databases]", _database(pooler), "", "[pgbouncer]", *_pgbouncer(pooler, folder, users), ""])


def _head(pooler: Pooler) -> Iterator[str]:
    yield "; Made by: infraops pooler config. docs/pooler.md says what each part is for."
    yield f"; Direct connections, for migrations and dumps, go to {pooler.behind.places[0]}; this file knows no role that may do either."


def _database(pooler: Pooler) -> str:
    behind = pooler.behind
    # No user here: SCRAM verifiers let in on the server only whoever has proved the password to the pooler.
    return f"{_name(behind.database)} = host={_value(behind.host)} port={behind.port} dbname={_value(behind.database)}"


def _pgbouncer(pooler: Pooler, folder: Path, users: Path) -> Iterator[str]:
    listening = pooler.listening
    yield f"listen_addr = {listening.place.host}"
    yield f"listen_port = {listening.place.port}"
    yield "unix_socket_dir ="
    yield ""
    yield "auth_type = scram-sha-256"
    yield f"auth_file = {users}"
    if pooler.reader:
        yield f"stats_users = {pooler.reader}"
    yield ""
    yield "pool_mode = transaction"
    yield f"default_pool_size = {pooler.size}"
    yield f"max_user_connections = {pooler.size}"
    yield "max_client_conn = 500"
    yield "; Below the 30 s in which an audit store gives up, so that the client is told why."
    yield "query_wait_timeout = 20"
    yield "server_idle_timeout = 60"
    yield "; A server that restarts is asked again after a second, not after 15."
    yield "server_login_retry = 1"
    yield "tcp_keepidle = 10"
    yield "tcp_keepintvl = 5"
    yield "tcp_keepcnt = 4"
    yield ""
    yield "; A tenant that a client has SET must not be the next one's: PgBouncer leaves what a session holds in place."
    yield "server_reset_query = RESET infraops.tenant"
    yield "server_reset_query_always = 1"
    yield "; Not options: a client that sets something by it is to be told that it won't hold."
    yield "ignore_startup_parameters = extra_float_digits"
    has_prepared = pooler.version is not None and pooler.version >= PREPARED_SINCE
    yield f"{'' if has_prepared else f'; From {written(PREPARED_SINCE)} on: '}max_prepared_statements = 200"
    yield ""
    yield f"server_tls_sslmode = {pooler.behind.sslmode}"
    if pooler.ca is not None:
        yield f"server_tls_ca_file = {folder / CA}"
    if listening.certificate is None:
        yield "client_tls_sslmode = disable"
    else:
        yield "client_tls_sslmode = require"
        yield f"client_tls_cert_file = {listening.certificate}"
        yield f"client_tls_key_file = {listening.key}"


def _name(database: str) -> str:
    """A database's name as a key, quoted as SQL does it."""
    return database if database.isascii() and database.replace("_", "a").isalnum() else '"' + database.replace('"', '""') + '"'


def _value(text: str) -> str:
    """A part of a connection string; PgBouncer doubles a quote within quotes."""
    return text if text.isascii() and text.replace("_", "a").isalnum() else "'" + text.replace("'", "''") + "'"
