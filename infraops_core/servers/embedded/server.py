"""Bring a stack's server up, take it down, remove it: three functions, each safe to call again.

Nothing here deletes a data folder but `remove`, which only an explicit destroy calls.
"""

import shutil
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from infraops_core.access import Access
from infraops_core.database_url import build
from infraops_core.errors import UserError
from infraops_core.roles import ADMIN
from infraops_core.servers import loopback
from infraops_core.servers.content import Content
from infraops_core.servers.embedded import account as accounts
from infraops_core.servers.embedded import answer, cluster, disk, process, start
from infraops_core.servers.embedded.account import Account
from infraops_core.servers.embedded.binaries import Binaries
from infraops_core.servers.embedded.claim import alone, check_data, check_owner, check_way, claim, hold
from infraops_core.servers.embedded.folder import Marker, ServerFolder, around
from infraops_core.servers.embedded.programs import reachable
from infraops_core.servers.loopback import LOOPBACK
from infraops_core.tls import Tls

_TRIES = 3
_STOP_SECONDS = 60
_ORPHAN_SECONDS = 30
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
    with alone(folder) as lock:
        claim(folder, wanted.project, wanted.stack, wanted.port)
        check_way(folder, account)
        check_data(folder, wanted.binaries.major, account)
        is_new = folder.content() is Content.NOTHING
        if is_new:
            disk.check_space(folder.base)
        programs = reachable(wanted.binaries, folder, account)
        if is_new:
            print(f"Initialising  Postgres {programs.version} in {folder.data}, run by {account.name}")
            cluster.initialise(folder, programs, account, admin=ADMIN, password=wanted.admin_password, lock=lock)
        for _ in range(_TRIES):
            port = _up(wanted, programs, account)
            told = answer.first(folder, _as_admin(wanted, port))
            if told is not None:
                return Running(port, *told)
    raise UserError(
        f"the server ended before it answered: {start.last_line(folder)}",
        where=str(folder.log),
        next="mend what it says, then run it again",
    )


def stop(folder: ServerFolder) -> None:
    """Stop the server of `folder` if it runs; open transactions are rolled back, nothing committed is lost.

    The signals are Postgres' own: PostgreSQL documentation, "Shutting Down the Server".
    """
    for number in (signal.SIGINT, signal.SIGQUIT):
        server = _settled(folder)
        if server is None:
            return
        with suppress(psutil.NoSuchProcess):
            server.send_signal(number)
            server.send_signal(signal.SIGCONT)  # one that was halted obeys only once it goes on
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

    :raises UserError: when the folder says it belongs to another stack, or nobody has said whose its data is.
    """
    with disk.refusals_told(folder.base):
        lock = hold(folder)
        if lock is None:
            return
        with lock:
            check_owner(folder, project, stack)
            if _settled(folder) is not None:
                print(f"Stopping  Postgres in {folder.data}")
                stop(folder)
            print(f"Removing  {folder.base}, the data of stack {stack}")
            for inside in folder.base.iterdir():
                if inside.is_dir() and not inside.is_symlink():
                    shutil.rmtree(inside)
            shutil.rmtree(folder.base)  # the marker goes last, or a removal cut short could not be taken up again
    for parent in around(folder.base):
        with suppress(OSError):
            parent.rmdir()  # it goes when it is empty


def _up(wanted: Wanted, programs: Binaries, account: Account) -> int:
    """Have the server run on its port, and return that port."""
    folder = wanted.folder
    marker = claim(folder, wanted.project, wanted.stack, wanted.port)
    port = wanted.port or marker.port
    if _settled(folder) is not None:
        now = process.port_of(folder)
        if now == port:
            return port
        print(f"Stopping  Postgres on port {now}, to move it to {port}")
        stop(folder)
    if process.pid_file_is_misleading(folder):
        print(f"Clearing  {folder.pid_file}: the server it speaks of is not there")
        folder.pid_file.unlink()
    # Until it has run once nobody can know the port, and losing a race for it is no reason to fail.
    tries = _PORT_TRIES if wanted.port is None and not folder.log.parent.exists() else 1
    for left in reversed(range(tries)):
        if loopback.is_free(port):
            asked = Marker(wanted.project, wanted.stack, port)
            if folder.marker() != asked:
                folder.mark(asked)
            trouble = start.start(folder, programs, account, port)
            if trouble is None:
                return port
            if process.postmaster(folder) is not None or loopback.is_free(port):
                raise trouble
        if left:
            port = loopback.free_port()
    raise UserError(
        f"port {port} of this server is taken by {loopback.holder_of(port)}",
        where=f"{LOOPBACK}:{port}, stack {wanted.stack}",
        next=f"stop that program, or move the server: pulumi config set infraops:port {loopback.free_port()} --stack {wanted.stack}",
    )


def _settled(folder: ServerFolder) -> psutil.Process | None:
    """The server if it runs, and nothing else in its folder if it does not.

    A killed server's other processes notice and end within seconds; Postgres refuses to start beside them. A start
    that a killed run began goes on without it, and becomes a server.
    """
    deadline = time.monotonic() + _ORPHAN_SECONDS
    while (server := process.postmaster(folder)) is None and (left := process.left_behind(folder)):
        if time.monotonic() > deadline:
            pids = " ".join(str(process.pid) for process in left)
            raise UserError(
                f"the server is gone, and processes of it still work in its data folder: {pids}",
                where=str(folder.data),
                next=f"kill -9 {pids}; then run it again",
            )
        time.sleep(0.1)
    return server


def _as_admin(wanted: Wanted, port: int) -> Access:
    return Access(build(ADMIN, wanted.admin_password, host=LOOPBACK, port=port, database="postgres", sslmode=Tls.DISABLE), Tls.DISABLE)
