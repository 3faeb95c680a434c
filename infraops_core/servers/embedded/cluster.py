"""Make a data folder, complete or not at all."""

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from infraops_core.errors import UserError
from infraops_core.servers import complaint
from infraops_core.servers.embedded import disk
from infraops_core.servers.embedded.account import Account
from infraops_core.servers.embedded.binaries import Binaries
from infraops_core.servers.embedded.folder import ServerFolder

_INITDB_SECONDS = 180
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "wal_level": "logical",
    "max_prepared_transactions": "10",
}


def initialise(folder: ServerFolder, binaries: Binaries, account: Account, *, admin: str, password: str, lock: int) -> None:
    """Fill `folder.data` with a new cluster whose only role is `admin`, who logs in by SCRAM over TCP.

    The cluster grows in a folder beside it and takes its name when it is complete, so a crash leaves no half one.

    :param lock: descriptor of the folder's lock; initdb holds it too, for it may outlive us.
    :raises UserError: when the disk is full or initdb fails.
    """
    with suppress(OSError):
        folder.unfinished.rmdir()  # an initdb that failed has emptied it
    if folder.unfinished.exists():
        aside = folder.base / f"unfinished-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
        folder.unfinished.rename(aside)
        print(f"Set aside {aside}: an initialisation that never ended")
    folder.unfinished.mkdir(mode=0o700)
    account.take(folder.unfinished)
    command = [binaries["initdb"], "--pgdata", str(folder.unfinished), "--username", admin, "--pwfile", "/dev/stdin",
               "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--data-checksums", "--no-instructions"]  # fmt: skip
    for name, value in _SETTINGS.items():
        command += ["--set", f"{name}={value}"]
    _run_initdb(command, account, password, folder, lock)
    if folder.data.exists():
        folder.data.rmdir()  # an empty one; anything in it would be refused here
    folder.unfinished.rename(folder.data)
    _sync(folder.base)


def _run_initdb(command: list[str], account: Account, password: str, folder: ServerFolder, lock: int) -> None:
    """The password goes through a pipe: it is on no disk and in no argument."""
    reading, writing = os.pipe()
    try:
        if account.is_another:
            os.fchown(reading, account.uid, account.gid)
        os.write(writing, f"{password}\n".encode())
        os.close(writing)
        ran = account.run(command, seconds=_INITDB_SECONDS, stdin=reading, capture_output=True, pass_fds=[lock])
    except subprocess.TimeoutExpired:
        raise UserError(
            f"initdb did not end within {_INITDB_SECONDS} s",
            where=str(folder.unfinished),
            next="see whether the disk answers, then run it again",
        ) from None
    finally:
        os.close(reading)
    if ran.returncode == 0:
        return
    said = complaint.reason((ran.stderr or ran.stdout).splitlines())
    raise disk.full(folder.base, said) or UserError(
        f"initdb failed: {said}",
        where=str(folder.unfinished),
        next="mend what it says, then run it again",
    )


def _sync(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
