"""A server's life: made once, left alone, moved, halted, killed, removed."""

import dataclasses
import json
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from infraops_core import passwords
from infraops_core.errors import UserError
from infraops_core.servers import first_answer, loopback
from infraops_core.servers.embedded import process, server
from infraops_core.servers.embedded.folder import Marker
from tests.fix_postgres import TestServer, run_apart, wait_until

needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")


def test_it_is_made_once_and_then_left_alone(wanted: server.Wanted, capsys: pytest.CaptureFixture[str]) -> None:
    made = server.ensure(wanted)
    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()] == ["Initialising", "Starting"]
    pid = TestServer(wanted, made).process.pid

    assert server.ensure(wanted) == made
    assert capsys.readouterr().out == ""
    assert TestServer(wanted, made).process.pid == pid


def test_it_is_set_up_for_replication_and_closed_to_the_network(postgres: TestServer) -> None:
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
        "wal_level": "logical",
        "max_prepared_transactions": "10",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "fsync": "on",
    }
    with postgres.access().connect(seconds=60) as connection:
        rows = connection.execute("select name, setting from pg_settings where name = any(%s)", (list(settings),)).fetchall()
        rules = connection.execute("select distinct auth_method from pg_hba_file_rules").fetchall()
    assert dict(rows) == settings
    assert rules == [("scram-sha-256",)]


@needs_proc
def test_the_password_is_in_no_process_and_no_file(wanted: server.Wanted) -> None:
    made = TestServer(wanted, server.ensure(wanted))
    secret = wanted.admin_password.encode()
    for one in [made.process, *made.process.children(recursive=True)]:
        for name in ("environ", "cmdline"):
            with suppress(FileNotFoundError, ProcessLookupError):  # a worker's life is short
                assert secret not in Path(f"/proc/{one.pid}/{name}").read_bytes()
    server.stop(wanted.folder)
    for path in wanted.folder.base.rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes(), path


def test_the_port_is_kept(stopped: server.Wanted) -> None:
    first = server.ensure(stopped)
    server.stop(stopped.folder)
    assert server.ensure(stopped) == first


def test_another_port_moves_the_server_and_is_kept_from_then_on(with_a_row: TestServer, capsys: pytest.CaptureFixture[str]) -> None:
    before, port = with_a_row.running.port, loopback.free_port()
    moved = server.ensure(dataclasses.replace(with_a_row.wanted, port=port))
    assert moved == dataclasses.replace(with_a_row.running, port=port)
    assert f"Stopping  Postgres on port {before}, to move it to {port}" in capsys.readouterr().out
    assert TestServer(with_a_row.wanted, moved).rows() == [1]
    assert loopback.is_free(before)
    assert server.ensure(with_a_row.wanted) == moved


def test_a_server_that_someone_moved_is_moved_back(with_a_row: TestServer) -> None:
    """The port in the folder's marker holds, whatever the server was started with by hand."""
    kept, port = with_a_row.running.port, loopback.free_port()
    server.ensure(dataclasses.replace(with_a_row.wanted, port=port))
    with_a_row.folder.mark(Marker("infraops", "test", kept))
    assert server.ensure(with_a_row.wanted) == with_a_row.running


def test_another_password_than_the_folders_is_refused(with_a_row: TestServer) -> None:
    other = passwords.generate()
    with pytest.raises(UserError, match="does not know this stack's password of infraops_admin") as refused:
        server.ensure(dataclasses.replace(with_a_row.wanted, admin_password=other))
    assert other not in str(refused.value)
    assert with_a_row.rows() == [1]


def test_a_server_killed_with_9_comes_back_with_its_rows(with_a_row: TestServer) -> None:
    with_a_row.process.kill()
    assert server.ensure(with_a_row.wanted) == with_a_row.running
    assert with_a_row.rows() == [1]


