"""Which extensions an image has, asked of the image before anything is made with it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from infraops_core import extensions
from infraops_core.servers.docker.images import Image
from infraops_core.servers.docker.ownership import Owner

if TYPE_CHECKING:
    from docker import DockerClient

_SECONDS = 60
_LIST = 'cd "$(pg_config --sharedir)/extension" && printf "%s\\n" *.control'


def check(client: "DockerClient", image: Image, names: Sequence[str], owner: Owner) -> None:
    """Refuse names that the image has no extension of; where it can't tell, its server is asked before a database is changed.

    :raises UserError: naming all of them.
    """
    if not names:
        return
    container = client.containers.create(image.id, entrypoint=["sh", "-c", _LIST], command=[], labels=owner.labels, network_disabled=True)
    try:
        container.start()
        ended = container.wait(timeout=_SECONDS)
        told = container.logs(stdout=True, stderr=False).decode(errors="replace")
    finally:
        container.remove(force=True, v=True)
    if ended["StatusCode"] == 0:
        extensions.refuse(names, {line.removesuffix(".control") for line in told.split()}, f"image {image.name}")
