"""Full disks, closed folders: on a real small disk where we may mount one."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infraops_core.errors import UserError
from infraops_core.servers.content import Content
from infraops_core.servers.embedded import disk, server
from infraops_core.servers.embedded.folder import ServerFolder
from tests.fix_postgres import TestServer

_MIB = 2**20


@pytest.fixture
def small_disk(wanted: server.Wanted) -> Iterator[Path]:
    """A disk of 24 MiB under the server's folder; initdb writes about 40."""
    place = wanted.folder.base.parent
    place.mkdir(mode=0o755)
    yield from _mounted(place, 24)


@pytest.fixture
def disk_that_just_holds_it(wanted: server.Wanted) -> Iterator[Path]:
    place = wanted.folder.base.parent
    place.mkdir(mode=0o755)
    yield from _mounted(place, 120)


def _mounted(place: Path, mebibytes: int) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=755", "none", place], capture_output=True, text=True, check=False
    )
    if mount.returncode:
        pytest.skip(f"mounting is not permitted here: {mount.stderr.strip()}")
    try:
        yield place
        for marker in place.rglob("infraops.json"):
            server.stop(ServerFolder(marker.parent))
    finally:
        subprocess.run(["umount", place], check=True)


def fill(place: Path) -> Path:
    """A file that takes all that is left."""
    filler = place / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=1M"], stderr=subprocess.DEVNULL, check=False)
    assert shutil.disk_usage(place).free == 0
    return filler


def test_too_small_a_disk_is_refused_before_anything_is_made(wanted: server.Wanted, small_disk: Path) -> None:
    with pytest.raises(UserError) as refused:
        server.ensure(wanted)
    assert refused.value.what == "the disk is too full: a new server needs 100 MiB, and 23 MiB are free"
    assert refused.value.next == "free some space, or name another folder with INFRAOPS_STATE; then run it again"
    assert wanted.folder.content() is Content.NOTHING
    assert not wanted.folder.unfinished.exists()


def test_a_disk_that_fills_up_under_initdb(wanted: server.Wanted, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "NEEDED_BYTES", _MIB)
    with pytest.raises(UserError, match=r"the disk is full: .*No space left on device"):
        server.ensure(wanted)
    assert wanted.folder.content() is Content.NOTHING
    subprocess.run(["mount", "-o", "remount,size=120m", small_disk], check=True)
    server.ensure(wanted)
    assert list(wanted.folder.base.glob("unfinished-*")) == []


def test_a_disk_with_no_room_for_a_note(wanted: server.Wanted, small_disk: Path) -> None:
    filler = fill(small_disk)
    with pytest.raises(UserError, match="the disk is full"):
        server.ensure(wanted)
    filler.unlink()
    with pytest.raises(UserError, match="the disk is too full"):
        server.ensure(wanted)


def test_a_disk_full_at_a_later_start(wanted: server.Wanted, disk_that_just_holds_it: Path) -> None:
    made = TestServer(wanted, server.ensure(wanted))
    with made.access().connect(seconds=60) as connection:
        connection.execute("create table kept as select 1 as n")
    server.stop(wanted.folder)
    filler = fill(disk_that_just_holds_it)
    with pytest.raises(UserError, match="the disk is full"):
        server.ensure(wanted)
    filler.unlink()
    assert TestServer(wanted, server.ensure(wanted)).rows() == [1]


def test_what_is_refused_is_told_and_a_bug_stays_a_bug(tmp_path: Path) -> None:
    for number, what in [(13, "the server's folder cannot be used: Permission denied"), (28, "the disk is full: No space left on device")]:
        with pytest.raises(UserError) as refused, disk.refusals_told(tmp_path):
            raise OSError(number, os.strerror(number), "/some/file")
        assert refused.value.what == what
        assert refused.value.where == "/some/file"
    with pytest.raises(FileNotFoundError), disk.refusals_told(tmp_path):
        (tmp_path / "missing").stat()
