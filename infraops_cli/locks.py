"""Locks that a killed run left in this checkout's own backend."""

import json
import socket
from pathlib import Path

import psutil

from infraops_core.errors import UserError

_AGE_TOLERANCE_SECONDS = 2


def clear_dead(backend: Path, stack: str) -> list[str]:
    """Remove the locks on `stack` whose process is dead, and return a line about each.

    :raises UserError: when a living process of this machine, or anyone elsewhere, holds one.
    """
    cleared: list[str] = []
    for path in sorted((backend / ".pulumi" / "locks").glob(f"**/{stack}/*.json")):
        try:
            lock = json.loads(path.read_text())
            pid, host, locked_at = int(lock["pid"]), str(lock["hostname"]), path.stat().st_mtime
        except (OSError, ValueError, TypeError, KeyError):
            continue  # gone already, half written or of another form: the engine will say
        if host == socket.gethostname() and not _is_alive(pid, locked_at):
            path.unlink(missing_ok=True)
            path.with_name(f"{path.name}.attrs").unlink(missing_ok=True)
            cleared.append(f"Clearing  the lock of process {pid}, which is dead")
            continue
        raise UserError(
            f"another run is at work on stack {stack}: process {pid} on {host}",
            where=str(path),
            next=f"let it end; if it cannot, pulumi cancel --yes --stack {stack}",
        )
    return cleared


def _is_alive(pid: int, locked_at: float) -> bool:
    """Whether the process that took the lock lives; a younger one has only inherited its number."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= locked_at + _AGE_TOLERANCE_SECONDS
    except psutil.AccessDenied:
        return True
    except (psutil.Error, ValueError):  # no such process, or no number of one
        return False
