"""Where a stack's data are: a volume, and the engine that has it.

The volume is made in an instant and recorded before the slow work begins, so that a run that is killed leaves nothing
that a destroy does not find.
"""

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING

from infraops_core.errors import UserError
from infraops_core.servers.content import Content
from infraops_core.servers.docker import containers, endpoint, engine, images, offered, volumes
from infraops_core.servers.docker.images import Asked
from infraops_core.servers.docker.ownership import Owner

if TYPE_CHECKING:
    from docker import DockerClient


class Move(Enum):
    """How the place that is recorded and the one that is asked for relate."""

    NONE = "in place"
    FOLLOWED = "the volume was moved by hand, and is where it is asked for"
    GONE = "gone"


def make(owner: Owner, volume: str, image: Asked, major: int, extensions: Sequence[str] = ()) -> str:
    """Make the volume, once nothing stands against its use, and return its engine's own id.

    :param extensions: those that the image must have.
    :raises UserError: where there is no engine or image, or the image lacks an extension; for a volume or container of that
        name that is another's, and for one that has data already: what is recorded here, a destroy deletes.
    """
    with engine.connected() as client:
        had = images.have(client, image)
        images.check_major(had, major, owner.stack)
        offered.check(client, had, extensions, owner)
        containers.find(client, volume, owner)
        existing = volumes.find(client, volume)
        if existing is None:
            volumes.make(client, volume, owner, major)
        else:
            volumes.check_owner(existing, owner)
            volumes.check_major(existing, major, owner.stack)
            content, _ = volumes.content(client, volume, had, owner)
            if content is not Content.NOTHING:
                raise UserError(
                    "there is a database in this stack's volume that this state knows nothing of",
                    where=f"volume {volume}",
                    next="restore the state it was made with, or name another volume: "
                    f"pulumi config set infraops:volume NAME --stack {owner.stack}",
                )
        return engine.identity(client)


def look(owner: Owner, recorded: str, recorded_engine: str, volume: str, major: int) -> Move:
    """Compare the place that is recorded with the one that is asked for; an existing volume is never given up for another.

    :raises UserError: for data of another major version, in another volume that exists, or on another engine.
    """
    with engine.connected() as client:
        found = volumes.find(client, volume)
        if found is not None:
            volumes.check_owner(found, owner)
            volumes.check_major(found, major, owner.stack)
        if engine.identity(client) != recorded_engine:
            if found is None:
                raise _elsewhere(recorded, owner.stack)
            return Move.FOLLOWED
        if recorded != volume:
            if volumes.find(client, recorded) is not None:
                raise UserError(
                    f"this stack's data are in the volume {recorded}, and this run asks for {volume}: "
                    "nothing moves or deletes them by itself",
                    where=f"stack {owner.stack}",
                    next=f"pulumi config set infraops:volume {recorded} --stack {owner.stack}; another volume wants a second stack",
                )
            return Move.GONE if found is None else Move.FOLLOWED
        return Move.GONE if found is None else Move.NONE


def clear(owner: Owner, volume: str, recorded_engine: str) -> None:
    """Stop and remove the stack's containers on the volume; the volume stays.

    :raises UserError: on another engine than the recorded one: what has their name there is another's.
    """
    with engine.connected() as client:
        _check_engine(client, owner, volume, recorded_engine)
        containers.remove_all(client, volume, owner)


def remove(owner: Owner, volume: str, recorded_engine: str) -> None:
    """Delete the volume, data and all, and what a killed run has left running on it.

    :raises UserError: on another engine than the recorded one, and for a volume that is another's or in use.
    """
    with engine.connected() as client:
        _check_engine(client, owner, volume, recorded_engine)
        containers.remove_all(client, volume, owner)
        volumes.remove(client, volume, owner)


def is_gone(volume: str) -> bool:
    """Whether the engine has no volume of that name."""
    with engine.connected() as client:
        return volumes.find(client, volume) is None


def engine_id() -> str:
    """The own id of the engine that this run speaks with."""
    with engine.connected() as client:
        return engine.identity(client)


def _check_engine(client: "DockerClient", owner: Owner, volume: str, recorded: str) -> None:
    if engine.identity(client) != recorded:
        raise _elsewhere(volume, owner.stack)


def _elsewhere(volume: str, stack: str) -> UserError:
    return UserError(
        f"this stack's data are in the volume {volume} of another Docker engine than the one at {endpoint.find().url}",
        where=f"stack {stack}",
        next="name that engine with DOCKER_HOST or docker context use; one that is gone for good is forgotten with "
        f"pulumi stack rm {stack} --force --preserve-config",
    )
