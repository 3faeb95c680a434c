"""The three ways to an engine, with real executables in folders of their own."""

import os
import stat
from pathlib import Path

import pytest

from infraops_cli.engine import cli, setup, ways
from infraops_core.errors import UserError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An engine folder that is empty, and a PATH with nothing of Pulumi's or Go's on it."""
    engine = tmp_path / "engine"
    for module in (cli, ways, setup):
        monkeypatch.setattr(module, "FOLDER", engine)
    monkeypatch.setattr(cli, "HELPERS", engine / "helpers")
    monkeypatch.setattr(setup, "HELPERS", engine / "helpers")
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), "/usr/bin", "/bin"]))
    (tmp_path / "bin").mkdir()
    return engine


def program(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def silent(_line: str) -> None: ...


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("v3.249.0", "3.250.0 is the oldest"),
        ("v2.25.2", "3.250.0 is the oldest"),
        ("not a version", "does not tell its version"),
    ],
)
def test_a_pulumi_on_path_that_is_too_old_is_not_used(folder: Path, tmp_path: Path, told: str, reason: str) -> None:
    program(tmp_path / "bin" / "pulumi", f"echo {told}")
    with pytest.raises(ways.Failed, match=reason):
        ways.from_path(silent)


def test_a_pulumi_on_path_that_is_new_enough_is_used_as_it_is(folder: Path, tmp_path: Path) -> None:
    for name in ("pulumi", cli.LANGUAGE_HOST, cli.DYNAMIC_PROVIDER):
        program(tmp_path / "bin" / name, "echo v3.300.1")
    engine = setup.ready(silent)
    assert (engine.way, str(engine.cli.version)) == ("PATH", "3.300.1")
    assert engine.folders == (tmp_path / "bin",)
    assert not list((folder / "helpers").iterdir())


def test_a_cli_that_came_without_helpers_gets_ours(folder: Path, tmp_path: Path) -> None:
    program(tmp_path / "bin" / "pulumi", "echo v3.300.1")
    engine = setup.ready(silent)
    assert engine.folders == (tmp_path / "bin", folder / "helpers")
    assert sorted(path.name for path in (folder / "helpers").iterdir()) == sorted([cli.LANGUAGE_HOST, cli.DYNAMIC_PROVIDER])


def test_our_helpers_go_when_the_cli_brings_its_own(folder: Path, tmp_path: Path) -> None:
    program(tmp_path / "bin" / "pulumi", "echo v3.300.1")
    setup.ready(silent)
    for name in (cli.LANGUAGE_HOST, cli.DYNAMIC_PROVIDER):
        program(tmp_path / "bin" / name, "")
    assert setup.ready(silent).folders == (tmp_path / "bin",)
    assert not list((folder / "helpers").iterdir())


def test_the_engine_of_this_checkout_on_path_is_not_taken_for_the_machines_own(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = program(folder / "bin" / "pulumi", "echo v3.250.0")
    monkeypatch.setenv("PATH", f"{ours.parent}{os.pathsep}{os.environ['PATH']}")
    assert cli.on_path() is None
    other = program(tmp_path / "another" / ".infraops" / "engine" / "bin" / "pulumi", "echo v3.250.0")
    monkeypatch.setenv("PATH", f"{other.parent}{os.pathsep}{os.environ['PATH']}")
    assert cli.on_path() is None
    assert setup.ready(silent).way == "built with Go"


def test_a_set_up_that_fails_says_why_of_each_way(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin" / "pulumi", "echo v3.100.0")
    program(
        tmp_path / "bin" / "go",
        '[ "$1" = version ] && echo "go version go1.26.8 linux/amd64" && exit; echo "verifying module: checksum mismatch" >&2; exit 1',
    )
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there: the installer can't be fetched
    with pytest.raises(UserError) as caught:
        setup.ready(silent)
    message = str(caught.value)
    assert "PATH: " in message
    assert "3.100.0, and 3.250.0 is the oldest" in message
    assert "built with Go: go build: verifying module: checksum mismatch" in message
    assert "Pulumi's installer: " in message
    assert "make setup" in message
    assert "Traceback" not in message


def test_a_build_that_fails_leaves_no_half_engine(folder: Path, tmp_path: Path) -> None:
    program(tmp_path / "bin" / "go", "exit 1")
    with pytest.raises(ways.Failed):
        ways.from_go(silent)
    assert not list((folder / "bin").iterdir())


def test_without_go_the_build_says_so(folder: Path) -> None:
    with pytest.raises(ways.Failed, match="no go on PATH"):
        ways.from_go(silent)
