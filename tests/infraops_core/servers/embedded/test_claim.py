"""Folders that are refused, and left as they were; and one run at a time."""

import dataclasses
import fcntl
import json
import os
import pwd
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from infraops_core.errors import UserError
from infraops_core.servers.embedded import account as accounts
from infraops_core.servers.embedded import claim, server
from infraops_core.servers.embedded.folder import Marker, ServerFolder
from tests.fix_postgres import TestServer, wait_until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another account, which needs root")


def of_another_stack(folder: ServerFolder) -> None:
    folder.mark(Marker("infraops", "other", 5432))


def of_another_project(folder: ServerFolder) -> None:
    folder.mark(Marker("elsewhere", "test", 5432))


def unmarked(folder: ServerFolder) -> None:
    (folder.base / "infraops.json").unlink()


def marked_with_nonsense(folder: ServerFolder) -> None:
    (folder.base / "infraops.json").write_text('{"project": "infraops"}')


def without_control_file(folder: ServerFolder) -> None:
    (folder.data / "global" / "pg_control").unlink()


def without_version(folder: ServerFolder) -> None:
    (folder.data / "PG_VERSION").unlink()


def with_an_empty_version(folder: ServerFolder) -> None:
    (folder.data / "PG_VERSION").write_text("")


def of_another_major(folder: ServerFolder) -> None:
    (folder.data / "PG_VERSION").write_text("16\n")


def no_folder(folder: ServerFolder) -> None:
    folder.data.rename(folder.base / "moved")
    folder.data.write_text("")


def of_another_account(folder: ServerFolder) -> None:
    other = next(entry for entry in pwd.getpwall() if entry.pw_uid not in (0, accounts.for_server().uid))
    subprocess.run(["chown", "-R", str(other.pw_uid), folder.data], check=True)


@pytest.fixture
def folder(wanted: server.Wanted) -> ServerFolder:
    """What a look at it takes for a whole server folder."""
    folder = wanted.folder
    (folder.data / "global").mkdir(parents=True)
    (folder.data / "PG_VERSION").write_text("17\n")
    (folder.data / "global" / "pg_control").write_bytes(b"control")
    of_the_stack(folder)
    account = accounts.for_server()
    if account.is_another:
        subprocess.run(["chown", "-R", str(account.uid), folder.data], check=True)
    return folder


def of_the_stack(folder: ServerFolder) -> None:
    folder.mark(Marker("infraops", "test", 15432))


def everything_in(folder: Path) -> dict[str, tuple[int, int, int]]:
    found = {str(path): path.lstat() for path in folder.rglob("*") if path.name != "lock"}
    return {path: (stat.st_size, stat.st_mtime_ns, stat.st_uid) for path, stat in found.items()}


@pytest.mark.parametrize(
    ("make_it", "what", "next_step"),
    [
        (of_another_stack, "the server folder belongs to the stack other of infraops, not to test of infraops", "move it away, or run"),
        (of_another_project, "the server folder belongs to the stack test of elsewhere, not to test of infraops", "move it away, or run"),
        (unmarked, "there is a data folder that no stack of ours has made", "move it away"),
        (marked_with_nonsense, "the note that says whose server folder this is cannot be read", "write it anew"),
        (without_control_file, "the data folder is not a whole Postgres data folder", "restore it, or move it away"),
        (without_version, "the data folder is not a whole Postgres data folder", "restore it, or move it away"),
        (with_an_empty_version, "the data folder is not a whole Postgres data folder", "restore it, or move it away"),
        (no_folder, "the data folder is not a whole Postgres data folder", "restore it, or move it away"),
        (of_another_major, "the data was made by Postgres 16, and this stack asks for 17", "pulumi config set infraops:postgresVersion 16"),
        pytest.param(of_another_account, "the data folder belongs to the account number", "chown -R", marks=needs_root),
    ],
)
def test_refused_and_untouched(
    wanted: server.Wanted, folder: ServerFolder, make_it: Callable[[ServerFolder], None], what: str, next_step: str
) -> None:
    make_it(folder)
    before = everything_in(folder.base)
    with pytest.raises(UserError) as refused:
        server.ensure(wanted)
    assert refused.value.what.startswith(what)
    assert refused.value.where.startswith(str(folder.base))
    assert refused.value.next.startswith(next_step)
    assert everything_in(folder.base) == before


@needs_root
def test_the_hint_for_anothers_data_is_the_one_that_helps(stopped: server.Wanted) -> None:
    of_another_account(stopped.folder)
    with pytest.raises(UserError) as refused:
        server.ensure(stopped)
    subprocess.run(["sh", "-c", refused.value.next.partition(", or ")[0]], check=True)
    assert TestServer(stopped, server.ensure(stopped)).rows() == [1]


@needs_root
def test_new_folders_are_open_to_the_servers_account(wanted: server.Wanted) -> None:
    before = os.umask(0o077)
    try:
        with claim.alone(wanted.folder):
            claim.check_way(wanted.folder, accounts.for_server())
    finally:
        os.umask(before)


@needs_root
def test_a_folder_closed_later_is_named(wanted: server.Wanted, folder: ServerFolder) -> None:
    above = folder.base.parent
    above.chmod(0o700)
    with pytest.raises(UserError, match="cannot enter the server's folder") as refused:
        server.ensure(wanted)
    assert refused.value.next.startswith("open it and the folders above it (chmod o+x)")
    above.chmod(0o755)


def test_a_base_that_cannot_be_made_is_named(wanted: server.Wanted) -> None:
    wanted.folder.base.parent.write_text("a file")
    with pytest.raises(UserError, match=r"the folder for the server cannot be (made|used): "):
        server.ensure(wanted)


def test_a_run_waits_for_another_and_not_for_ever(
    wanted: server.Wanted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(claim, "_LOCK_SECONDS", 0.3)
    with claim.alone(wanted.folder):
        with pytest.raises(UserError, match=r"another run has worked on this server for more than 0.3 s"):
            server.ensure(wanted)
        assert f"Waiting  for another run that works on {wanted.folder.base}" in capsys.readouterr().out
        with pytest.raises(UserError, match="another run has worked on this server"):
            server.remove(wanted.folder, "infraops", "test")


def test_a_lock_of_a_folder_that_was_removed_meanwhile_is_no_lock(wanted: server.Wanted) -> None:
    """Who waited for it holds a file without a name: the next run would not see it."""
    results: list[object] = []
    with claim.alone(wanted.folder) as lock:
        waiting = threading.Thread(target=lambda: results.append(claim.hold(wanted.folder)))
        waiting.start()
        wait_until(lambda: waits_for(lock), "the second run")
        shutil.rmtree(wanted.folder.base)
    waiting.join(timeout=10)
    assert results == [None]


def waits_for(lock: int) -> bool:
    """Whether someone else has the lock's file open; the kernel lists only those who block."""
    inode = os.fstat(lock).st_ino
    opened = [os.stat(path).st_ino for path in Path("/dev/fd").iterdir() if path.exists()]  # noqa: PTH116
    return opened.count(inode) > 1


def test_the_lock_is_open_to_nobody_else_once_it_is_held(wanted: server.Wanted) -> None:
    with claim.alone(wanted.folder), (wanted.folder.base / "lock").open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_marker_says_project_stack_and_port(wanted: server.Wanted) -> None:
    with claim.alone(wanted.folder):
        marker = claim.claim(wanted.folder, "infraops", "test", 15999)
        assert claim.claim(wanted.folder, "infraops", "test", None) == marker
    assert json.loads((wanted.folder.base / "infraops.json").read_text()) == dataclasses.asdict(marker)
