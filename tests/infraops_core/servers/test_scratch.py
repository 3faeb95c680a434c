"""A scratch server: there at once, open to nobody else, and gone whatever happens."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from infraops_core.errors import UserError
from infraops_core.servers import loopback, scratch
from infraops_core.servers.embedded import binaries
from infraops_core.servers.embedded.account import Account
from infraops_core.servers.embedded.binaries import Binaries
from tests.fix_postgres import wait_until

PROGRAMS = binaries.find([17], None)
RUN = """
import sys, time
from infraops_core.servers import scratch
from infraops_core.servers.embedded import binaries
with scratch.server(binaries.find([17], None)) as server:
    with server.admin.connect(seconds=30) as connection:
        print(connection.execute("show data_directory").fetchone()[0], flush=True)
    time.sleep(600)
"""


def folder_of(server: scratch.Scratch) -> Path:
    with server.admin.connect(seconds=30) as connection:
        row = connection.execute("show data_directory").fetchone()
    assert row is not None
    return Path(row[0]).parent


def works_in(folder: Path) -> list[psutil.Process]:
    """Every process that has its working folder there."""
    found = []
    for one in psutil.process_iter():
        try:
            if Path(one.cwd()).is_relative_to(folder):
                found.append(one)
        except (psutil.Error, OSError):
            continue
    return found


def test_it_is_there_and_then_gone() -> None:
    with scratch.server(PROGRAMS) as server:
        folder = folder_of(server)
        assert works_in(folder)
        assert server.admin.url.is_loopback
        with server.admin.connect(seconds=30) as connection:
            row = connection.execute("select current_setting('fsync'), current_setting('listen_addresses'), version()").fetchone()
        assert row is not None
        assert row[:2] == ("off", "127.0.0.1")
        assert f"PostgreSQL {PROGRAMS.version}" in row[2]
    assert not folder.exists()
    wait_until(lambda: not works_in(folder), "the end of the server")
    assert loopback.is_free(server.admin.url.port)


def test_nobody_gets_in_without_its_password() -> None:
    with scratch.server(PROGRAMS) as server:
        for password in ("", "wrong"):
            with (
                pytest.raises(psycopg.OperationalError, match="password"),
                server.access(scratch.ADMIN, password, "postgres").connect(seconds=5),
            ):
                pass
        data = folder_of(server) / "data"
        assert data.stat().st_mode & 0o77 == 0
        assert server.admin.url.password not in "".join(path.read_text() for path in data.glob("*.conf"))


def test_two_at_once_do_not_meet() -> None:
    with scratch.server(PROGRAMS) as one, scratch.server(PROGRAMS) as other:
        assert one.admin.url.port != other.admin.url.port
        assert folder_of(one) != folder_of(other)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_passes_and_leaves_nothing(error: type[BaseException]) -> None:
    def broken() -> None:
        with scratch.server(PROGRAMS) as server:
            folders.append(folder_of(server))
            raise error

    folders: list[Path] = []
    with pytest.raises(error):
        broken()
    assert not folders[0].exists()
    wait_until(lambda: not works_in(folders[0]), "the end of the server")


def test_what_does_not_start_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []
    make = scratch._new_folder

    def noted(account: Account) -> Path:
        made.append(make(account))
        return made[-1]

    monkeypatch.setattr(scratch, "_new_folder", noted)
    for program in ("initdb", "pg_ctl", "postgres"):
        (tmp_path / program).write_text("#!/bin/sh\necho 'initdb: error: out of luck' >&2\nexit 1\n")
        (tmp_path / program).chmod(0o755)
    tmp_path.chmod(0o755)
    with pytest.raises(UserError, match="out of luck"), scratch.server(Binaries(tmp_path, "17.10", self_contained=True)):
        pass
    assert len(made) == 1
    assert not made[0].exists()


@pytest.fixture
def run() -> Iterator["subprocess.Popen[str]"]:
    """A process that has a scratch server, which it has named."""
    with subprocess.Popen([sys.executable, "-u", "-c", RUN], stdout=subprocess.PIPE, text=True, start_new_session=True) as started:
        yield started
        started.kill()


def data_of(run: "subprocess.Popen[str]") -> Path:
    assert run.stdout is not None
    for line in run.stdout:
        if line.startswith("/"):
            return Path(line.strip())
    raise AssertionError("the run ended early")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_killed_leaves_nothing(run: "subprocess.Popen[str]", number: signal.Signals) -> None:
    folder = data_of(run).parent
    os.killpg(run.pid, number)  # as Ctrl-C does: everything in the terminal's foreground
    run.wait(timeout=30)
    wait_until(lambda: not folder.exists(), "the end of the folder")
    wait_until(lambda: not works_in(folder), "the end of the server")


def test_a_server_that_was_halted_is_ended_all_the_same(run: "subprocess.Popen[str]") -> None:
    data = data_of(run)
    server = psutil.Process(int((data / "postmaster.pid").read_text().splitlines()[0]))
    server.suspend()
    run.kill()
    wait_until(lambda: not data.exists(), "the end of the folder")
    wait_until(lambda: not works_in(data), "the end of the server")
