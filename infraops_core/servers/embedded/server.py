"""Bring a stack's server up, take it down, remove it: three functions, each safe to call again.

Nothing here deletes a data folder but `remove`, which only an explicit destroy calls.
"""

import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field

from infraops_core.access import Access
from infraops_core.database_url import build
from infraops_core.errors import UserError
from infraops_core.servers.embedded import account as accounts
from infraops_core.servers.embedded import cluster, process
from infraops_core.servers.embedded.account import Account
from infraops_core.servers.embedded.binaries import Binaries
from infraops_core.servers.embedded.claim import alone, check_data, check_owner, claim, make_base
from infraops_core.servers.embedded.folder import Content, Marker, ServerFolder
from infraops_core.servers.embedded.process import LOOPBACK
from infraops_core.tls import Tls

ADMIN = "infraops_admin"
_START_SECONDS = 300  # crash recovery reads the log since the last checkpoint
_ANSWER_SECONDS = 30
_STOP_SECONDS = 60
_PORT_TRIES = 5


@dataclass(frozen=True)
class Wanted:
    """The server a stack asks for; without a `port` it keeps the one it has, or at first takes a free one."""

    folder: ServerFolder
    project: str
    stack: str
    binaries: Binaries
    port: int | None
    admin_password: str = field(repr=False)


@dataclass(frozen=True)
class Running:
    """A server that has answered `SELECT 1`; `identity` is the cluster's own number, another one after a new initdb."""

    port: int
    version: str
    identity: str


def ensure(wanted: Wanted) -> Running:
    """Make the folder if there is none, start the server if it is down, and return once it answers.

    :raises UserError: for a folder or port that is another's, a full disk, a server that does not come up; the
        table of conditions is docs/local.md.
    """
    account = accounts.for_server()
    folder = wanted.folder
    make_base(folder)
    with alone(folder) as lock:
        marker = claim(folder, wanted.project, wanted.stack, wanted.port)
        check_data(folder, wanted.binaries.major, account)
        programs = _reachable(wanted.binaries, folder, account)
        if folder.content() is Content.NOTHING:
            print(f"Initialising  Postgres {programs.version} in {folder.data}, run by {account.name}")
            cluster.initialise(folder, programs, account, admin=ADMIN, password=wanted.admin_password, lock=lock)
        port = _up(wanted, marker, programs, account)
        return _first_answer(wanted, port)


def stop(folder: ServerFolder) -> None:
    """Stop the server of `folder` if it runs; open transactions are rolled back, nothing committed is lost.

    The signals are Postgres' own: PostgreSQL documentation, "Shutting Down the Server".
    """
    for number in (signal.SIGINT, signal.SIGQUIT):
        server = process.postmaster(folder)
        if server is None:
            return
        server.send_signal(number)
        deadline = time.monotonic() + _STOP_SECONDS
        while process.postmaster(folder) is not None and time.monotonic() < deadline:
            time.sleep(0.05)
    if process.postmaster(folder) is not None:
        raise UserError(
            f"the server did not stop within {2 * _STOP_SECONDS} s",
            where=str(folder.data),
            next=f"read {folder.log}, then run it again",
        )


def remove(folder: ServerFolder, project: str, stack: str) -> None:
    """Stop the server and delete its folder, data and all; says what it removes before it does.

    :raises UserError: when the folder says it belongs to another stack.
    """
    if not folder.base.exists():
        return
    check_owner(folder, project, stack)
    with alone(folder):
        if process.postmaster(folder) is not None:
            print(f"Stopping  Postgres in {folder.data}")
            stop(folder)
        print(f"Removing  {folder.base}, the data of stack {stack}")
        shutil.rmtree(folder.base)
    for parent in folder.base.parents[:2]:
        with suppress(OSError):
            parent.rmdir()  # the folders around it go when they are empty


