"""How long an answer is waited for."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from infraops_core.access import Access
from infraops_core.database_url import build
from infraops_core.errors import UserError
from infraops_core.servers import first_answer
from infraops_core.servers.docker import answer
from infraops_core.servers.docker.server import Running
from infraops_core.tls import Tls
from tests.fix_docker import Stack

_FIELDS = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"


@contextmanager
def recovering() -> Iterator[int]:
    """A port where every log-in is told what a server tells that reads its log (messages StartupMessage, ErrorResponse)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            with suppress(OSError):
                while True:
                    taken, _ = listener.accept()
                    with taken:
                        taken.recv(4096)
                        taken.sendall(b"E" + struct.pack("!i", len(_FIELDS) + 4) + _FIELDS)

        threading.Thread(target=refuse, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_recovery_is_awaited_longer_than_an_answer_but_not_for_ever(
    container_with_a_row: tuple[Stack, Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    docker_stack, _ = container_with_a_row
    monkeypatch.setattr(first_answer, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(first_answer, "RECOVERY_SECONDS", 1)
    container = docker_stack.client.containers.get(docker_stack.name)
    with recovering() as port:
        access = Access(build("u", "p", host="127.0.0.1", port=port, database="postgres", sslmode=Tls.DISABLE), Tls.DISABLE)
        begun = time.monotonic()
        with pytest.raises(UserError, match=r"the server is not ready after 1 s: .*the database system is starting up"):
            answer.first(container, access)
        assert time.monotonic() - begun > 1
    silent = Access(build("u", "p", host="127.0.0.1", port=1, database="postgres", sslmode=Tls.DISABLE), Tls.DISABLE)
    assert answer.first(container, silent) is None
