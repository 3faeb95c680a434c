"""Start a server with pg_ctl, or say why it does not start."""

import subprocess

from infraops_core.errors import UserError
from infraops_core.servers import complaint, loopback
from infraops_core.servers.embedded import disk, process
from infraops_core.servers.embedded.account import Account
from infraops_core.servers.embedded.binaries import Binaries
from infraops_core.servers.embedded.folder import ServerFolder

SECONDS = 300  # crash recovery reads the log since the last checkpoint

_LOG_BYTES = 16 * 2**20
_READ_BYTES = 64 * 2**10


def start(folder: ServerFolder, programs: Binaries, account: Account, port: int) -> UserError | None:
    """Start the server on `port` and wait until it is ready; what went wrong otherwise, for the caller to judge."""
    _set_big_log_aside(folder)
    folder.log.parent.mkdir(mode=0o700, exist_ok=True)
    account.take(folder.log.parent)
    begun = folder.log.stat().st_size if folder.log.exists() else 0
    print(f"Starting  Postgres {programs.version} on {loopback.LOOPBACK}:{port}")
    command = [programs["pg_ctl"], "start", "--pgdata", str(folder.data), "--log", str(folder.log), "--wait",
               "--timeout", str(SECONDS), "--options", f"-c port={port}"]  # fmt: skip
    try:  # the server's own output goes to its log, so these pipes end with pg_ctl
        ran = account.run(command, seconds=SECONDS + 20, stdin=subprocess.DEVNULL, capture_output=True)
    except subprocess.TimeoutExpired:
        return _not_ready(folder)
    if ran.returncode == 0:
        return None
    if process.postmaster(folder) is not None:
        return _not_ready(folder)
    return _gave_up(folder, _logged(folder, begun) or (ran.stderr + ran.stdout).splitlines())


def last_line(folder: ServerFolder) -> str:
    """What the server wrote last."""
    return complaint.without_time((_logged(folder, 0) or ["it wrote no log"])[-1])


def _gave_up(folder: ServerFolder, lines: list[str]) -> UserError:
    """The error for a server that has ended, from what it wrote, or else pg_ctl."""
    reason = complaint.reason(lines)
    return disk.full(folder.base, reason) or UserError(
        f"the server did not start: {reason}", where=str(folder.log), next="mend what it says, then run it again"
    )


def _not_ready(folder: ServerFolder) -> UserError:
    return UserError(
        f"the server is not ready after {SECONDS} s: {last_line(folder)}",
        where=str(folder.log),
        next="after a crash it reads its log first; when that has ended, run it again",
    )


def _set_big_log_aside(folder: ServerFolder) -> None:
    """Keep the log and the one before it from filling the disk over the years."""
    if folder.log.exists() and folder.log.stat().st_size > _LOG_BYTES:
        folder.log.replace(folder.log.with_name("server.log.1"))


def _logged(folder: ServerFolder, begun: int) -> list[str]:
    """The log's last lines, none of them from before the offset `begun`."""
    try:
        with folder.log.open("rb") as log:
            log.seek(max(begun, folder.log.stat().st_size - _READ_BYTES))
            return log.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
