"""Which Docker engine: the one that the `docker` command would speak with.

The order is that command's: DOCKER_HOST, then DOCKER_CONTEXT, then the context chosen by `docker context use`, then the
default socket (Docker documentation, "Docker contexts", sections "Use a different context" and "Exporting and importing";
"docker CLI", section "Environment variables"). The SDK knows of the first and the last only.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infraops_core.errors import UserError

_DEFAULT = "unix:///var/run/docker.sock"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Endpoint:
    """Where an engine listens, and who says so."""

    url: str
    named_by: str

    @property
    def socket(self) -> Path | None:
        """The path of a Unix socket; `None` for an engine that listens on TCP."""
        return Path(self.url.removeprefix("unix://")) if self.url.startswith("unix://") else None


def find(environment: Mapping[str, str] = os.environ) -> Endpoint:
    """The engine that this environment and the user's Docker configuration name.

    :raises UserError: for an address that is none, a context that is not there, an engine of another machine.
    """
    folder = Path(environment.get("DOCKER_CONFIG") or Path(environment.get("HOME") or "~").expanduser() / ".docker")
    if url := environment.get("DOCKER_HOST"):
        return _usable(Endpoint(url, "DOCKER_HOST"))
    if name := environment.get("DOCKER_CONTEXT"):
        return _of_context(name, "DOCKER_CONTEXT", folder)
    file = folder / "config.json"
    return _of_context(_chosen(file), str(file), folder)


def _of_context(name: str, named_by: str, folder: Path) -> Endpoint:
    if name in ("", "default"):
        return Endpoint(_DEFAULT, "Docker's default")
    path = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    try:
        url = str(_read(path)["Endpoints"]["docker"]["Host"])
    except FileNotFoundError:
        raise UserError(
            f"there is no Docker context {name}",
            where=named_by,
            next="docker context ls shows those there are; docker context use NAME chooses one",
        ) from None
    except (KeyError, TypeError):
        raise UserError(
            f"the Docker context {name} names no engine",
            where=str(path),
            next=f"make it anew: docker context rm {name}, docker context create {name}",
        ) from None
    return _usable(Endpoint(url, f"the context {name}, which {named_by} names"))


def _chosen(file: Path) -> str:
    """The context that `docker context use` chose; empty where it chose none."""
    try:
        content = _read(file)
    except FileNotFoundError:
        return ""
    chosen = content.get("currentContext", "") if isinstance(content, dict) else ""
    return chosen if isinstance(chosen, str) else ""


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise UserError(
            f"Docker's configuration cannot be read: {reason}", where=str(path), next="mend the file, or set DOCKER_HOST"
        ) from None


def _usable(endpoint: Endpoint) -> Endpoint:
    """Refuse an engine whose 127.0.0.1 is not ours, for that is where it would publish the server."""
    parts = urlsplit(endpoint.url)
    if parts.scheme == "unix" and parts.path:
        return endpoint
    if parts.scheme not in ("tcp", "http", "https", "ssh") or not parts.hostname:
        raise UserError(
            f"{endpoint.url} is no address of a Docker engine",
            where=endpoint.named_by,
            next=f"name a socket, as {_DEFAULT}, or unset it",
        )
    if parts.scheme == "ssh" or parts.hostname not in _LOOPBACK:
        raise UserError(
            f"the Docker engine at {parts.hostname} is on another machine, where this one cannot reach a server's 127.0.0.1",
            where=endpoint.named_by,
            next="name an engine of this machine, or run this there",
        )
    return endpoint
