"""Packages of single targets: pip's real answers, in this Python and in one of its own."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from infraops_cli import extras
from infraops_core import checkout
from infraops_core.errors import UserError
from infraops_core.settings import Target

BROKEN_LOCK = "no-such-package-of-ours==1.0 --hash=sha256:" + "0" * 64 + "\n"


@pytest.mark.parametrize("extra", [extras.LOCAL, extras.AWS, extras.EDGE, extras.NEON], ids=lambda extra: extra.name)
def test_every_extra_has_a_lock_with_hashes_and_no_registry(extra: extras.Extra) -> None:
    lock = extra.lock.read_text()
    assert "--hash=sha256:" in lock
    assert "index-url" not in lock
    assert "://" not in lock


def test_what_is_installed_is_not_installed_again() -> None:
    said: list[str] = []
    extras.ensure(Target.LOCAL, said.append)
    assert said == []


def test_a_package_that_cannot_be_had_is_named_with_pips_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "requirements-aws.lock"
    lock.write_text(BROKEN_LOCK)
    monkeypatch.setattr(checkout, "ROOT", tmp_path)
    with pytest.raises(UserError, match="the packages of aws could not be installed: ERROR") as caught:
        extras.install(extras.Extra("aws", "no_such_package_of_ours"), lambda _line: None)
    assert caught.value.where == "requirements-aws.lock"


def test_a_platform_without_the_wheel_goes_on_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "requirements-local.lock").write_text(BROKEN_LOCK)
    monkeypatch.setattr(checkout, "ROOT", tmp_path)
    said: list[str] = []
    extras.install(extras.Extra("local", "no_such_package_of_ours", optional=True), said.append)
    assert said[-1].startswith("Skipping  no_such_package_of_ours: ERROR")


def test_an_extra_is_installed_from_its_lock(tmp_path: Path) -> None:
    """`neon`, the smallest, into an environment of its own that has this project's packages in sight."""
    venv.create(tmp_path / "venv", with_pip=True, system_site_packages=False)
    python = tmp_path / "venv" / "bin" / "python"
    sight = [str(checkout.ROOT), *[entry for entry in sys.path if entry.endswith("site-packages")]]
    program = f"import sys; sys.path[1:1] = {sight!r}; from infraops_cli import extras; extras.install(extras.NEON, print)"
    ran = subprocess.run([python, "-c", program], capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "Installing  the packages of target neon" in ran.stdout
    listed = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True, timeout=60, check=True).stdout
    assert "parver" in listed.lower()
