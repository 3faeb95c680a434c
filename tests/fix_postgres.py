"""Fixtures that run a real Postgres: one server for the whole run, and folders to make others in."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infraops_core import passwords, roles
from infraops_core.access import Access
from infraops_core.database_url import build
from infraops_core.servers.embedded import binaries, server
from infraops_core.servers.embedded.folder import ServerFolder
from infraops_core.servers.embedded.process import LOOPBACK
from infraops_core.tls import Tls


@dataclass(frozen=True)
class TestServer:
    """A running server and its admin's password."""

    __test__ = False

    wanted: server.Wanted
    running: server.Running

    def access(self, role: str = server.ADMIN, password: str | None = None, database: str = "postgres") -> Access:
        """A way in for one role."""
        secret = self.wanted.admin_password if password is None else password
        return Access(build(role, secret, host=LOOPBACK, port=self.running.port, database=database, sslmode=Tls.DISABLE), Tls.DISABLE)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A new folder that the server's account can pass through; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="infraops-test-"))
    folder.chmod(0o755)
    yield folder
    for marker in folder.rglob("infraops.json"):
        server.stop(ServerFolder(marker.parent))
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def wanted(open_folder: Path) -> server.Wanted:
    """A server of the stack `test` that has yet to be made."""
    return server.Wanted(
        folder=ServerFolder(open_folder / "servers" / "test"),
        project="infraops",
        stack="test",
        binaries=binaries.find(17, None),
        port=None,
        admin_password=passwords.generate(),
    )


@pytest.fixture(scope="session")
def postgres() -> Iterator[TestServer]:
    """One running server for all tests that only need some database on it."""
    folder = Path(tempfile.mkdtemp(prefix="infraops-test-"))
    folder.chmod(0o755)
    asked = server.Wanted(
        folder=ServerFolder(folder / "server"),
        project="infraops",
        stack="test",
        binaries=binaries.find(17, None),
        port=None,
        admin_password=passwords.generate(),
    )
    yield TestServer(asked, server.ensure(asked))
    server.remove(asked.folder, "infraops", "test")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def empty_database(postgres: TestServer) -> Iterator[str]:
    """The name of a new database on the shared server."""
    name = f"test_{secrets.token_hex(6)}"
    with postgres.access().connect(seconds=60) as connection:
        connection.execute(f'create database "{name}"'.encode())
    yield name
    with postgres.access().connect(seconds=60) as connection:
        connection.execute(f'drop database "{name}" with (force)'.encode())


@dataclass(frozen=True)
class AuditDatabase:
    """The database of the three roles on a server of its own, and a way in for each."""

    server: TestServer
    settings: roles.RoleSettings

    def access(self, role: str) -> Access:
        return self.server.access(role, self.settings.passwords[role], roles.DATABASE)


@pytest.fixture
def audit_database(wanted: server.Wanted) -> AuditDatabase:
    """A new server with the roles and the database, and no schema yet."""
    running = TestServer(wanted, server.ensure(wanted))
    made = {role: passwords.generate() for role in (roles.OWNER, roles.APP, roles.READONLY)}
    settings = roles.RoleSettings(made, tenant="default", connection_limit=5)
    roles.create(running.access(), settings)
    return AuditDatabase(running, settings)
