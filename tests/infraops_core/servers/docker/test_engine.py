"""A conversation with an engine that is not there, closed to us, silent, or in bad shape."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker  # noqa: F401  # before an account takes over that may not read it
import pytest

from infraops_core.errors import UserError
from infraops_core.servers.docker import engine
from infraops_core.servers.embedded import account
from tests.fix_docker import Engine


@contextlib.contextmanager
def another_account() -> Iterator[None]:
    """The effective account without privileges, for as long as the block lasts."""
    other = account.for_server()
    os.setegid(other.gid)
    os.seteuid(other.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@contextlib.contextmanager
def listening(path: Path, answer: Callable[[socket.socket], None]) -> Iterator[None]:
    """Something that takes connections on a socket and gives each to `answer`; it is no engine."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        kept = []

        def take() -> None:
            with contextlib.suppress(OSError):
                while True:
                    taken, _ = listener.accept()
                    kept.append(taken)
                    answer(taken)

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=10)  # or it takes one more that nobody closes
        for each in kept:
            each.close()


def refusal() -> UserError:
    with pytest.raises(UserError) as refused, engine.connected():
        pass
    return refused.value


def test_no_socket(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{open_folder}/none")
    told = refusal()
    assert told.what == "no Docker engine runs: there is no such socket"
    assert told.where == f"unix://{open_folder}/none, by DOCKER_HOST"
    assert "systemctl start docker" in told.next


def test_a_socket_that_nobody_listens_on(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{open_folder}/left")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(open_folder / "left"))
    assert refusal().what == "no Docker engine runs: nobody listens on it"


def test_a_port_that_nobody_listens_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert refusal().what == "the Docker engine does not answer: it broke off: Connection refused"


@pytest.mark.skipif(not account.for_server().is_another, reason="needs another account; unproven: the word for a closed socket")
def test_a_socket_that_is_closed_to_this_account(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{open_folder}/socket")
    with listening(open_folder / "socket", lambda _taken: None):
        (open_folder / "socket").chmod(0o600)
        with another_account():
            told = refusal()
    assert told.what == "this account may not use the Docker engine: permission denied on its socket"
    assert "usermod -aG docker" in told.next


def test_an_engine_that_takes_the_connection_and_stays_silent(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SECONDS", 0.5)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{open_folder}/socket")
    begun = time.monotonic()
    with listening(open_folder / "socket", lambda _taken: None):
        told = refusal()
    assert time.monotonic() - begun < 10
    assert told.what.startswith("the Docker engine does not answer: ")
    assert "systemctl restart docker" in told.next


def test_an_engine_that_breaks_off(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{open_folder}/socket")
    with listening(open_folder / "socket", lambda taken: taken.shutdown(socket.SHUT_RDWR)):
        assert refusal().what == "the Docker engine does not answer: it broke off: Remote end closed connection without response"


def test_an_engine_that_stops_answering_in_the_middle(docker_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SECONDS", 0.2)

    def converse() -> None:
        with engine.connected() as client:
            client.ping()
            next(iter(client.api.get(f"{client.api.base_url}/events", timeout=0.2).iter_lines()))  # it speaks when something happens

    with pytest.raises(UserError, match=r"the Docker engine does not answer: it gave no answer within 0.2 s"):
        converse()


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("write /var/lib/docker/x: no space left on device", "the disk of the Docker engine is full: "),
        ("Range of CPUs is from 0.01 to 2.00", "the Docker engine refused: Range of CPUs"),
    ],
)
def test_what_an_engine_refuses_is_told(said: str, what: str) -> None:
    assert engine.refused(said, "somewhere").what.startswith(what)
