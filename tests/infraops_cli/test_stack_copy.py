"""The copy of a stack's file that the engine writes into."""

import stat
from pathlib import Path

import pytest

from infraops_cli import stack_copy

TRACKED = "config:\n  infraops:target: local\n"
SALT = "encryptionsalt: v1:abc:v1:def"
OTHER_SALT = "encryptionsalt: v1:ghi:v1:jkl"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: infraops\n")
    (folder / "Pulumi.local.yaml").write_text(TRACKED)
    return folder


def test_a_new_copy_is_what_is_tracked(project: Path, tmp_path: Path) -> None:
    copies = tmp_path / "state" / "stack-files"
    copy = stack_copy.refresh(project, copies, "local")
    assert copy == copies / "Pulumi.local.yaml"
    assert copy.read_text() == TRACKED
    assert (copies / "Pulumi.yaml").read_text() == "name: infraops\n"
    assert stat.S_IMODE(copies.stat().st_mode) == 0o700


@pytest.mark.parametrize("tracked", [TRACKED, f"{SALT}\n{TRACKED}", "# für uns\n" + TRACKED, ""])
def test_the_copy_is_what_is_tracked_whatever_the_engine_has_written_into_it(project: Path, tmp_path: Path, tracked: str) -> None:
    """A salt of another backend or passphrase must not outlive the run that wrote it."""
    (project / "Pulumi.local.yaml").write_text(tracked, encoding="utf-8")
    (tmp_path / "Pulumi.local.yaml").write_text(f"{TRACKED}{OTHER_SALT}\n", encoding="utf-8")
    assert stack_copy.refresh(project, tmp_path, "local").read_text(encoding="utf-8") == tracked
    assert (project / "Pulumi.local.yaml").read_text(encoding="utf-8") == tracked
    assert sorted(path.name for path in tmp_path.glob("Pulumi*")) == ["Pulumi.local.yaml", "Pulumi.yaml"]


def test_a_stack_whose_file_is_gone_gets_an_empty_copy(project: Path, tmp_path: Path) -> None:
    assert stack_copy.refresh(project, tmp_path, "gone").read_text() == "{}\n"
