"""The address that our servers listen on, and its ports: which is free, who has it, whether a server answers there."""

import random
import socket
import struct

import psutil

LOOPBACK = "127.0.0.1"
_PORTS = range(15432, 32768)
_LOOK_SECONDS = 2
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)


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
