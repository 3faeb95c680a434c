"""Whether a server runs: its process, and its answer."""

import os
from enum import Enum
from itertools import pairwise
from pathlib import Path

import psutil

from infraops_core.servers import loopback
from infraops_core.servers.embedded.folder import ServerFolder

_PID, _PORT = 0, 3  # lines of postmaster.pid (PostgreSQL source, miscadmin.h, LOCK_FILE_LINE)


class Liveness(Enum):
    """What a look at a server finds."""

    RUNNING = "running"
    SILENT = "runs but gives no answer"
    DOWN = "down"


def look(folder: ServerFolder, port: int) -> Liveness:
    """Whether the server of `folder` runs and answers on `port`; takes at most twice 2 s."""
    if postmaster(folder) is None:
        return Liveness.DOWN
    return Liveness.RUNNING if loopback.answers(port) else Liveness.SILENT


def postmaster(folder: ServerFolder) -> psutil.Process | None:
    """The server process of this data folder, whatever its pid file may claim."""
    noted = _process_of(_noted(folder, _PID), folder.data)
    if noted is not None or folder.pid_file.exists():
        return noted
    in_the_folder = (process for process in psutil.process_iter() if _process_of(process.pid, folder.data))
    return next(filter(_is_postmaster, in_the_folder), None)  # its file was deleted under it


def _is_postmaster(process: psutil.Process) -> bool:
    """Whether a process still has a server's own arguments; those a server forks show a title instead."""
    try:
        return "-D" in process.cmdline()
    except psutil.Error:
        return False


def port_of(folder: ServerFolder) -> int:
    """The port the running server was started with, by its own word; 0 where it has not said."""
    return _noted(folder, _PORT)


def left_behind(folder: ServerFolder) -> list[psutil.Process]:
    """What works in the data folder; without a server it is what a killed one left, or a start that a killed run began."""
    return [process for process in psutil.process_iter() if _process_of(process.pid, folder.data) or _starts(process, folder.data)]


def pid_file_is_misleading(folder: ServerFolder) -> bool:
    """Whether Postgres would refuse to start for a pid file of a server that is not there.

    It sees only that a process of that number lives, which after a reboot may be anyone's, and gives up on a file
    that a power cut left empty. A dead process' file is its own to clear.
    """
    if not folder.pid_file.exists() or left_behind(folder):
        return False
    pid = abs(_noted(folder, _PID))
    return pid == 0 or _lives(pid)


def _noted(folder: ServerFolder, line: int) -> int:
    """A number in the pid file; 0 where there is none. A single-user session notes its pid below zero."""
    try:
        return int(folder.pid_file.read_text().splitlines()[line])
    except (OSError, ValueError, IndexError):
        return 0


def _process_of(pid: int, data: Path) -> psutil.Process | None:
    if pid <= 0:
        return None
    try:
        process = psutil.Process(pid)
        if process.name() != "postgres" or process.status() == psutil.STATUS_ZOMBIE or Path(process.cwd()) != data.resolve():
            return None
    except (psutil.Error, OSError):
        return None
    return process


def _starts(process: psutil.Process, data: Path) -> bool:
    """Whether it is pg_ctl, or a server not yet in its folder; a postmaster's own pid file comes a moment later."""
    try:
        arguments = process.cmdline()
    except psutil.Error:
        return False
    return any(option in ("-D", "--pgdata") and value == str(data) for option, value in pairwise(arguments))


def _lives(pid: int) -> bool:
    """What Postgres asks; unlike `psutil.pid_exists` it is true of a thread's number as well."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
