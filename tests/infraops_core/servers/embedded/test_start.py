"""Starting: ports that are taken, disks that are full, logs that tell why."""

import dataclasses
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from infraops_core.errors import UserError
from infraops_core.servers import first_answer, loopback
from infraops_core.servers.embedded import server, start
from tests.fix_postgres import TestServer

US = f"{psutil.Process().name()} (process {os.getpid()})"


@contextmanager
def holding(port: int) -> Iterator[int]:
    """Another program that listens on `port`; 0 for any."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        yield listener.getsockname()[1]


def choices(monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
    """Have these ports be chosen first."""
    left, truth = list(ports), loopback.free_port
    monkeypatch.setattr(loopback, "free_port", lambda: left.pop(0) if left else truth())


def test_at_the_first_start_a_taken_port_is_no_matter(wanted: server.Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    with holding(0) as taken:
        choices(monkeypatch, taken, taken)
        made = server.ensure(wanted)
    assert made.port != taken
    marker = wanted.folder.marker()
    assert marker is not None
    assert marker.port == made.port


def test_a_port_lost_between_the_look_and_the_start_is_no_matter_either(wanted: server.Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    truth, looks = loopback.is_free, [True]
    with holding(0) as taken:
        choices(monkeypatch, taken)
        monkeypatch.setattr(loopback, "is_free", lambda port: looks.pop() if looks else truth(port))
        made = server.ensure(wanted)
    assert made.port != taken
    assert "Address already in use" in wanted.folder.log.read_text()


def test_later_a_taken_port_is_refused_with_its_holder(stopped: server.Wanted) -> None:
    made = server.ensure(stopped)
    server.stop(stopped.folder)
    with holding(made.port), pytest.raises(UserError, match="is taken by") as refused:
        server.ensure(stopped)
    assert refused.value.what == f"port {made.port} of this server is taken by {US}"
    assert refused.value.next.startswith("stop that program, or move the server: pulumi config set infraops:port ")
    assert refused.value.next.endswith(" --stack test")
    assert server.ensure(stopped) == made


def test_a_port_that_was_asked_for_is_never_replaced(wanted: server.Wanted) -> None:
    with holding(0) as taken, pytest.raises(UserError, match=f"port {taken} of this server is taken by"):
        server.ensure(dataclasses.replace(wanted, port=taken))


def test_a_server_that_gives_up_is_quoted_and_only_from_this_start(stopped: server.Wanted) -> None:
    configuration = stopped.folder.data / "postgresql.auto.conf"
    good = configuration.read_text()
    for mistake in ("nonsense = 1", "wal_level = minimal"):
        configuration.write_text(f"{good}{mistake}\n")
        with pytest.raises(UserError, match=f"the server did not start: (LOG|FATAL): .*{mistake.partition(' ')[0]}") as refused:
            server.ensure(stopped)
        assert refused.value.where == str(stopped.folder.log)

    configuration.write_text(good)
    stopped.folder.log.chmod(0o400)
    with pytest.raises(UserError, match=r"the server did not start: .*Permission denied"):
        server.ensure(stopped)


def test_recovery_is_awaited_longer_than_an_answer_but_not_for_ever(stopped: server.Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that restores from an archive stands for one that has much log to read after a crash."""
    (stopped.folder.data / "recovery.signal").touch()
    with (stopped.folder.data / "postgresql.auto.conf").open("a") as configuration:
        configuration.write("restore_command = 'sleep 1.3; false'\nrecovery_target_timeline = 'current'\n")
    monkeypatch.setattr(first_answer, "ANSWER_SECONDS", 0.1)

    with monkeypatch.context() as patch:
        patch.setattr(start, "SECONDS", 1)
        with pytest.raises(UserError, match="the server is not ready after 1 s: LOG: "):
            server.ensure(stopped)

    made = server.ensure(stopped)
    assert TestServer(stopped, made).rows() == [1]


def test_a_big_log_is_set_aside_at_the_next_start(stopped: server.Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    old = stopped.folder.log.read_text()
    monkeypatch.setattr(start, "_LOG_BYTES", 10)
    server.ensure(stopped)
    assert stopped.folder.log.with_name("server.log.1").read_text() == old
    assert "ready to accept connections" in stopped.folder.log.read_text()
