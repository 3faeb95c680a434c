"""Where a server's folder is."""

import os
from pathlib import Path

import pytest

from infraops_core.servers.embedded import account as accounts
from infraops_core.servers.embedded import folder as folders
from infraops_core.servers.embedded import server
from infraops_core.servers.embedded.folder import Marker, ServerFolder, around, place
from tests.fix_postgres import TestServer

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another account")


def test_it_is_under_the_state(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFRAOPS_STATE", str(open_folder / "state"))
    assert place("test", accounts.for_server()) == open_folder / "state" / "servers" / "test"


def test_an_ordinary_users_is_there_even_if_it_cannot_be(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with the folder is then said of the folder that was named."""
    monkeypatch.setenv("INFRAOPS_STATE", str(open_folder / "file" / "state"))
    (open_folder / "file").touch()
    account = accounts.Account("someone", os.geteuid(), os.getegid(), is_another=False)
    assert place("test", account) == open_folder / "file" / "state" / "servers" / "test"


@needs_root
def test_a_state_closed_to_the_servers_account_has_it_elsewhere_and_nothing_stays(
    open_folder: Path, wanted: server.Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = open_folder / "home"
    closed.mkdir(mode=0o700)
    outside = Path(f"/var/lib/infraops-test-{os.getpid()}")  # not the real one, which another run may use
    monkeypatch.setattr(folders, "_OUTSIDE", outside)
    monkeypatch.setenv("INFRAOPS_STATE", str(closed / "state"))
    account = accounts.for_server()
    assert not account.can_enter(closed / "state")
    base = place("test", account)
    assert base.is_relative_to(outside)

    asked = server.Wanted(ServerFolder(base), "infraops", "test", wanted.binaries, None, wanted.admin_password)
    try:
        made = TestServer(asked, server.ensure(asked))
        assert made.process.username() == account.name
        closed.chmod(0o755)
        assert place("test", account) == base  # a server stays where it is
    finally:
        server.remove(asked.folder, "infraops", "test")
    assert not outside.exists()


@needs_root
def test_a_state_closed_later_moves_no_server(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another folder would mean another, empty database."""
    state = open_folder / "state"
    monkeypatch.setenv("INFRAOPS_STATE", str(state))
    inside = place("test", accounts.for_server())
    inside.mkdir(parents=True)
    ServerFolder(inside).mark(Marker("infraops", "test", 15432))
    state.chmod(0o700)
    assert place("test", accounts.for_server()) == inside
    assert place("other", accounts.for_server()).is_relative_to(folders._OUTSIDE)


@pytest.mark.parametrize(
    ("base", "ours"),
    [
        ("/work/.infraops/servers/local", ["/work/.infraops/servers"]),
        ("/var/lib/infraops/0123456789ab/local", ["/var/lib/infraops/0123456789ab", "/var/lib/infraops"]),
        ("/var/tmp/scratch", []),
        ("/srv/servers/mine/local", []),
    ],
)
def test_only_folders_made_for_servers_go_with_the_last_of_them(base: str, ours: list[str]) -> None:
    assert [str(folder) for folder in around(Path(base))] == ours
