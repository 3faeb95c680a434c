"""A real PgBouncer in front of a server on this machine.

`with pgbouncer(server.access(), "transaction") as through:` makes `through` the way in by the pooler, with the same role,
password and database.
"""

import dataclasses
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from infraops_core.access import Access
from infraops_core.pooler import version
from infraops_core.servers import loopback
from infraops_core.servers.embedded import account as accounts
from infraops_core.servers.loopback import LOOPBACK
from tests.fix_postgres import as_account, wait_until

_SETTINGS = """
[databases]
* = host={host} port={server_port}
[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users.txt
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 200
ignore_startup_parameters = extra_float_digits,options
{more}
"""


@contextmanager
def pgbouncer(access: Access, mode: str, *, size: int = 20, more: str = "") -> Iterator[Access]:
    """The same way in through a PgBouncer in this pool mode, which runs as long as the body does.

    :param size: server connections it has for each role and database.
    :param more: further lines of its settings.
    """
    folder = Path(tempfile.mkdtemp(prefix="infraops-pgbouncer-"))
    port = loopback.free_port()
    settings = {"server_port": access.url.port, "port": port, "folder": folder, "mode": mode, "size": size, "more": more}
    (folder / "pgbouncer.ini").write_text(_SETTINGS.format(host=LOOPBACK, **settings))
    (folder / "users.txt").write_text(f'"{access.url.user}" "{access.url.password}"\n')
    (folder / "users.txt").chmod(0o600)
    try:
        with started(folder / "pgbouncer.ini", port):
            yield dataclasses.replace(access, url=dataclasses.replace(access.url, port=port))
    finally:
        shutil.rmtree(folder)


@contextmanager
def started(settings: Path, port: int) -> "Iterator[subprocess.Popen[bytes]]":
    """A PgBouncer with this file of settings, once it listens on `port`; its folder and all in it are its account's from then on."""
    program = version.program()
    if program is None:
        pytest.skip("there is no PgBouncer (Debian: apt-get install pgbouncer); unproven: how migrations and the store fare behind it")
    account = accounts.for_server()
    for path in (settings.parent, *settings.parent.iterdir()):
        account.take(path)
    log = tempfile.TemporaryFile()  # noqa: SIM115 - read before it is closed
    with log, subprocess.Popen(as_account(account, [program, str(settings)]), stderr=log) as running:
        try:
            wait_until(lambda: running.poll() is not None or _listens(port), "PgBouncer")
            assert running.poll() is None, _said(log)
            yield running
            assert running.poll() is None, _said(log)
        finally:
            running.terminate()
            try:
                running.wait(10)
            except subprocess.TimeoutExpired:
                running.kill()


def _said(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
