"""The volume with the data: whose it is, what is in it, who uses it.

MOUNT/                 the volume's root, where the image declares its volume
  pgdata/              Postgres' data folder, whole or not there
  pgdata.new/          the same while it is initialised
  unfinished-*/        what an initialisation that never ended left
"""

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from infraops_core.errors import UserError
from infraops_core.servers.content import Content
from infraops_core.servers.docker.images import Image
from infraops_core.servers.docker.ownership import Owner

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.volumes import Volume

DATA = "pgdata"
_MAJOR = "infraops.major"


def find(client: "DockerClient", name: str) -> "Volume | None":
    """The volume of that name, whoever's it is."""
    from docker.errors import NotFound

    try:
        return client.volumes.get(name)
    except NotFound:
        return None


def make(client: "DockerClient", name: str, owner: Owner, major: int) -> None:
    """Make a volume that says whose it is and which Postgres its data are made by."""
    print(f"Making    the volume {name}")
    client.volumes.create(name=name, labels=owner.labels | {_MAJOR: str(major)})


def remove(client: "DockerClient", name: str, owner: Owner) -> None:
    """Delete the volume, data and all; says so before it does.

    :raises UserError: for one that is not this stack's, or that a container still uses.
    """
    volume = find(client, name)
    if volume is None:
        return
    check_owner(volume, owner)
    users = [container.name for container in client.containers.list(all=True, filters={"volume": name})]
    if users:
        raise UserError(
            f"the volume {name} is used by the container {users[0]}", where=f"stack {owner.stack}",
            next=f"docker rm --force {' '.join(map(str, users))}; then run it again",
        )  # fmt: skip
    print(f"Removing  the volume {name}, the data of stack {owner.stack}")
    volume.remove()


def check_owner(volume: "Volume", owner: Owner) -> None:
    """Refuse a volume that is another stack's, or that nobody has marked."""
    labelled = " ".join(f"--label {name}={value}" for name, value in owner.labels.items())
    owner.check(
        f"the volume {volume.name}", volume.attrs.get("Labels"),
        otherwise=f"name another: pulumi config set infraops:volume NAME --stack {owner.stack}; one made by hand needs its labels: "
        f"docker volume create {labelled} NAME",
    )  # fmt: skip


def check_major(volume: "Volume", major: int, stack: str) -> None:
    """Refuse a volume that was made for another major version; its label is the word of whoever made it."""
    said = (volume.attrs.get("Labels") or {}).get(_MAJOR, str(major))
    if said != str(major):
        raise another_major(str(volume.name), said, major, stack)


def another_major(name: str, made_by: int | str, major: int, stack: str) -> UserError:
    """The error for data that another major version has made."""
    return UserError(
        f"the data in the volume {name} were made by Postgres {made_by}, and this stack asks for {major}",
        where=f"stack {stack}",
        next=f"pulumi config set infraops:postgresVersion {made_by} --stack {stack} (and an infraops:image of that version); "
        "another major version wants a second stack and a cutover to it",
    )


def check_free(client: "DockerClient", name: str, ours: set[str]) -> None:
    """Refuse a volume that a running container of another name has: two servers on it would destroy the data.

    Postgres cannot see that by itself. Its lock is a process number, and both servers are number 1.
    """
    for container in client.containers.list(filters={"volume": name}):
        if container.name not in ours:
            raise UserError(
                f"the volume {name} is in use: the container {container.name} runs with it",
                where=f"volume {name}",
                next=f"docker stop {container.name}; then run it again",
            )


def check_loss(name: str, stack: str, *, protected: bool) -> None:
    """Say that the data are gone; for a protected stack, refuse to begin again without them.

    :raises UserError: for a protected stack.
    """
    if protected:
        raise UserError(
            f"the data of the protected stack {stack} are gone",
            where=f"volume {name}",
            next=f"bring them back, or say infraops:protect: false in Pulumi.{stack}.yaml to begin anew",
        )
    print(f"warning: the data in the volume {name} are gone: an empty database will be made")


def content(client: "DockerClient", name: str, image: Image, owner: Owner) -> tuple[Content, int | None]:
    """What is in the volume, and which major version made it; looked at through a container that never starts."""
    with _looking(client, name, image, owner) as container:
        return content_seen_by(container, image.mount)


def content_seen_by(container: "Container", mount: str) -> tuple[Content, int | None]:
    """The same, through a container that has the volume, running or not."""
    version = _file(container, f"{mount}/{DATA}/PG_VERSION")
    control = _file(container, f"{mount}/{DATA}/global/pg_control")
    if version is None and control is None:
        return Content.NOTHING, None
    if version is None or control is None:
        return Content.BROKEN, None
    return Content.COMPLETE, int(version.split(b".")[0])


def broken(name: str) -> UserError:
    """The error for a data folder that is none."""
    return UserError(
        f"the data in the volume {name} are not a whole Postgres data folder",
        where=f"volume {name}, folder {DATA}",
        next="restore it, or name another volume (infraops:volume) to begin with an empty database; then run it again",
    )


@contextmanager
def _looking(client: "DockerClient", name: str, image: Image, owner: Owner) -> "Iterator[Container]":
    from docker.types import Mount

    container = client.containers.create(
        image.name, command="true", labels=owner.labels, network_disabled=True, mounts=[Mount(image.mount, name)]
    )
    try:
        yield container
    finally:
        container.remove(force=True, v=True)  # v: anonymous volumes only


def _file(container: "Container", path: str) -> bytes | None:
    """A small file's content; `None` where there is none."""
    from docker.errors import NotFound

    try:
        pieces, _ = container.get_archive(path)
    except NotFound:
        return None
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        file = tar.extractfile(tar.getmembers()[0])
        return file.read() if file is not None else None
