"""Start a container on its port, or say who has that port."""

from typing import TYPE_CHECKING

from infraops_core.errors import UserError
from infraops_core.servers import loopback
from infraops_core.servers.docker import containers, engine
from infraops_core.servers.loopback import LOOPBACK

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_TAKEN = ("port is already allocated", "address already in use", "ports are not available")


def start(client: "DockerClient", container: "Container", port: int, stack: str) -> UserError | None:
    """Start it; the error for a port that is taken, for the caller to judge."""
    from docker.errors import APIError

    if not loopback.is_free(port):
        return _taken(client, port, stack)
    print(f"Starting  the container {container.name} on {LOOPBACK}:{port}")
    try:
        container.start()
    except APIError as error:
        said = engine.explanation(error)
        if any(words in said.lower() for words in _TAKEN):
            return _taken(client, port, stack)
        raise
    return None


def _taken(client: "DockerClient", port: int, stack: str) -> UserError:
    return UserError(
        f"port {port} of this server is taken by {containers.holder_of(client, port) or loopback.holder_of(port)}",
        where=f"{LOOPBACK}:{port}, stack {stack}",
        next=f"stop that, or move the server: pulumi config set infraops:port {loopback.free_port()} --stack {stack}",
    )
