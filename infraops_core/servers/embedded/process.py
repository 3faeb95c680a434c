"""Whether a server runs: its process, its port, its answer."""

import random
import socket
import struct
from enum import Enum
from pathlib import Path

import psutil

from infraops_core.servers.embedded.folder import ServerFolder

LOOPBACK = "127.0.0.1"
_PORTS = range(15432, 32768)
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)


class Liveness(Enum):
    """What a look at a server finds."""

    RUNNING = "running"
    SILENT = "runs but gives no answer"
    DOWN = "down"


def look(folder: ServerFolder, port: int) -> Liveness:
    """Whether the server of `folder` runs and answers on `port`; takes at most 2 s."""
    if postmaster(folder) is None:
        return Liveness.DOWN
    return Liveness.RUNNING if _answers(port) else Liveness.SILENT


def postmaster(folder: ServerFolder) -> psutil.Process | None:
    """The server process of this data folder, whatever its pid file may claim."""
    try:
        pid = int(folder.pid_file.read_text().split("\n")[0])
    except (OSError, ValueError):
        return None
    return _process_of(pid, folder.data)


def left_behind(folder: ServerFolder) -> list[psutil.Process]:
    """Processes that still work in the data folder: a killed server's own, which end by themselves."""
    return [process for process in psutil.process_iter() if _process_of(process.pid, folder.data)]


def pid_file_is_misleading(folder: ServerFolder) -> bool:
    """Whether the pid file names a living process that has nothing to do with this folder.

    After a reboot the number may belong to anyone, and Postgres, which sees only that it is alive, would refuse
    to start. A dead process' file is Postgres' own to clear.
    """
    try:
        pid = int(folder.pid_file.read_text().split("\n")[0])
    except (OSError, ValueError):
        return False
    return psutil.pid_exists(pid) and _process_of(pid, folder.data) is None and not left_behind(folder)


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


def _process_of(pid: int, data: Path) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or Path(process.cwd()) != data.resolve():
            return None
    except (psutil.Error, OSError):
        return None
    return process


def _answers(port: int) -> bool:
    """Ask for TLS, which Postgres answers with one letter before any log-in (message SSLRequest)."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=2) as connection:
            connection.sendall(_SSL_REQUEST)
            return connection.recv(1) in (b"S", b"N")
    except OSError:
        return False
