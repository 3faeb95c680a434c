"""Which operating-system account runs the server: our own, or, for root, one without privileges.

Postgres refuses to run as root (PostgreSQL documentation, "The PostgreSQL User Account").
"""

import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infraops_core.errors import UserError
from infraops_core.servers.embedded import become

_UNPRIVILEGED = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """An account's name and numbers, and whether we must change to it."""

    name: str
    uid: int
    gid: int
    is_another: bool

    def owns(self, folder: Path) -> bool:
        return folder.stat().st_uid == self.uid

    def take(self, folder: Path) -> None:
        """Give `folder` to this account."""
        if self.is_another:
            os.chown(folder, self.uid, self.gid)

    def run(self, command: list[str], *, seconds: float, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run a program as this account to its end, apart from our terminal and our environment.

        A session of its own keeps Ctrl-C from a server it starts; the short environment keeps secrets from it.

        :raises subprocess.TimeoutExpired: when it takes longer than `seconds`.
        """
        if self.is_another:
            program = shutil.which(command[0], path=os.defpath) or command[0]
            command = [sys.executable, "-I", "-S", become.__file__, str(self.uid), str(self.gid), program, *command[1:]]
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        return subprocess.run(command, env=environment, cwd="/", start_new_session=True, text=True, timeout=seconds, check=False, **options)

    def can_enter(self, folder: Path) -> bool:
        """Whether a program of this account may pass through `folder`, or through the nearest parent that we see."""
        while not os.access(folder, os.F_OK):
            folder = folder.parent
        return self.can_execute(folder)

    def can_execute(self, path: Path) -> bool:
        """Whether this account may run the program, or pass through the folder, at `path`."""
        if not self.is_another:
            return os.access(path, os.X_OK)
        return self.run(["test", "-x", str(path)], seconds=20).returncode == 0


def for_server() -> Account:
    """Our own account, or for root the first of `postgres` and `nobody` that exists.

    :raises UserError: as root on a machine with neither.
    """
    uid = os.geteuid()
    if uid != 0:
        return Account(_name_of(uid), uid, os.getegid(), is_another=False)
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid, is_another=True)
    raise UserError(
        "Postgres refuses to run as root, and this machine has no account to run it with",
        where=f"looked for the accounts {' and '.join(_UNPRIVILEGED)}",
        next="useradd --system postgres, or run as an ordinary user",
    )


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's user may have a number only
        return f"number {uid}"
