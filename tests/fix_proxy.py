"""A TCP proxy in front of a server on this machine, that fails the way networks do.

`with Proxy(server_port) as proxy:` makes 127.0.0.1:{proxy.port} the server; `proxy.mode = Mode.STALL` silences it from then on.
`Proxy(server_port, Mode.STALL, after=1)` lets a byte of the server's through on each connection first.
"""

import select
import socket
import struct
import threading
from contextlib import ExitStack, suppress
from enum import Enum, auto
from types import TracebackType

LOOPBACK = "127.0.0.1"
_TICK_SECONDS = 0.02
_AT_ONCE = 65536


class Mode(Enum):
    """What becomes of every connection, old and new, and of what is sent on it."""

    PASS = auto()
    STALL = auto()
    """Kept open, nothing gets through; back to PASS, all of it does."""
    RESET = auto()
    """Torn down, as by a firewall that lost its state."""
    HALF_CLOSE = auto()
    """The server's side ends; what the client sends is swallowed."""


class Proxy:
    """The proxy; `port` is where it listens on `host`, `connections` how many it has accepted.

    :param after: how many bytes of the server's each connection gets before `mode` is true of it.
    """

    def __init__(self, server_port: int, mode: Mode = Mode.PASS, *, host: str = LOOPBACK, port: int = 0, after: int = 0) -> None:
        self.mode = mode
        self._after = after
        self.connections = 0
        self._server = (LOOPBACK, server_port)
        self._listener = socket.create_server((host, port))
        self.port: int = self._listener.getsockname()[1]
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._listen, daemon=True)]

    def __enter__(self) -> "Proxy":
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _listen(self) -> None:
        with self._listener:
            while not self._stopped.is_set():
                if select.select([self._listener], [], [], _TICK_SECONDS)[0]:
                    client, _ = self._listener.accept()
                    self.connections += 1
                    self._threads.append(threading.Thread(target=self._carry, args=(client,), daemon=True))
                    self._threads[-1].start()

    def _carry(self, client: socket.socket) -> None:
        with ExitStack() as both, suppress(OSError):  # an end that is gone ends the other
            both.enter_context(client)
            server = both.enter_context(socket.create_connection(self._server))
            other = {client: server, server: client}
            answered = 0
            while other and not self._stopped.is_set():
                mode = self.mode if answered >= self._after else Mode.PASS
                if mode is Mode.STALL:
                    self._stopped.wait(_TICK_SECONDS)
                    continue
                if mode is Mode.RESET:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                if mode is Mode.HALF_CLOSE and server in other:
                    del other[server]
                    client.shutdown(socket.SHUT_WR)
                for end in select.select(list(other), [], [], _TICK_SECONDS)[0]:
                    passed = _pass_on(end, other, swallow=mode is Mode.HALF_CLOSE)
                    answered += passed if end is server else 0


def _pass_on(end: socket.socket, other: dict[socket.socket, socket.socket], *, swallow: bool) -> int:
    """What `end` has sent to the other end, and how many bytes it was; nothing more once it has ended."""
    data = end.recv(_AT_ONCE)
    if swallow and data:
        return 0
    if data:
        other[end].sendall(data)
        return len(data)
    other.pop(end).shutdown(socket.SHUT_WR)
    return 0
