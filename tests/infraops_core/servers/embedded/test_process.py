"""Which process is the server, whatever its pid file says."""

import os
import subprocess
import threading
from collections.abc import Callable

import psutil
import pytest

from infraops_core.servers import loopback
from infraops_core.servers.embedded import account as accounts
from infraops_core.servers.embedded import process, server
from infraops_core.servers.embedded.folder import ServerFolder
from tests.fix_postgres import TestServer, as_account, wait_until


def dead_pid() -> int:
    with subprocess.Popen(["true"]) as ended:
        pass
    return ended.pid


def test_a_stale_pid_file_is_no_matter(
    with_a_row: TestServer, stranger: "subprocess.Popen[bytes]", capsys: pytest.CaptureFixture[str]
) -> None:
    """After kill -9, a reboot or a power cut: the number is nobody's, or anybody's, or was never written."""
    stale = {
        "a dead process": (f"{dead_pid()}\n", False),  # Postgres clears it
        "a stranger": (f"{stranger.pid}\n", True),
        "a single-user session that became a stranger": (f"-{stranger.pid}\n", True),
        "an empty file": ("", True),
        "nonsense": ("nonsense\n", True),
    }
    told = f"Clearing  {with_a_row.folder.pid_file}: the server it speaks of is not there"
    for what, (begin, cleared) in stale.items():
        rest = with_a_row.folder.pid_file.read_text().partition("\n")[2]
        with_a_row.kill()
        with_a_row.folder.pid_file.write_text(begin + rest if begin else "")
        capsys.readouterr()

        assert server.ensure(with_a_row.wanted) == with_a_row.running, what
        assert with_a_row.rows() == [1], what
        assert stranger.poll() is None, what
        assert (told in capsys.readouterr().out) == cleared, what


def test_a_threads_number_misleads_postgres_too(stopped: server.Wanted) -> None:
    """`kill(pid, 0)`, by which it asks, finds threads; most lists of processes do not show them."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        stopped.folder.pid_file.write_text(f"{thread.native_id}\n")
        assert process.postmaster(stopped.folder) is None
        assert process.pid_file_is_misleading(stopped.folder)
    finally:
        done.set()
        thread.join()


def test_a_shell_in_the_data_folder_is_no_server(stopped: server.Wanted) -> None:
    account = accounts.for_server()
    with subprocess.Popen(as_account(account, ["/bin/sleep", "600"]), cwd=stopped.folder.data) as visitor:
        wait_until(lambda: psutil.Process(visitor.pid).name() == "sleep", "the visitor")
        stopped.folder.pid_file.write_text(f"{visitor.pid}\n")
        assert process.postmaster(stopped.folder) is None
        assert process.left_behind(stopped.folder) == []
        TestServer(stopped, server.ensure(stopped))
        visitor.kill()


def test_a_look_finds_a_server_running_silent_or_down(with_a_row: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "_LOOK_SECONDS", 0.5)

    def look() -> process.Liveness:
        return process.look(with_a_row.folder, with_a_row.running.port)

    assert look() is process.Liveness.RUNNING
    assert process.look(with_a_row.folder, loopback.free_port()) is process.Liveness.SILENT
    with_a_row.process.suspend()
    assert look() is process.Liveness.SILENT
    with_a_row.process.resume()
    wait_until(lambda: look() is process.Liveness.RUNNING, "the answer")
    server.stop(with_a_row.folder)
    assert look() is process.Liveness.DOWN


@pytest.mark.parametrize("noted", [lambda _: None, lambda file: file.write_text(""), lambda file: file.write_text(f"{os.getpid()}\n")])
def test_without_a_server_there_is_none(wanted: server.Wanted, noted: Callable[[object], object]) -> None:
    folder: ServerFolder = wanted.folder
    folder.data.mkdir(parents=True)
    noted(folder.pid_file)
    assert process.postmaster(folder) is None
    assert process.left_behind(folder) == []
    assert process.look(folder, loopback.free_port()) is process.Liveness.DOWN