def _reachable(binaries: Binaries, folder: ServerFolder, account: Account) -> Binaries:
    """The programs, or a copy of them where the account cannot reach the originals."""
    if account.can_enter(binaries.folder):
        return binaries
    copy = folder.programs(binaries)
    if not copy.exists():
        print(f"Copying  Postgres {binaries.version} to {copy}, where {account.name} can run it")
        unfinished = copy.with_name(copy.name + ".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(binaries.installation, unfinished, symlinks=True)
        unfinished.rename(copy)
    return Binaries(copy / binaries.folder.name, binaries.version)


def _up(wanted: Wanted, marker: Marker, programs: Binaries, account: Account) -> int:
    """Have the server run on its port, and return that port."""
    folder = wanted.folder
    port = wanted.port or marker.port
    if process.postmaster(folder) is not None:
        if port == marker.port:
            return port
        print(f"Stopping  Postgres on port {marker.port}, to move it to {port}")
        stop(folder)
    if process.pid_file_is_misleading(folder):
        print(f"Clearing  {folder.pid_file}: the process it names has nothing to do with this server")
        folder.pid_file.unlink()
    _await_the_end_of_what_a_killed_server_left(folder)
    # Until it has run once nobody can know the port, and losing a race for it is no reason to fail.
    tries = _PORT_TRIES if wanted.port is None and not folder.log.exists() else 1
    for left in reversed(range(tries)):
        if process.is_free(port):
            folder.mark(Marker(wanted.project, wanted.stack, port))
            if _start(folder, programs, account, port):
                return port
            if process.is_free(port):
                raise _did_not_start(folder)
        if left:
            port = process.free_port()
    raise UserError(
        f"port {port} of this server is taken by {process.holder_of(port)}",
        where=f"{LOOPBACK}:{port}, stack {wanted.stack}",
        next=f"stop that program, or move the server: pulumi config set infraops:port {process.free_port()} --stack {wanted.stack}",
    )


def _start(folder: ServerFolder, programs: Binaries, account: Account, port: int) -> bool:
    folder.log.parent.mkdir(mode=0o700, exist_ok=True)
    account.take(folder.log.parent)
    print(f"Starting  Postgres {programs.version} on {LOOPBACK}:{port}")
    command = [programs["pg_ctl"], "start", "--pgdata", str(folder.data), "--log", str(folder.log), "--wait",
               "--timeout", str(_START_SECONDS), "--options", f"-c port={port}"]  # fmt: skip
    nothing = subprocess.DEVNULL  # the server inherits these, and would hold a pipe open for ever
    return account.run(command, seconds=_START_SECONDS + 20, stdin=nothing, stdout=nothing, stderr=nothing).returncode == 0


def _await_the_end_of_what_a_killed_server_left(folder: ServerFolder) -> None:
    """A killed server's other processes notice and end within seconds; Postgres refuses to start beside them."""
    deadline = time.monotonic() + _ANSWER_SECONDS
    while left := process.left_behind(folder):
        if time.monotonic() > deadline:
            raise UserError(
                f"processes of a killed server still work in its data folder: {', '.join(str(p.pid) for p in left)}",
                where=str(folder.data),
                next="end them (kill PID), then run it again",
            )
        time.sleep(0.1)


def _did_not_start(folder: ServerFolder) -> UserError:
    lines = folder.log.read_text(errors="replace").splitlines() if folder.log.exists() else []
    telling = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "could not", "No space"))]
    reason = (telling or lines or ["it wrote no log"])[-1]
    return UserError(f"the server did not start: {reason}", where=str(folder.log), next="mend what it says, then run it again")


def _first_answer(wanted: Wanted, port: int) -> Running:
    """Log in as admin over TCP and ask; this is what being ready means."""
    import psycopg

    access = Access(build(ADMIN, wanted.admin_password, host=LOOPBACK, port=port, database="postgres", sslmode=Tls.DISABLE), Tls.DISABLE)
    deadline = time.monotonic() + _ANSWER_SECONDS
    while True:
        try:
            with access.connect(seconds=10) as connection:
                row = connection.execute(
                    "select current_setting('server_version'), system_identifier::text from pg_control_system()"
                ).fetchone()
            assert row is not None
            return Running(port, row[0].split()[0], row[1])
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise UserError(
                    f"the server in this folder does not know this stack's password of {ADMIN}: "
                    "it was made under another state or another passphrase",
                    where=str(wanted.folder.base),
                    next="restore that state, or move the folder away to begin with an empty database",
                ) from None
            if time.monotonic() > deadline:
                raise UserError(
                    f"the server runs but gives no answer: {error}",
                    where=f"{LOOPBACK}:{port}",
                    next=f"read {wanted.folder.log}; if the process is stopped, kill -CONT it or kill it; then run it again",
                ) from None
            time.sleep(0.2)
