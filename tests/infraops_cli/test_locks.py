"""Locks that a killed run left behind, with real processes behind them."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infraops_cli import locks
from infraops_core.errors import UserError


@pytest.fixture
def living() -> Iterator[int]:
    """The number of a process that lives until the end of the test."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.kill()


@pytest.fixture
def zombie() -> Iterator[int]:
    """The number of a process that has ended and that nobody has asked about yet."""
    with subprocess.Popen(["true"]) as process:
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        yield process.pid


@pytest.fixture
def dead() -> int:
    """The number of a process that is no more."""
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


def lock(backend: Path, pid: object, *, stack: str = "local", host: str | None = None, age_seconds: float = 0) -> Path:
    """A lock as the engine writes it, with the file of attributes beside it."""
    folder = backend / ".pulumi" / "locks" / "organization" / "infraops" / stack
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{len(list(folder.iterdir()))}f3b.json"
    told = {"pid": pid, "username": "me", "hostname": host or socket.gethostname(), "timestamp": "2026-11-22T03:00:36.415817387Z"}
    path.write_text(json.dumps(told))
    path.with_name(f"{path.name}.attrs").write_text("{}")
    locked_at = time.time() - age_seconds
    os.utime(path, (locked_at, locked_at))
    return path


def files(backend: Path) -> list[str]:
    return [path.name for path in backend.rglob("*") if path.is_file()]


def test_where_nothing_is_locked_nothing_is_done(tmp_path: Path) -> None:
    assert locks.clear_dead(tmp_path / "none", "local") == []
    assert locks.clear_dead(tmp_path, "local") == []


def test_a_dead_process_lock_is_cleared_and_told(tmp_path: Path, dead: int) -> None:
    lock(tmp_path, dead)
    assert locks.clear_dead(tmp_path, "local") == [f"Clearing  the lock of process {dead}, which is dead"]
    assert files(tmp_path) == []


def test_a_zombie_is_dead(tmp_path: Path, zombie: int) -> None:
    lock(tmp_path, zombie)
    assert len(locks.clear_dead(tmp_path, "local")) == 1
    assert files(tmp_path) == []


def test_a_younger_process_has_only_inherited_the_number(tmp_path: Path, living: int) -> None:
    lock(tmp_path, living, age_seconds=3600)
    assert len(locks.clear_dead(tmp_path, "local")) == 1
    assert files(tmp_path) == []


@pytest.mark.parametrize("pid", [0, -1, 10**9, 10**30, "4194304000"])
def test_a_number_that_no_process_has_is_dead(tmp_path: Path, pid: object) -> None:
    lock(tmp_path, pid)
    assert len(locks.clear_dead(tmp_path, "local")) == 1


def test_a_living_process_keeps_its_lock(tmp_path: Path, living: int) -> None:
    path = lock(tmp_path, living)
    with pytest.raises(UserError) as refused:
        locks.clear_dead(tmp_path, "local")
    assert refused.value.what == f"another run is at work on stack local: process {living} on {socket.gethostname()}"
    assert refused.value.where == str(path)
    assert refused.value.next == "let it end; if it cannot, pulumi cancel --yes --stack local"
    assert path.exists()


def test_nobody_can_tell_about_another_host(tmp_path: Path, dead: int) -> None:
    path = lock(tmp_path, dead, host="another-host")
    with pytest.raises(UserError, match=f"process {dead} on another-host"):
        locks.clear_dead(tmp_path, "local")
    assert path.exists()


def test_the_dead_ones_do_not_hide_a_living_one(tmp_path: Path, dead: int, living: int) -> None:
    lock(tmp_path, dead)
    path = lock(tmp_path, living)
    with pytest.raises(UserError, match=f"process {living} "):
        locks.clear_dead(tmp_path, "local")
    assert path.exists()


def test_several_dead_ones_are_all_cleared(tmp_path: Path, dead: int) -> None:
    for _ in range(3):
        lock(tmp_path, dead)
    assert len(locks.clear_dead(tmp_path, "local")) == 3
    assert files(tmp_path) == []


@pytest.mark.parametrize("other", ["locale", "loca", "local2", "my-local", "rds"])
def test_other_stacks_locks_are_theirs(tmp_path: Path, living: int, dead: int, other: str) -> None:
    kept = [lock(tmp_path, living, stack=other), lock(tmp_path, dead, stack=other)]
    assert locks.clear_dead(tmp_path, "local") == []
    assert all(path.exists() for path in kept)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"pid": 1',
        b"[]",
        b"17",
        b"null",
        b"{}",
        b'{"pid": 17}',
        b'{"hostname": "h"}',
        b'{"pid": null, "hostname": "h"}',
        b'{"pid": "x", "hostname": "h"}',
        b'{"pid": [1], "hostname": "h"}',
        b"\xff",
    ],
)
def test_what_is_no_lock_is_left_to_the_engine(tmp_path: Path, content: bytes) -> None:
    path = lock(tmp_path, 1)
    path.write_bytes(content)
    assert locks.clear_dead(tmp_path, "local") == []
    assert path.read_bytes() == content
