"""Sources of the database's URL: what is read, what is refused, and that a change is seen at once."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infraops_core.audit.connections import sources
from infraops_core.audit.connections.sources import EnvironmentUrl, FileUrl, FixedUrl, UrlSource
from infraops_core.database_url import DatabaseUrl
from infraops_core.errors import UserError

OLD = "postgresql://app:old-secret@old.example:5432/infraops?sslmode=require"
NEW = "postgresql://app:new-secret@new.example:5432/infraops?sslmode=require"


@pytest.mark.parametrize(
    ("text", "current", "upcoming"),
    [
        (OLD, OLD, None),
        (f"{OLD}\n", OLD, None),
        (f"  {OLD}  \r\n\r\n", OLD, None),
        (f"# the audit database\n\n{OLD}\nnext: {NEW}\n", OLD, NEW),
        (f"{OLD}\n# soon:\nnext:{NEW}", OLD, NEW),
    ],
)
def test_a_file_holds_a_url_and_perhaps_the_next(tmp_path: Path, text: str, current: str, upcoming: str | None) -> None:
    path = tmp_path / "url"
    path.write_bytes(text.encode())
    source: UrlSource = FileUrl(path)
    assert (source.current(), source.upcoming(), source.refresh()) == (current, upcoming, current)


@pytest.mark.parametrize(
    ("content", "problem", "where"),
    [
        (b"", "holds no URL", ""),
        (b"# nothing\n\n", "holds no URL", ""),
        (f"next: {NEW}\n".encode(), "one URL and below it one line", ":1"),
        (f"{OLD}\n{NEW}\n".encode(), "one URL and below it one line", ":2"),
        (f"{OLD}\nnext: {NEW}\nnext: {OLD}\n".encode(), "one URL and below it one line", ":3"),
        (b"mysql://app:old-secret@h/db", "begins with postgres:// or postgresql://", ":1"),
        (f"\n{OLD}\nnext: here".encode(), "begins with postgres:// or postgresql://", ":3"),
        (OLD.encode("utf-16"), "not UTF-8", ""),
    ],
)
def test_another_file_is_refused_by_its_line(tmp_path: Path, content: bytes, problem: str, where: str) -> None:
    path = tmp_path / "url"
    path.write_bytes(content)
    with pytest.raises(UserError, match=problem) as refused:
        FileUrl(path).current()
    assert refused.value.where == f"{path}{where}"
    assert "secret" not in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for read in (FileUrl(tmp_path / "url").current, FileUrl(tmp_path / "url").refresh):
        with pytest.raises(UserError, match="can't be read: No such file"):
            read()


def test_a_change_is_seen_by_the_next_call(tmp_path: Path) -> None:
    path = tmp_path / "url"
    sources.write(path, OLD)
    source = FileUrl(path)
    for current, upcoming in [(OLD, None), (OLD, NEW), (NEW, None), (OLD, None)] * 20:
        sources.write(path, current, upcoming)
        assert (source.current(), source.upcoming()) == (current, upcoming)


def test_a_change_in_place_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text(OLD)
    source = FileUrl(path)
    assert source.current() == OLD
    path.write_text(f"{NEW}\n")
    assert source.current() == NEW


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text("half a UR"), lambda path: path.write_text("")])
def test_while_the_file_is_spoilt_its_last_url_stays_in_force(tmp_path: Path, spoil: object) -> None:
    path = tmp_path / "url"
    sources.write(path, OLD, NEW)
    source = FileUrl(path)
    source.current()
    assert callable(spoil)
    spoil(path)
    assert (source.current(), source.upcoming()) == (OLD, NEW)
    with pytest.raises(UserError):
        source.refresh()
    sources.write(path, NEW)
    assert (source.current(), source.upcoming()) == (NEW, None)


def test_a_file_that_becomes_readable_later_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that is put there by root and then handed over."""
    path = tmp_path / "url"
    sources.write(path, OLD)
    source = FileUrl(path)
    source.current()
    sources.write(path, NEW)
    with monkeypatch.context() as patch:  # whoever runs the tests may be root, whom no mode keeps out
        patch.setattr(Path, "read_text", refuse)
        assert source.current() == OLD
    path.chmod(0o640)
    assert source.current() == NEW


def refuse(*_: object, **__: object) -> str:
    raise PermissionError(13, "Permission denied")


