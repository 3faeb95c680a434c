"""A data folder is made complete or not at all, by one run."""

import dataclasses
import time
from pathlib import Path

import psutil
import pytest

from infraops_core.errors import UserError
from infraops_core.servers.content import Content
from infraops_core.servers.embedded import cluster, process, server
from infraops_core.servers.embedded.folder import ServerFolder
from tests.fix_postgres import TestServer, made_by, run_apart, wait_until


def initdbs_of(wanted: server.Wanted) -> list[psutil.Process]:
    """The initdb that works on this folder."""
    found = []
    for one in psutil.process_iter():
        try:
            if one.name() == "initdb" and str(wanted.folder.unfinished) in one.cmdline():
                found.append(one)
        except psutil.Error:
            continue
    return found


def test_two_runs_at_once_make_one_server(wanted: server.Wanted) -> None:
    with run_apart(wanted) as one, run_apart(wanted) as other:
        made, lines = made_by(one)
        also_made, other_lines = made_by(other)
    assert made == also_made
    assert sum(line.startswith("Initialising") for line in lines + other_lines) == 1
    assert server.ensure(wanted) == made


def test_a_run_killed_in_the_middle_of_initdb_is_waited_for_and_taken_over(
    wanted: server.Wanted, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its initdb goes on for a moment, and holds the lock; what it leaves is set aside, never taken for a whole one."""
    with run_apart(wanted) as killed:
        wait_until((wanted.folder.unfinished / "PG_VERSION").exists, "the middle of initdb")
        (initdb,) = initdbs_of(wanted)
        initdb.suspend()
        killed.kill()
        killed.wait()

        with run_apart(wanted) as second:
            assert second.stdout is not None
            waiting = second.stdout.readline()
            assert waiting == f"Waiting  for another run that works on {wanted.folder.base}\n"
            assert wanted.folder.unfinished.exists()
            initdb.resume()
            made, lines = made_by(second)
    assert any(line.startswith("Set aside ") for line in lines), lines
    assert [path.name for path in wanted.folder.base.glob("unfinished-*")] != []
    assert not wanted.folder.unfinished.exists()
    assert server.ensure(wanted) == made


def test_what_a_killed_initdb_left_is_set_aside(wanted: server.Wanted, capsys: pytest.CaptureFixture[str]) -> None:
    wanted.folder.unfinished.mkdir(parents=True)
    (wanted.folder.unfinished / "PG_VERSION").write_text("17\n")
    server.ensure(wanted)
    (aside,) = wanted.folder.base.glob("unfinished-*")
    assert f"Set aside {aside}: an initialisation that never ended" in capsys.readouterr().out
    assert [path.name for path in aside.iterdir()] == ["PG_VERSION"]


def test_a_failed_initdb_is_quoted_and_leaves_nothing_behind(
    wanted: server.Wanted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(cluster._SETTINGS, "wal_level", "nonsense")
        with pytest.raises(UserError, match=r"initdb failed: LOG:  invalid value for parameter \"wal_level\": \"nonsense\""):
            server.ensure(wanted)
    assert wanted.folder.content() is Content.NOTHING
    server.ensure(wanted)
    assert "Set aside" not in capsys.readouterr().out
    assert list(wanted.folder.base.glob("unfinished-*")) == []


def test_an_initdb_that_does_not_end_is_no_hang(wanted: server.Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_INITDB_SECONDS", 0.1)
    begun = time.monotonic()
    with pytest.raises(UserError, match=r"initdb did not end within 0\.1 s"):
        server.ensure(wanted)
    assert time.monotonic() - begun < 10
    monkeypatch.undo()
    assert TestServer(wanted, server.ensure(wanted)).process.is_running()


def test_an_empty_data_folder_is_filled(wanted: server.Wanted) -> None:
    wanted.folder.data.mkdir(parents=True)
    server.ensure(wanted)
    assert wanted.folder.content() is Content.COMPLETE


def test_a_path_with_a_space_is_no_matter(open_folder: Path, wanted: server.Wanted) -> None:
    asked = dataclasses.replace(wanted, folder=ServerFolder(open_folder / "a folder" / "of one's own"))
    assert server.ensure(asked).version == wanted.binaries.version
    server.stop(asked.folder)
    assert process.left_behind(asked.folder) == []
