"""What a killed server, a killed run and an interrupted run leave behind, and that the next run mends it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from infraops_core.servers.embedded import process
from tests.end_to_end.test_up_and_down import application_url
from tests.fix_project import Project


def rows(project: Project) -> int:
    with psycopg.connect(application_url(project)["DATABASE_URL"]) as connection:
        found = connection.execute("select count(*) from infraops_audit.audit_events").fetchone()
    assert found is not None
    return int(found[0])


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
        time.sleep(0.02)


def kill_server(project: Project) -> int:
    server = process.postmaster(project.server())
    assert server is not None
    server.kill()
    wait_until(lambda: process.postmaster(project.server()) is None, "the server's end")
    return server.pid


def test_a_killed_server_is_seen_in_preview_and_comes_back_with_its_rows(up: Project) -> None:
    marker = up.server().marker()
    kill_server(up)

    preview = up.pulumi("preview", "--stack", "local", "--config-file", "Pulumi.local.yaml")
    assert preview.code == 0, preview.text
    assert "is down: will start" in preview.text
    assert process.postmaster(up.server()) is None

    ran = up.infraops("up", "local")
    assert ran.code == 0, ran.text
    assert "7 same, 1 update" in ran.err
    assert rows(up) == 1
    assert up.server().marker() == marker


def test_after_a_reboot_the_pid_file_may_name_a_stranger(up: Project) -> None:
    """What a power cut leaves: no process, a pid file, and later somebody else under its number."""
    kill_server(up)
    account = up.server().data.stat().st_uid
    command = ["sleep", "600"]
    if os.geteuid() == 0:
        command = ["setpriv", f"--reuid={account}", "--clear-groups", *command]
    with subprocess.Popen(command) as stranger:
        try:
            lines = up.server().pid_file.read_text().split("\n")
            up.server().pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]))
            ran = up.infraops("up", "local")
            assert ran.code == 0, ran.text
            assert stranger.poll() is None
        finally:
            stranger.kill()
    assert rows(up) == 1


def kill_run_at(project: Project, moment: str) -> None:
    """Kill the command and the engine with -9 once `moment` shows; the engine's helpers have to find out by themselves."""
    with project.start("up", "local") as run:
        assert run.stdout is not None
        for line in run.stdout:
            if line.startswith(moment):
                break
        for process_of_run in [*psutil.Process(run.pid).children(recursive=True), psutil.Process(run.pid)]:
            with suppress(psutil.NoSuchProcess):
                if process_of_run.name() in ("pulumi", "infraops"):
                    process_of_run.kill()
    wait_until(lambda: not helpers(project), "the end of the killed run's helpers")


def helpers(project: Project) -> list[psutil.Process]:
    names = {"language_host.py", "dynamic_provider.py"}
    found = []
    for running in project.processes():
        with suppress(psutil.Error):  # it may end while we look
            found += [running] if names & {Path(part).name for part in running.cmdline()} else []
    return found


@pytest.mark.parametrize("moment", ["Initialising", "Starting"])
def test_a_run_killed_with_9_leaves_nothing_that_down_does_not_find(project: Project, moment: str) -> None:
    kill_run_at(project, moment)
    down = project.infraops("down", "local", "--yes")
    assert down.code == 0, down.text
    wait_until(lambda: not project.processes(), "the end of every process")
    assert not project.server().base.exists()


@pytest.mark.parametrize(
    ("moment", "resource"), [("Initialising", "server"), ("Starting", "server"), ("Roles", "roles"), ("Applying", "schema")]
)
def test_a_run_killed_with_9_is_gone_on_with(project: Project, moment: str, resource: str) -> None:
    kill_run_at(project, moment)
    ran = project.infraops("up", "local")
    assert ran.code == 0, ran.text
    assert "Clearing  the lock of process" in ran.err
    assert f"Resuming  what an interrupted run had begun: {resource}" in ran.err
    assert rows(project) >= 1
    again = project.infraops("up", "local")
    assert "8 same" in again.err
    assert "Resuming" not in again.err


@pytest.mark.parametrize("moment", ["Initialising", "Starting"])
def test_ctrl_c_ends_cleanly_and_is_gone_on_with(project: Project, moment: str) -> None:
    with project.start("up", "local") as run:
        assert run.stdout is not None
        told = ""
        for line in run.stdout:
            told += line
            if line.startswith(moment):
                os.killpg(run.pid, signal.SIGINT)
        code = run.wait(timeout=60)
    assert code == 130, told
    assert "Traceback" not in told
    assert "goes on from there" in told

    ran = project.infraops("up", "local")
    assert ran.code == 0, ran.text
    assert rows(project) >= 1


def test_a_dead_lock_is_cleared_in_the_shell_the_readme_recommends_too(up: Project) -> None:
    lock = up.state / "backend" / ".pulumi" / "locks" / "organization" / "infraops" / "local" / "dead.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(json.dumps({"pid": 2**22 + 1, "username": "u", "hostname": socket.gethostname(), "timestamp": "2026-11-22T00:00:00Z"}))
    environment = up.engine_environment()
    kept = {name: environment[name] for name in ("PATH", "PULUMI_BACKEND_URL", "PULUMI_HOME", "PULUMI_CONFIG_PASSPHRASE_FILE")}
    ran = up.infraops("up", "local", **kept)
    assert ran.code == 0, ran.text
    assert "Clearing  the lock of process" in ran.err


def test_a_sigterm_ends_the_run_cleanly(project: Project) -> None:
    with project.start("up", "local") as run:
        assert run.stdout is not None
        told = ""
        for line in run.stdout:
            told += line
            if line.startswith("Starting"):
                run.terminate()
    assert run.wait(timeout=60) == 130, told
    assert "goes on from there" in told
    assert project.infraops("up", "local").code == 0


def test_a_second_run_while_one_is_at_work_is_refused_by_name(up: Project) -> None:
    up.configure(rehearsal="again")
    locks = up.state / "backend" / ".pulumi" / "locks"
    with up.start("up", "local") as run:
        wait_until(lambda: list(locks.rglob("*.json")), "the first run's lock")
        os.killpg(run.pid, signal.SIGSTOP)  # or on a busy machine it might be over before the second begins
        try:
            refused = up.infraops("up", "local")
        finally:
            os.killpg(run.pid, signal.SIGCONT)
        assert run.wait(timeout=60) == 0
    assert refused.code == 1, refused.text
    assert "another run is at work on stack local" in refused.err


def test_a_database_whose_state_is_lost_is_neither_used_nor_deleted(up: Project) -> None:
    (up.state / "backend").rename(up.state / "lost")
    (up.state / "stack-files" / "Pulumi.local.yaml").unlink()
    refused = up.infraops("up", "local")
    assert refused.code == 1, refused.text
    assert "there is a database in this stack's folder that this state knows nothing of" in refused.err
    up.infraops("down", "local", "--yes")
    assert (up.server().data / "PG_VERSION").exists()

    shutil.rmtree(up.state / "backend")
    (up.state / "lost").rename(up.state / "backend")
    assert up.infraops("up", "local").code == 0
    assert rows(up) == 1