def test_what_a_killed_server_left_is_awaited_then_named(with_a_row: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend in the middle of long work does not notice that its server is gone; one that was halted neither."""
    with with_a_row.access().connect(seconds=60) as connection:
        backend = psutil.Process(connection.info.backend_pid)
        backend.suspend()
        with_a_row.process.kill()
        wait_until(lambda: process.left_behind(with_a_row.folder) == [backend], "the end of all but the halted backend")

        monkeypatch.setattr(server, "_ORPHAN_SECONDS", 0.2)
        for take in (server.ensure, lambda wanted: server.remove(wanted.folder, "infraops", "test")):
            with pytest.raises(UserError, match=f"processes of it still work in its data folder: {backend.pid}") as refused:
                take(with_a_row.wanted)
            assert refused.value.next == f"kill -9 {backend.pid}; then run it again"
        backend.kill()
    assert server.ensure(with_a_row.wanted) == with_a_row.running
    assert with_a_row.rows() == [1]


def test_a_halted_server_is_named_and_nothing_hangs(with_a_row: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_answer, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(first_answer, "_TRY_SECONDS", 1)
    halted = with_a_row.process
    halted.suspend()
    begun = time.monotonic()
    with pytest.raises(UserError, match=f"its process {halted.pid} has been halted") as refused:
        server.ensure(with_a_row.wanted)
    assert time.monotonic() - begun < 15
    assert refused.value.next == f"kill -CONT {halted.pid}; then run it again"

    halted.resume()
    assert server.ensure(with_a_row.wanted) == with_a_row.running


def test_a_server_that_ends_between_the_look_and_the_question_is_started(with_a_row: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [with_a_row.process]
    server.stop(with_a_row.folder)
    truth = process.postmaster
    monkeypatch.setattr(process, "postmaster", lambda folder: seen.pop() if seen else truth(folder))
    monkeypatch.setattr(process, "port_of", lambda _folder: with_a_row.running.port)
    assert server.ensure(with_a_row.wanted) == with_a_row.running


def test_a_server_that_ends_each_time_is_told(with_a_row: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.stop(with_a_row.folder)
    monkeypatch.setattr(server, "_up", lambda *_of_server: with_a_row.running.port)
    with pytest.raises(UserError, match="the server ended before it answered: LOG:  database system is shut down"):
        server.ensure(with_a_row.wanted)


def test_remove_stops_the_server_and_deletes_its_folder(with_a_row: TestServer, capsys: pytest.CaptureFixture[str]) -> None:
    of_server = [with_a_row.process, *with_a_row.process.children()]
    capsys.readouterr()
    server.remove(with_a_row.folder, "infraops", "test")
    base = with_a_row.folder.base
    assert capsys.readouterr().out.splitlines() == [f"Stopping  Postgres in {base}/data", f"Removing  {base}, the data of stack test"]
    assert not base.exists()
    assert not base.parent.exists()  # it was the last of its servers
    assert base.parents[1].is_dir()  # not ours to remove, empty or not
    assert psutil.wait_procs(of_server, timeout=10)[1] == []
    assert loopback.is_free(with_a_row.running.port)
    server.remove(with_a_row.folder, "infraops", "test")


def test_a_halted_server_can_be_removed(with_a_row: TestServer) -> None:
    with_a_row.process.suspend()
    server.remove(with_a_row.folder, "infraops", "test")
    assert not with_a_row.folder.base.exists()


def test_remove_refuses_another_stacks_folder(with_a_row: TestServer) -> None:
    for project, stack in [("infraops", "other"), ("other", "test")]:
        with pytest.raises(UserError, match=f"belongs to the stack test of infraops, not to {stack} of {project}"):
            server.remove(with_a_row.folder, project, stack)
    assert with_a_row.rows() == [1]


def test_remove_refuses_data_that_nobody_has_marked(stopped: server.Wanted) -> None:
    (stopped.folder.base / "infraops.json").rename(stopped.folder.base / "elsewhere.json")
    with pytest.raises(UserError, match="a data folder that no stack of ours has made"):
        server.remove(stopped.folder, "infraops", "test")
    (stopped.folder.base / "elsewhere.json").rename(stopped.folder.base / "infraops.json")
    assert TestServer(stopped, server.ensure(stopped)).rows() == [1]


def test_a_removal_that_was_cut_short_is_taken_up_again(stopped: server.Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every point but the last the marker is still there, and says that the rest may go."""
    folders = [path for path in stopped.folder.base.iterdir() if path.is_dir()]
    real = shutil.rmtree

    def one_and_no_more(path: Path) -> None:
        if path not in folders or not all(folder.exists() for folder in folders):
            raise KeyboardInterrupt
        real(path)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", one_and_no_more)
        with pytest.raises(KeyboardInterrupt):
            server.remove(stopped.folder, "infraops", "test")
    assert json.loads((stopped.folder.base / "infraops.json").read_text())["stack"] == "test"
    server.remove(stopped.folder, "infraops", "test")
    assert not stopped.folder.base.exists()


def test_a_start_that_a_killed_run_began_is_found(stopped: server.Wanted) -> None:
    """The run is dead, its pg_ctl is not: the server comes up a moment after someone looked for it."""
    with run_apart(stopped) as run:
        assert run.stdout is not None
        assert run.stdout.readline().startswith("Starting")
        run.kill()
    made = server.ensure(stopped)
    assert TestServer(stopped, made).rows() == [1]
    server.stop(stopped.folder)

    with run_apart(stopped) as run:
        assert run.stdout is not None
        assert run.stdout.readline().startswith("Starting")
        run.kill()
    server.remove(stopped.folder, "infraops", "test")
    assert not stopped.folder.base.exists()
    assert process.left_behind(stopped.folder) == []


def test_a_terminals_ctrl_c_does_not_reach_the_server(postgres: TestServer) -> None:
    assert os.getsid(postgres.process.pid) != os.getsid(0)
    assert postgres.process.terminal() is None


def test_a_server_whose_pid_file_was_deleted_is_still_found_and_removed(wanted: server.Wanted) -> None:
    server.ensure(wanted)
    wanted.folder.pid_file.unlink()
    found = process.postmaster(wanted.folder)
    assert found is not None
    server.remove(wanted.folder, wanted.project, wanted.stack)
    assert not found.is_running() or found.status() == psutil.STATUS_ZOMBIE
    assert not wanted.folder.base.exists()