def test_a_link_that_is_exchanged_is_seen(tmp_path: Path) -> None:
    """As a cluster's mounted secrets are: a link to a folder, which is replaced as a whole."""
    for name, url in (("1", OLD), ("2", NEW)):
        (tmp_path / name).mkdir()
        sources.write(tmp_path / name / "url", url)
    (tmp_path / "data").symlink_to("1")
    (tmp_path / "url").symlink_to("data/url")
    source = FileUrl(tmp_path / "url")
    assert source.current() == OLD
    (tmp_path / "draft").symlink_to("2")
    (tmp_path / "draft").rename(tmp_path / "data")
    assert source.current() == NEW


def test_what_is_written_is_its_owners_alone(tmp_path: Path) -> None:
    sources.write(tmp_path / "url", OLD)
    assert (tmp_path / "url").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["url"]


def test_a_file_that_exists_keeps_owner_and_mode_so_that_its_reader_still_can(tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text(OLD)
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    before = path.stat()
    sources.write(path, NEW)
    after = path.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert after.st_ino != before.st_ino


def test_a_link_is_written_through(tmp_path: Path) -> None:
    sources.write(tmp_path / "there", OLD)
    (tmp_path / "here").symlink_to("there")
    sources.write(tmp_path / "here", NEW)
    assert (tmp_path / "here").is_symlink()
    assert FileUrl(tmp_path / "there").current() == NEW


@pytest.mark.parametrize(("current", "upcoming"), [("nonsense", None), (OLD, "nonsense"), ("", None), (f"{OLD}\n{NEW}", None)])
def test_what_is_no_url_is_not_written(tmp_path: Path, current: str, upcoming: str | None) -> None:
    sources.write(tmp_path / "url", OLD)
    with pytest.raises(UserError):
        sources.write(tmp_path / "url", current, upcoming)
    assert FileUrl(tmp_path / "url").current() == OLD
    assert [path.name for path in tmp_path.iterdir()] == ["url"]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="can't be written: No such file") as refused:
        sources.write(tmp_path / "none" / "url", OLD)
    assert "secret" not in str(refused.value)


def test_readers_never_see_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "url"
    sources.write(path, OLD)
    source = FileUrl(path)
    seen: set[tuple[str, str | None]] = set()
    done = threading.Event()

    def read() -> None:
        fresh = FileUrl(path)
        while not done.is_set():
            seen.update([(source.current(), None), (fresh.refresh(), None)])

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(100):
        sources.write(path, (OLD, NEW)[number % 2])
    done.set()
    for reader in readers:
        reader.join()
    assert seen <= {(OLD, None), (NEW, None)}


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1)
urls = st.builds(
    DatabaseUrl, user=texts, password=texts, host=st.sampled_from(["h", "10.0.0.1", "::1"]), port=st.integers(1, 65535), database=texts,
    parameters=st.sampled_from([(), (("sslmode", "require"),)]),
).map(DatabaseUrl.with_password)  # fmt: skip


@given(current=urls, upcoming=st.none() | urls)
def test_whatever_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, current: str, upcoming: str | None) -> None:
    path = tmp_path_factory.getbasetemp() / "any-url"
    sources.write(path, current, upcoming)
    source = FileUrl(path)
    assert (source.current(), source.upcoming()) == (current, upcoming)


def test_an_environment_variable_is_read_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    source = EnvironmentUrl("AUDIT_URL")
    monkeypatch.setenv("AUDIT_URL", OLD)
    assert (source.current(), source.upcoming()) == (OLD, None)
    monkeypatch.setenv("AUDIT_URL", NEW)
    assert (source.current(), source.refresh()) == (NEW, NEW)


@pytest.mark.parametrize("value", [None, ""])
def test_an_environment_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("AUDIT_URL", raising=False)
    if value is not None:
        monkeypatch.setenv("AUDIT_URL", value)
    with pytest.raises(UserError, match="AUDIT_URL is not set"):
        EnvironmentUrl("AUDIT_URL").current()


def test_a_fixed_url_is_checked_when_it_is_given_and_never_shown() -> None:
    source = FixedUrl(OLD)
    assert (source.current(), source.refresh(), source.upcoming()) == (OLD, OLD, None)
    assert "secret" not in repr(source) + str(source)
    with pytest.raises(UserError, match="postgres://"):
        FixedUrl("mysql://app:secret@h/db")


def test_no_source_shows_a_password(tmp_path: Path) -> None:
    sources.write(tmp_path / "url", OLD)
    source = FileUrl(tmp_path / "url")
    source.current()
    assert "secret" not in repr(source) + str(source)
