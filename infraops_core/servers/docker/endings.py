"""Why a container has ended, in the one line of its log that says so."""

from typing import TYPE_CHECKING

from infraops_core.errors import UserError
from infraops_core.servers import complaint
from infraops_core.servers.docker import engine

if TYPE_CHECKING:
    from docker.models.containers import Container

_LINES = 200


def ended(container: "Container") -> UserError:
    """The error for a server that has ended, from what it wrote last."""
    lines, found = log_lines(container), container.attrs["State"]
    said = complaint.reason(lines) if lines else found.get("Error") or f"it ended with code {found.get('ExitCode')}"
    where = f"container {container.name}"
    if found.get("OOMKilled"):
        limit = (container.attrs["HostConfig"].get("Memory") or 0) // 2**20
        return UserError(f"the server was ended for want of memory (limit {limit} MiB): {said}", where=where,
                         next="raise infraops:memory, then run it again")  # fmt: skip
    if "No space left on device" in "\n".join(lines) or "exec format error" in said.lower():
        return engine.refused(said, where)
    return UserError(f"the server ends as soon as it starts: {said}", where=where, next="mend what it says, then run it again")


def log_lines(container: "Container") -> list[str]:
    """The last that it wrote."""
    return container.logs(tail=_LINES).decode(errors="replace").splitlines()
