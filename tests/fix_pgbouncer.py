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

import pytest

from infraops_core.access import Access
from infraops_core.servers.embedded import account as accounts
from infraops_core.servers.embedded import process
from infraops_core.servers.embedded.process import LOOPBACK
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
logfile = {folder}/log
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
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("there is no PgBouncer (Debian: apt-get install pgbouncer); unproven: how migrations and the store fare behind it")
    account = accounts.for_server()
    folder = Path(tempfile.mkdtemp(prefix="infraops-pgbouncer-"))
    port = process.free_port()
    settings = {"server_port": access.url.port, "port": port, "folder": folder, "mode": mode, "size": size, "more": more}
    texts = {
        "pgbouncer.ini": _SETTINGS.format(host=LOOPBACK, **settings),
        "users.txt": f'"{access.url.user}" "{access.url.password}"\n',
    }
    for path in (folder, *(folder / name for name in texts)):
        if path != folder:
            path.write_text(texts[path.name])
            path.chmod(0o600)
        account.take(path)
    try:
        with subprocess.Popen(as_account(account, [program, "-q", str(folder / "pgbouncer.ini")]), stderr=subprocess.DEVNULL) as running:
            try:
                wait_until(lambda: running.poll() is not None or _listens(port), "PgBouncer")
                assert running.poll() is None, (folder / "log").read_text()
                yield dataclasses.replace(access, url=dataclasses.replace(access.url, port=port))
            finally:
                running.terminate()
                try:
                    running.wait(10)
                except subprocess.TimeoutExpired:
                    running.kill()
    finally:
        shutil.rmtree(folder)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
