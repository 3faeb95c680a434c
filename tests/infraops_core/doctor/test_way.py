"""The way to the server, broken at each of its steps: the step is named, the rest is not tried, and nothing takes long."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infraops_core.doctor import subject as subjects
from infraops_core.doctor.check import Verdict
from infraops_core.doctor.subject import Role
from infraops_core.errors import ExitCode
from infraops_core.servers import loopback
from infraops_core.servers.loopback import LOOPBACK
from tests.fix_proxy import Mode, Proxy
from tests.infraops_core.doctor.conftest import Examine, Patient

NOWHERE = "postgresql://u:hidden-word@no-such-host.example.invalid/d?sslmode=require"


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is silent is given up soon."""
    from infraops_core.doctor import encryption, network

    for module in (network, encryption):
        monkeypatch.setattr(module, "STEP_SECONDS", 0.5)
    monkeypatch.setattr(subjects, "SESSION_SECONDS", 2.0)


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """The port of a server that reads something, says `answer`, and ends every connection."""
    with socket.create_server((LOOPBACK, 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(100)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def url_at(port: int) -> str:
    return f"postgresql://u:hidden-word@{LOOPBACK}:{port}/d?sslmode=disable"


def test_a_host_that_no_name_server_knows(examine: Examine) -> None:
    seen = examine({"DATABASE_URL": NOWHERE})
    assert seen.wrong == {"dns.resolves": Verdict.FAIL}
    assert "no-such-host.example.invalid has no address" in seen["dns.resolves"].found
    assert {one.found for name, one in seen.results.items() if name in ("tcp.connects", "login.app", "latency", "privileges.app")} == {
        "dns.resolves failed"
    }
    assert seen.code is ExitCode.COULD_NOT_CHECK


@pytest.mark.usefixtures("_impatient")
def test_a_name_server_that_is_silent(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(20))
    try:
        seen = examine({"DATABASE_URL": NOWHERE})
    finally:
        over.set()
    assert "no name server told the address of no-such-host.example.invalid within 0.5 s" in seen["dns.resolves"].found
    assert seen.seconds < 3


def test_a_server_that_is_stopped(examine: Examine) -> None:
    seen = examine({"DATABASE_URL": url_at(loopback.free_port())})
    assert seen.wrong == {"tcp.connects": Verdict.FAIL}
    assert "Connection refused" in seen["tcp.connects"].found
    assert seen["login.app"].found == "tcp.connects failed"
    assert seen.code is ExitCode.COULD_NOT_CHECK


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "is no Postgres: it answers a request for TLS with b'H'"),
        (b"", "ended the connection without a word"),
    ],
)
def test_what_listens_is_no_postgres(examine: Examine, answer: bytes, says: str) -> None:
    with answering(answer) as port:
        seen = examine({"DATABASE_URL": url_at(port)})
    assert seen.wrong == {"server.answers": Verdict.FAIL}
    assert says in seen["server.answers"].found
    assert seen.code is ExitCode.COULD_NOT_CHECK


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize(
    ("mode", "says"),
    [
        (Mode.STALL, "takes connections, and says nothing within 0.5 s"),
        (Mode.RESET, "ended the connection"),  # reset, broken pipe or end: by when the reset arrives
        (Mode.HALF_CLOSE, "ended the connection without a word"),
    ],
)
def test_a_proxy_that_fails_from_the_start(patient: Patient, examine: Examine, mode: Mode, says: str) -> None:
    with Proxy(patient.made.server.running.port, mode) as proxy:
        seen = examine({"DATABASE_URL": patient.access(Role.APP).url.with_password().replace(
            f":{patient.made.server.running.port}/", f":{proxy.port}/")})  # fmt: skip
    [(check, verdict)] = seen.wrong.items()
    assert verdict is Verdict.FAIL
    if mode is Mode.RESET and check == "tcp.connects":  # the reset was faster than we
        assert "Connection reset by peer" in seen[check].found
    else:
        assert (check, says in seen[check].found) == ("server.answers", True)
    assert seen.seconds < 3
    assert seen.code is ExitCode.COULD_NOT_CHECK


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("mode", [Mode.STALL, Mode.RESET, Mode.HALF_CLOSE])
def test_a_proxy_that_fails_after_the_log_in(patient: Patient, examine: Examine, monkeypatch: pytest.MonkeyPatch, mode: Mode) -> None:
    with Proxy(patient.made.server.running.port) as proxy:
        log_in = subjects.Subject.log_in

        def then_broken(subject: subjects.Subject, role: Role) -> object:
            connection = log_in(subject, role)
            proxy.mode = mode
            return connection

        monkeypatch.setattr(subjects.Subject, "log_in", then_broken)
        seen = examine({"DATABASE_URL": patient.access(Role.APP).url.with_password().replace(
            f":{patient.made.server.running.port}/", f":{proxy.port}/")})  # fmt: skip
    assert seen["login.app"].verdict is Verdict.PASS
    assert seen["latency"].verdict is Verdict.FAIL
    assert "the server did not answer" in seen["latency"].found
    assert seen.seconds < 5
    assert seen.code is ExitCode.FOUND_BAD


def test_one_of_two_hosts_is_down_and_the_other_is_used(patient: Patient, examine: Examine) -> None:
    down, up = loopback.free_port(), patient.made.server.running.port
    url = patient.access(Role.APP).url.with_password().replace(f"{LOOPBACK}:{up}/", f"{LOOPBACK}:{down},{LOOPBACK}:{up}/")
    seen = examine({"DATABASE_URL": url})
    assert seen.wrong == {"tcp.connects": Verdict.WARN}
    assert f"{LOOPBACK}:{down} cannot be reached" in seen["tcp.connects"].found
    assert f"{LOOPBACK}:{up} in " in seen["tcp.connects"].found
    assert seen["login.app"].verdict is Verdict.PASS


def test_the_time_for_all_of_it_is_bounded(patient: Patient, examine: Examine) -> None:
    with Proxy(patient.made.server.running.port, Mode.STALL) as proxy:
        seen = examine({"DATABASE_URL": url_at(proxy.port)}, seconds=1.0)
    assert seen.seconds < 3
    assert seen.code is ExitCode.COULD_NOT_CHECK


def test_a_hosts_file_that_is_wrong_is_told_once(examine: Examine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("db.example.test 127.0.0.1\n")
    monkeypatch.setenv("INFRAOPS_HOSTS", str(file))
    seen = examine({"DATABASE_URL": NOWHERE})
    assert seen.wrong == {"environment": Verdict.FAIL}
    assert "a line has a name, an address and a port" in seen["environment"].found


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"DATABASE_URL": "mysql://u:hidden-word@h/d"}, "postgres:// or postgresql://"),
        ({"DATABASE_URL": url_at(1), "DATABASE_SSL_MODE": "require"}, "DATABASE_SSL_MODE"),
        ({"DATABASE_URL": url_at(1), "DATABASE_PROVIDER": "neon"}, "DATABASE_PROVIDER"),
    ],
)
def test_variables_that_contradict_one_another_fail_and_nothing_else_is_tried(
    examine: Examine, variables: dict[str, str], says: str
) -> None:
    seen = examine(variables)
    assert seen.wrong == {"environment": Verdict.FAIL}
    assert says in seen["environment"].found
    assert seen["dns.resolves"].found == "environment failed"
    assert seen.code is ExitCode.FOUND_BAD
