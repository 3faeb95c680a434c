"""Fixtures that run a real Postgres: one server for the whole run, and folders to make others in."""

import dataclasses
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from infraops_core import checkout, passwords, roles
from infraops_core.access import Access
from infraops_core.database_url import build
from infraops_core.errors import UserError
from infraops_core.servers import loopback
from infraops_core.servers.embedded import account as accounts
from infraops_core.servers.embedded import become, binaries, process, server
from infraops_core.servers.embedded.account import Account
from infraops_core.servers.embedded.folder import Marker, ServerFolder
from infraops_core.servers.loopback import LOOPBACK
from infraops_core.tls import Tls


@dataclass(frozen=True)
class TestServer:
    """A running server and its admin's password."""

    __test__ = False

    wanted: server.Wanted
    running: server.Running

    def access(self, role: str = roles.ADMIN, password: str | None = None, database: str = "postgres") -> Access:
        """A way in for one role."""
        secret = self.wanted.admin_password if password is None else password
        return Access(build(role, secret, host=LOOPBACK, port=self.running.port, database=database, sslmode=Tls.DISABLE), Tls.DISABLE)

    @property
    def folder(self) -> ServerFolder:
        return self.wanted.folder

    @property
    def process(self) -> psutil.Process:
        """The server process."""
        found = process.postmaster(self.folder)
        assert found is not None
        return found

    def kill(self) -> None:
        """End the server with -9, and wait for the end of all its processes."""
        self.process.kill()
        wait_until(lambda: not process.left_behind(self.folder), "the end of the killed server")

    def rows(self) -> list[int]:
        """What `with_a_row` wrote."""
        with self.access().connect(seconds=60) as connection:
            return [row[0] for row in connection.execute("select n from kept").fetchall()]


