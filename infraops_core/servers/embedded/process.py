"""Whether a server runs: its process, its port, its answer."""

import os
import random
import socket
import struct
from enum import Enum
from itertools import pairwise
from pathlib import Path

import psutil

from infraops_core.servers.embedded.folder import ServerFolder

LOOPBACK = "127.0.0.1"
_PORTS = range(15432, 32768)
_LOOK_SECONDS = 2
_PID, _PORT = 0, 3  # lines of postmaster.pid (PostgreSQL source, miscadmin.h, LOCK_FILE_LINE)
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)


class Liveness(Enum):
    """What a look at a server finds."""

    RUNNING = "running"
    SILENT = "runs but gives no answer"
    DOWN = "down"


def look(folder: ServerFolder, port: int) -> Liveness:
    """Whether the server of `folder` runs and answers on `port`; takes at most twice 2 s."""
    if postmaster(folder) is None:
        return Liveness.DOWN
    return Liveness.RUNNING if answers(port) else Liveness.SILENT


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


def free_port() -> int:
    """A port of loopback that nobody uses at this moment, below those that outgoing connections borrow."""
    return next(port for port in random.sample(_PORTS, len(_PORTS)) if is_free(port))


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Postgres does: a closed server's port is free at once
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def holder_of(port: int) -> str:
    """Who listens on `port`, as well as we may see it: `nginx (process 123)`."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass  # macOS lets only root see this
    return "another process"


def answers(port: int) -> bool:
    """Ask for TLS, which Postgres answers with one letter before any log-in (message SSLRequest)."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_LOOK_SECONDS) as connection:
            connection.sendall(_SSL_REQUEST)
            return connection.recv(1) in (b"S", b"N")
    except OSError:
        return False


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
