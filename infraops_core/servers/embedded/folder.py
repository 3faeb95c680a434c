"""The folder of one embedded server: where it is, whose it is, and in which state.

BASE/                owned by whoever runs infraops
  infraops.json      which stack it belongs to, and its port
  data/              Postgres' data folder, owned by the account that runs the server
  data.new/          the same while initdb works on it; renamed to data/ when it is complete
  lock               held by the run that works on the folder
  unfinished-*/      what an initdb that never ended left
  log/server.log     server.log.1 is the one before it
  postgres-17.10/    a copy of the programs, where the account cannot reach the originals
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infraops_core import checkout
from infraops_core.errors import UserError
from infraops_core.servers.content import Content
from infraops_core.servers.embedded.account import Account
from infraops_core.servers.embedded.binaries import Binaries

_OUTSIDE = Path("/var/lib/infraops")
_MARKER = "infraops.json"


@dataclass(frozen=True)
class Marker:
    """Whose folder it is; written before anything else is."""

    project: str
    stack: str
    port: int


@dataclass(frozen=True)
class ServerFolder:
    """The paths under one base."""

    base: Path

    @property
    def data(self) -> Path:
        return self.base / "data"

    @property
    def unfinished(self) -> Path:
        return self.base / "data.new"

    @property
    def log(self) -> Path:
        return self.base / "log" / "server.log"

    @property
    def pid_file(self) -> Path:
        return self.data / "postmaster.pid"

    def content(self) -> Content:
        """Whether the data folder is absent or empty, a whole one, or neither."""
        try:
            if not any(self.data.iterdir()):
                return Content.NOTHING
            whole = self.major() is not None and (self.data / "global" / "pg_control").is_file()
        except FileNotFoundError:
            return Content.NOTHING
        except NotADirectoryError:
            return Content.BROKEN
        except PermissionError:
            raise UserError(
                "the data folder is closed to us: it belongs to another account", where=str(self.data), next="run as the user who made it"
            ) from None
        return Content.COMPLETE if whole else Content.BROKEN

    def major(self) -> int | None:
        """The Postgres version that made the data; `None` where it does not say."""
        try:
            return int((self.data / "PG_VERSION").read_text().split(".")[0])
        except (FileNotFoundError, ValueError):
            return None

    def marker(self) -> Marker | None:
        """Whose folder this is; `None` where nobody has said.

        :raises UserError: when the file is there and makes no sense.
        """
        path = self.base / _MARKER
        try:
            said: dict[str, Any] = json.loads(path.read_text())
            return Marker(str(said["project"]), str(said["stack"]), int(said["port"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise UserError(
                "the note that says whose server folder this is cannot be read",
                where=str(path),
                next='write it anew: {"project": "infraops", "stack": STACK, "port": PORT}, or move the folder away',
            ) from None

    def mark(self, marker: Marker) -> None:
        """Say whose folder this is, all at once or not at all."""
        temporary = self.base / f"{_MARKER}.new"
        with temporary.open("w") as file:
            json.dump(asdict(marker), file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.base / _MARKER)

    def programs(self, binaries: Binaries) -> Path:
        """Where a copy of the programs goes."""
        return self.base / f"postgres-{binaries.version}"


def place(stack: str, account: Account) -> Path:
    """The base folder of the server of `stack`: under the checkout's state, or, where the account that will run
    the server cannot go there (root's home is closed to others), under /var/lib. Where there is one it stays."""
    state = checkout.state_folder()
    inside = state / "servers" / stack
    outside = _OUTSIDE / hashlib.sha256(str(state).encode()).hexdigest()[:12] / stack
    for existing in (inside, outside):
        if os.access(existing / _MARKER, os.F_OK):
            return existing
    return inside if account.can_enter(state) or not account.is_another else outside


def around(base: Path) -> list[Path]:
    """The folders around a base folder that hold nothing but servers' folders, the nearest first; others are their users'."""
    return [
        parent for parent in base.parents[:2] if _OUTSIDE in (parent, parent.parent) or (parent == base.parent and parent.name == "servers")
    ]
