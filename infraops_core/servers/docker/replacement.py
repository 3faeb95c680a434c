"""One container in place of another, and back when the new one does not answer.

The old one waits under another name, stopped. Whatever a killed run leaves of this, `settled` puts in order.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from infraops_core.errors import UserError
from infraops_core.servers.docker import containers
from infraops_core.servers.docker.ownership import Owner

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container


def names(name: str) -> tuple[str, str]:
    """The container's name, and the one under which it waits while another takes its place."""
    return name, f"{name}-before"


def settled(client: "DockerClient", name: str, owner: Owner) -> "Container | None":
    """The container, once what a replacement that was cut short has left is put in order."""
    now, before = _both(client, name, owner)
    if before is None:
        return now or _named_back(client, name, owner)
    if now is not None:
        before.remove(force=True, v=True)
        return now
    before.rename(name)
    before.reload()
    return before


def stray(client: "DockerClient", name: str, owner: Owner) -> "Container | None":
    """The container that bears another name than either, where neither is there."""
    return None if any(_both(client, name, owner)) else containers.renamed(client, name, owner)


@contextmanager
def of(client: "DockerClient", current: "Container | None", name: str, owner: Owner) -> Iterator[None]:
    """Put `current` aside for a block that makes another; remove it after that, or bring it back when the block fails."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    if current is None:
        yield
        return
    print(f"Stopping  the container {name}, to replace it")
    containers.stop(current)
    current.rename(names(name)[1])
    try:
        yield
    except (UserError, DockerException, RequestException):
        print(f"Going back  to the container {name} as it was")
        with suppress(DockerException, RequestException):
            failed = containers.find(client, name, owner)
            if failed is not None:
                failed.remove(force=True, v=True)
            current.rename(name)
            current.start()
        raise
    current.remove(force=True, v=True)


def _named_back(client: "DockerClient", name: str, owner: Owner) -> "Container | None":
    container = containers.renamed(client, name, owner)
    if container is not None:
        print(f"Renaming  the container {container.name} to {name}")
        container.rename(name)
        container.reload()
    return container


def _both(client: "DockerClient", name: str, owner: Owner) -> "tuple[Container | None, Container | None]":
    now, before = (containers.find(client, one, owner) for one in names(name))
    return now, before
