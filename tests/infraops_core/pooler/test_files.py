"""The files: what is in them, and what they are written over."""

import dataclasses
import os
import stat
from pathlib import Path

import pytest

from infraops_core.database_url import Place, parse
from infraops_core.errors import UserError
from infraops_core.pooler import folder, ini, userlist
from infraops_core.pooler.listening import Listening
from infraops_core.pooler.plan import Pooler

POOLER = Pooler(
    listening=Listening(Place("127.0.0.1", 6432), "127.0.0.1"),
    behind=parse("postgresql://infraops_owner:geheim@db.example.com:5433/infraops?sslmode=require"),
    secrets={"infraops_app": 'geheim"1', "infraops_readonly": "SCRAM-SHA-256$4096:salt$stored:server"},
    are_verifiers=False,
    ca=None,
    size=7,
    version=(1, 18),
    reader="infraops_readonly",
    url=parse("postgresql://infraops_app:geheim@127.0.0.1:6432/infraops?sslmode=disable&pgbouncer=true"),
    warnings=(),
)


def lines(pooler: Pooler) -> list[str]:
    return ini.text(pooler, Path("/etc/p"), Path("/etc/p/userlist.txt")).splitlines()


def test_the_users_are_quoted_as_pgbouncer_reads_them() -> None:
    assert userlist.text(POOLER) == '"infraops_app" "geheim""1"\n"infraops_readonly" "SCRAM-SHA-256$4096:salt$stored:server"\n'


def test_no_password_is_anywhere_but_in_the_users_file() -> None:
    assert "geheim" not in "\n".join(lines(POOLER)) + repr(POOLER) + str(POOLER)


@pytest.mark.parametrize(
    ("database", "line"),
    [
        ("infraops", "infraops = host='db.example.com' port=5433 dbname=infraops"),
        ("in-fra ops", "\"in-fra ops\" = host='db.example.com' port=5433 dbname='in-fra ops'"),
        ("o'neil\"s=", "\"o'neil\"\"s=\" = host='db.example.com' port=5433 dbname='o''neil\"s='"),
    ],
)
def test_the_databases_name_is_quoted(database: str, line: str) -> None:
    assert line in lines(dataclasses.replace(POOLER, behind=dataclasses.replace(POOLER.behind, database=database)))


@pytest.mark.parametrize(("version", "line"), [(None, "; From 1.21 on: max_prepared_statements = 200"),
                                               ((1, 18), "; From 1.21 on: max_prepared_statements = 200"),
                                               ((1, 21), "max_prepared_statements = 200"), ((1, 24), "max_prepared_statements = 200"),
                                               ((2, 0), "max_prepared_statements = 200")])  # fmt: skip
def test_a_setting_is_there_for_a_version_that_has_it(version: tuple[int, int] | None, line: str) -> None:
    assert line in lines(dataclasses.replace(POOLER, version=version))


def test_encryption_on_both_sides() -> None:
    listening = Listening(Place("*", 6432), "p.example.com", Path("/tls/p.crt"), Path("/tls/p.key"))
    behind = parse("postgresql://u@db.example.com/d?sslmode=verify-full&sslrootcert=/ca.pem")
    written = lines(dataclasses.replace(POOLER, listening=listening, behind=behind, ca=Path("/ca.pem")))
    assert [line for line in written if "tls" in line] == [
        "server_tls_sslmode = verify-full", "server_tls_ca_file = /etc/p/server-ca.pem", "client_tls_sslmode = require",
        "client_tls_cert_file = /tls/p.crt", "client_tls_key_file = /tls/p.key",
    ]  # fmt: skip


def write(into: Path, pooler: Pooler = POOLER, *, replace: bool = False) -> dict[str, bool]:
    return {written.path.name: written.is_new for written in folder.write(pooler, into, replace=replace)}


def test_the_users_are_their_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert write(tmp_path / "a" / "b") == {"userlist.txt": True, "pgbouncer.ini": True}
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a" / "b").iterdir()}
    assert modes == {"userlist.txt": 0o600, "pgbouncer.ini": 0o644}


def test_the_authoritys_certificate_comes_along(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("one")
    assert "server-ca.pem" in write(tmp_path / "p", dataclasses.replace(POOLER, ca=tmp_path / "ca.pem"))
    assert (tmp_path / "p" / "server-ca.pem").read_text() == "one"


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path)
    before = {path: path.stat().st_ino for path in tmp_path.iterdir()}
    assert write(tmp_path) == {"userlist.txt": False, "pgbouncer.ini": False}
    assert {path: path.stat().st_ino for path in tmp_path.iterdir()} == before


def test_another_is_written_over_only_when_that_is_said(tmp_path: Path) -> None:
    write(tmp_path)
    other = dataclasses.replace(POOLER, size=9)
    with pytest.raises(UserError, match=r"^pgbouncer\.ini is there already, and says something else") as refused:
        write(tmp_path, other)
    assert "--replace" in refused.value.next
    assert "default_pool_size = 7" in (tmp_path / "pgbouncer.ini").read_text()
    assert write(tmp_path, other, replace=True) == {"userlist.txt": False, "pgbouncer.ini": True}
    assert "default_pool_size = 9" in (tmp_path / "pgbouncer.ini").read_text()


def test_a_file_that_is_replaced_keeps_its_owner_and_no_mode_that_shows_passwords(tmp_path: Path) -> None:
    write(tmp_path)
    if os.geteuid() == 0:
        os.chown(tmp_path / "userlist.txt", 65534, 65534)
    (tmp_path / "userlist.txt").chmod(0o644)
    write(tmp_path, dataclasses.replace(POOLER, secrets={"infraops_app": "x"}), replace=True)
    found = (tmp_path / "userlist.txt").stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (65534 if os.geteuid() == 0 else os.geteuid(), 0o600)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pgbouncer.ini", "userlist.txt"]


def test_a_folder_that_can_not_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="can't be written") as refused:
        write(tmp_path / "file" / "folder")
    assert "--out" in refused.value.next
