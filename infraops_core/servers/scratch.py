"""A throw-away server for one use: migrations are tried on it, and dumps of it compared.

It takes about a second to make. Whatever becomes of the run that made it, exceptions, Ctrl-C and kill -9 included, the
server is ended and its folder deleted: a small process waits for the run's end and does both.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from infraops_core import passwords, roles
from infraops_core.access import Access
from infraops_core.database_url import build
from infraops_core.errors import UserError
from infraops_core.servers import complaint, loopback, scratch_end
from infraops_core.servers.embedded import account as accounts
from infraops_core.servers.embedded import disk, start
from infraops_core.servers.embedded.account import Account
from infraops_core.servers.embedded.binaries import Binaries
from infraops_core.servers.embedded.folder import ServerFolder
from infraops_core.servers.embedded.programs import reachable
from infraops_core.tls import Tls

ADMIN = "infraops_admin"
_INITDB_SECONDS = 120
_END_SECONDS = 45
_TRIES = 5
_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made in it has a name nobody can foresee
_MEMORY_BYTES = 2**30
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "wal_level": "logical",  # or CREATE PUBLICATION would warn of what no target of ours lacks
    "max_wal_senders": "4",
    "shared_buffers": "32MB",
    "dynamic_shared_memory_type": "mmap",  # in the data folder, so that it goes with it even after kill -9
    "autovacuum": "off",
    "fsync": "off",  # nothing here is worth a wait for the disk
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


@dataclass(frozen=True)
class Scratch:
    """The running server, and its superuser's way in."""

    binaries: Binaries
    admin: Access

    def access(self, role: str, password: str, database: str) -> Access:
        """Another role's way in."""
        return Access(replace(self.admin.url, user=role, password=password, database=database), self.admin.tls)

    def owner(self) -> Access:
        """Make the three roles and their database, as every target does; the owner's way into it."""
        made = {role: passwords.generate() for role in (roles.OWNER, roles.APP, roles.READONLY)}
        roles.create(self.admin, roles.RoleSettings(made, tenant="default", connection_limit=5))
        return self.access(roles.OWNER, made[roles.OWNER], roles.DATABASE)


@contextmanager
def server(binaries: Binaries) -> Iterator[Scratch]:
    """A new server of these programs, reachable from this machine only, and gone at the end.

    :raises UserError: when it cannot be made or started here.
    """
    account = accounts.for_server()
    base = _new_folder(account)
    with _ended_with_us(base), disk.refusals_told(base):
        disk.check_space(base)
        folder = ServerFolder(base)
        programs = reachable(binaries, folder, account)
        password = passwords.generate()
        _initialise(folder, programs, account, password)
        port = _start(folder, programs, account)
        url = build(ADMIN, password, host=loopback.LOOPBACK, port=port, database="postgres", sslmode=Tls.DISABLE)
        yield Scratch(programs, Access(url, Tls.DISABLE))


def _new_folder(account: Account) -> Path:
    """In memory where there is room and programs may run there, for the copy of the programs that root may need."""
    fits = (
        os.access(_MEMORY, os.W_OK | os.X_OK)
        and shutil.disk_usage(_MEMORY).free > _MEMORY_BYTES
        and not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC
    )
    folder = Path(tempfile.mkdtemp(prefix="infraops-scratch-", dir=_MEMORY if fits else None))
    if account.is_another:
        folder.chmod(0o755)  # that account passes through; the data in it are its own alone
    return folder


@contextmanager
def _ended_with_us(base: Path) -> Iterator[None]:
    """Have another process end the server and delete the folder as soon as this block, or this process, ends."""
    command = [sys.executable, "-I", "-S", scratch_end.__file__, str(base)]
    waiting = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               cwd="/", start_new_session=True)  # fmt: skip
    try:
        yield
    finally:
        scratch_end.end(base)
        assert waiting.stdin is not None
        waiting.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            waiting.wait(_END_SECONDS)
        if base.exists():
            print(f"warning: the scratch server's folder is still there: {base}")


def _initialise(folder: ServerFolder, programs: Binaries, account: Account, password: str) -> None:
    """The password goes through a pipe: it is on no disk and in no argument."""
    folder.data.mkdir(mode=0o700)
    account.take(folder.data)
    command = [programs["initdb"], "--pgdata", str(folder.data), "--username", ADMIN, "--pwfile", "/dev/stdin", "--auth",
               "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync", "--no-instructions"]  # fmt: skip
    for name, value in _SETTINGS.items():
        command += ["--set", f"{name}={value}"]
    reading, writing = os.pipe()
    try:
        if account.is_another:
            os.fchown(reading, account.uid, account.gid)
        os.write(writing, f"{password}\n".encode())
        os.close(writing)
        ran = account.run(command, seconds=_INITDB_SECONDS, stdin=reading, capture_output=True)
    except subprocess.TimeoutExpired:
        raise UserError(f"initdb of a scratch server did not end within {_INITDB_SECONDS} s", where=str(folder.data),
                        next="see whether the disk answers, then run it again") from None  # fmt: skip
    finally:
        os.close(reading)
    if ran.returncode:
        said = complaint.reason((ran.stderr or ran.stdout).splitlines())
        raise disk.full(folder.base, said) or UserError(f"no scratch server could be made: {said}", where=str(folder.data),
                                                        next="mend what it says, then run it again")  # fmt: skip


def _start(folder: ServerFolder, programs: Binaries, account: Account) -> int:
    """Start it on a port that nobody uses, and return that port; another may be faster to take it, so try a few."""
    for left in reversed(range(_TRIES)):
        port = loopback.free_port()
        trouble = start.start(folder, programs, account, port)
        if trouble is None:
            return port
        if loopback.is_free(port) or not left:
            raise trouble
    raise AssertionError