def wait_until(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Look until `condition` is true; fail, saying `what` was awaited, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        time.sleep(0.01)


def as_account(account: Account, command: list[str]) -> list[str]:
    """The command that runs `command`, whose program is named by its path, as `account`."""
    if not account.is_another:
        return command
    return [sys.executable, "-I", "-S", become.__file__, str(account.uid), str(account.gid), *command]


_RUN = """
import json, sys
from pathlib import Path
from infraops_core.servers.embedded import binaries, server
from infraops_core.servers.embedded.folder import ServerFolder

asked = json.loads(sys.stdin.readline())
folder = ServerFolder(Path(asked.pop("base")))
programs = binaries.find([17], None)
running = server.ensure(server.Wanted(folder=folder, binaries=programs, **asked))
print(json.dumps([running.port, running.version, running.identity]), flush=True)
if sys.stdin.readline():
    server.remove(folder, asked["project"], asked["stack"])
"""


@contextmanager
def run_apart(
    wanted: server.Wanted, *, account: Account | None = None, python: str = sys.executable, **environment: str
) -> "Iterator[subprocess.Popen[str]]":
    """A process of its own that calls `ensure`, prints what it made as JSON, and calls `remove` once it reads a line."""
    command = [python, "-u", "-B", "-c", _RUN]
    asked = {"base": str(wanted.folder.base), "project": wanted.project, "stack": wanted.stack, "port": wanted.port}
    with subprocess.Popen(
        as_account(account, command) if account else command, text=True, cwd=checkout.ROOT, env=os.environ | environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as run:  # fmt: skip
        assert run.stdin is not None
        run.stdin.write(json.dumps(asked | {"admin_password": wanted.admin_password}) + "\n")
        run.stdin.flush()
        try:
            yield run
        finally:
            run.kill()


def made_by(run: "subprocess.Popen[str]") -> tuple[server.Running, list[str]]:
    """What a run apart says it made, once it says so, and the lines it printed before."""
    assert run.stdout is not None
    lines: list[str] = []
    for line in run.stdout:
        if line.startswith("["):
            return server.Running(*json.loads(line)), lines
        lines.append(line.rstrip("\n"))
    pytest.fail("\n".join(lines))


def new_folder() -> Path:
    """A folder open to the server's account; in memory where there is room to run programs, for initdb mostly waits for the disk."""
    memory = Path("/dev/shm")
    fits = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 * 2**30 and not os.statvfs(memory).f_flag & os.ST_NOEXEC
    folder = Path(tempfile.mkdtemp(prefix="infraops-test-", dir=memory if fits else None))
    folder.chmod(0o755)
    return folder


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A new folder that the server's account can pass through; pytest's own are closed to others."""
    folder = new_folder()
    yield folder
    for marker in folder.rglob("infraops.json"):
        _end(ServerFolder(marker.parent))
    shutil.rmtree(folder, ignore_errors=True)


def _end(folder: ServerFolder) -> None:
    try:
        server.stop(folder)
    except UserError:  # a failed test may leave what a server that was killed left
        for left in process.left_behind(folder):
            left.kill()


@pytest.fixture
def wanted(open_folder: Path) -> server.Wanted:
    """A server of the stack `test` that has yet to be made."""
    return server.Wanted(
        folder=ServerFolder(open_folder / "servers" / "test"),
        project="infraops",
        stack="test",
        binaries=binaries.find([17], None),
        port=None,
        admin_password=passwords.generate(),
    )


@pytest.fixture(scope="session")
def postgres() -> Iterator[TestServer]:
    """One running server for all tests that only need some database on it."""
    folder = new_folder()
    asked = server.Wanted(
        folder=ServerFolder(folder / "server"),
        project="infraops",
        stack="test",
        binaries=binaries.find([17], None),
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


def _with_roles(wanted: server.Wanted) -> AuditDatabase:
    running = TestServer(wanted, server.ensure(wanted))
    made = {role: passwords.generate() for role in (roles.OWNER, roles.APP, roles.READONLY)}
    settings = roles.RoleSettings(made, tenant="default", connection_limit=5)
    roles.create(running.access(), settings)
    return AuditDatabase(running, settings)


@pytest.fixture
def audit_database(wanted: server.Wanted) -> AuditDatabase:
    """A new server with the roles and the database, and no schema yet."""
    return _with_roles(wanted)


@contextmanager
def new_audit_database() -> Iterator[AuditDatabase]:
    """The same for the tests of a whole module."""
    folder = new_folder()
    asked = server.Wanted(ServerFolder(folder / "server"), "infraops", "test", binaries.find([17], None), None, passwords.generate())
    yield _with_roles(asked)
    server.remove(asked.folder, "infraops", "test")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _made_once() -> Iterator[server.Wanted]:
    """A server that was made, holds one row and is down: making one takes longer than copying it."""
    folder = new_folder()
    asked = server.Wanted(ServerFolder(folder / "server"), "infraops", "test", binaries.find([17], None), None, passwords.generate())
    made = TestServer(asked, server.ensure(asked))
    with made.access().connect(seconds=60) as connection:
        connection.execute("create table kept as select 1 as n")
    server.stop(asked.folder)
    yield asked
    shutil.rmtree(folder)


@pytest.fixture
def stopped(wanted: server.Wanted, _made_once: server.Wanted) -> server.Wanted:
    """A server of the stack `test` that holds one row and is down."""
    wanted.folder.base.parent.mkdir()
    subprocess.run(["cp", "-a", _made_once.folder.base, wanted.folder.base], check=True)
    marker = json.dumps(dataclasses.asdict(Marker("infraops", "test", loopback.free_port())))
    (wanted.folder.base / "infraops.json").write_text(marker)  # `mark` would wait for the disk
    return dataclasses.replace(wanted, admin_password=_made_once.admin_password)


@pytest.fixture
def with_a_row(stopped: server.Wanted) -> TestServer:
    """A running server of the stack `test` that has one row to lose."""
    return TestServer(stopped, server.ensure(stopped))


@pytest.fixture
def stranger() -> Iterator["subprocess.Popen[bytes]"]:
    """A process of the server's account that has nothing to do with the server."""
    sleep = shutil.which("sleep")
    assert sleep is not None
    with subprocess.Popen(as_account(accounts.for_server(), [sleep, "600"])) as running:
        wait_until(lambda: psutil.Process(running.pid).name() == "sleep", "the stranger")
        yield running
        running.kill()
