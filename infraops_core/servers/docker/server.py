"""Bring a stack's container up, and look at it; safe to call again. Nothing here deletes a volume."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infraops_core.access import Access
from infraops_core.database_url import build
from infraops_core.errors import UserError
from infraops_core.roles import ADMIN
from infraops_core.servers.content import Content
from infraops_core.servers.docker import answer, containers, engine, images, initialise, ports, replacement, volumes
from infraops_core.servers.docker.containers import Limits, Spec, State
from infraops_core.servers.docker.images import Asked, Image
from infraops_core.servers.docker.ownership import Owner
from infraops_core.servers.loopback import LOOPBACK, answers, free_port
from infraops_core.tls import Tls

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_RESTART_SECONDS = 30
_PORT_TRIES = 5


@dataclass(frozen=True)
class Wanted:
    """The server a stack asks for; volume and container have one name.

    :param port: the one asked for, if any; else `last_port`, the one it had; else a free one.
    :param known: whether it was there before, so that an empty volume is a loss.
    """

    owner: Owner
    volume: str
    image: Asked
    major: int
    port: int | None
    limits: Limits
    admin_password: str = field(repr=False)
    last_port: int | None = None
    known: bool = False
    protected: bool = False


@dataclass(frozen=True)
class Running:
    """A server that has answered `SELECT 1`; `identity` is the cluster's own number, another one after a new initdb."""

    port: int
    version: str
    identity: str
    image_digest: str


def ensure(wanted: Wanted) -> Running:
    """Have the image, fill the volume if it is empty, make, start or replace the container, and return once it answers.

    :raises UserError: for whatever docs/docker.md has as refused.
    """
    with engine.connected() as client:
        image = images.have(client, wanted.image)
        images.check_major(image, wanted.major, wanted.owner.stack)
        _check_volume(client, wanted)
        initialise.finish(client, wanted.volume, wanted.owner)
        current = replacement.settled(client, wanted.volume, wanted.owner)
        spec = Spec(wanted.volume, image, _kept_port(wanted, current) or 0, wanted.limits)
        if current is not None and not containers.differences(current, spec):
            told = _up(client, current, wanted, image)
            port = spec.port
        else:
            port, told = _made(client, current, wanted, image)
        return Running(port, *told, image.digest)


def look(wanted: Wanted) -> str:
    """What is not as it should be, and what will be done about it; empty where all is well. Changes nothing.

    :raises UserError: for what `ensure` would refuse, as far as it shows without pulling an image.
    """
    with engine.connected() as client:
        image = images.local(client, wanted.image)
        if image is not None:
            images.check_major(image, wanted.major, wanted.owner.stack)
        _check_volume(client, wanted)
        current = containers.find(client, wanted.volume, wanted.owner)
        if current is None and (stray := replacement.stray(client, wanted.volume, wanted.owner)):
            return f"The container {wanted.volume} is called {stray.name}: will be renamed"
        if current is None:
            return f"The container {wanted.volume} is gone: will be made"
        port = _kept_port(wanted, current) or 0
        if image is None:
            return f"The image {wanted.image.name} is not there: will be pulled"
        if differs := containers.differences(current, Spec(wanted.volume, image, port, wanted.limits)):
            return f"The container {wanted.volume} has another {', '.join(differs)}: will be replaced"
        now = containers.state(current)
        if now is not State.UP:
            return f"The container {wanted.volume} is {now.value}: will {'go on' if now is State.PAUSED else 'start'}"
        if containers.is_unhealthy(current) or not answers(port):
            return f"The server in the container {wanted.volume} gives no answer: will restart"
        return ""


def _check_volume(client: "DockerClient", wanted: Wanted) -> None:
    volume = volumes.find(client, wanted.volume)
    if volume is None:
        raise UserError(f"there is no volume {wanted.volume}", where=f"stack {wanted.owner.stack}", next="run up, which makes it")
    volumes.check_owner(volume, wanted.owner)
    volumes.check_major(volume, wanted.major, wanted.owner.stack)
    stray = replacement.stray(client, wanted.volume, wanted.owner)
    renamed = {str(stray.name)} if stray else set()
    volumes.check_free(client, wanted.volume, {*replacement.names(wanted.volume), initialise.name(wanted.volume)} | renamed)


def _kept_port(wanted: Wanted, current: "Container | None") -> int | None:
    """The port asked for, or the one the container has, or the one it had."""
    return wanted.port or (containers.port_of(current) if current is not None else 0) or wanted.last_port


def _up(client: "DockerClient", container: "Container", wanted: Wanted, image: Image) -> tuple[str, str]:
    """Have a container that is as it should be run and answer."""
    port = containers.port_of(container)
    now = containers.state(container)
    if now is State.PAUSED:
        print(f"Resuming  the container {container.name}")
        container.unpause()
    elif now is not State.UP:
        containers.stop(container)  # one that ends again and again waits for its next try
        _fill(_data(client, container, wanted, image), client, wanted, image)
        if taken := ports.start(client, container, port, wanted.owner.stack):
            raise taken
    access = _as_admin(wanted, port)
    told = answer.first(container, access)
    if told is None:
        print(f"Restarting  the container {container.name}, which gives no answer")
        container.kill(signal="SIGCONT")  # one that was halted obeys only once it goes on
        container.restart(timeout=_RESTART_SECONDS)
        told = answer.first(container, access)
    if told is None:
        raise answer.silent(container, access)
    return told


def _made(client: "DockerClient", current: "Container | None", wanted: Wanted, image: Image) -> tuple[int, tuple[str, str]]:
    """A new container on the volume's data, in place of the current one if there is one."""
    kept = _kept_port(wanted, current)
    found = _data(client, current, wanted, image)
    with replacement.of(client, current, wanted.volume, wanted.owner):
        _fill(found, client, wanted, image)
        for left in reversed(range(1 if kept else _PORT_TRIES)):
            port = kept or free_port()
            container = containers.create(client, Spec(wanted.volume, image, port, wanted.limits), wanted.owner)
            taken = ports.start(client, container, port, wanted.owner.stack)
            if taken is None:
                break
            container.remove(force=True, v=True)
            if not left:
                raise taken
        access = _as_admin(wanted, port)
        told = answer.first(container, access)
        if told is None:
            raise answer.silent(container, access)
    return port, told


def _data(client: "DockerClient", current: "Container | None", wanted: Wanted, image: Image) -> Content:
    """What is in the volume; refuse what this server must not run on, and a loss that a protected stack must not go over."""
    if current is not None and (mounted := containers.mounted(current)):
        content, made_by = volumes.content_seen_by(current, mounted[1])
    else:
        content, made_by = volumes.content(client, wanted.volume, image, wanted.owner)
    if content is Content.BROKEN:
        raise volumes.broken(wanted.volume)
    if content is Content.COMPLETE and made_by != wanted.major:
        raise volumes.another_major(wanted.volume, str(made_by), wanted.major, wanted.owner.stack)
    if content is Content.NOTHING and wanted.known:
        volumes.check_loss(wanted.volume, wanted.owner.stack, protected=wanted.protected)
    return content


def _fill(found: Content, client: "DockerClient", wanted: Wanted, image: Image) -> None:
    if found is Content.NOTHING:
        initialise.initialise(client, wanted.volume, image, wanted.owner, limits=wanted.limits, password=wanted.admin_password)


def _as_admin(wanted: Wanted, port: int) -> Access:
    return Access(build(ADMIN, wanted.admin_password, host=LOOPBACK, port=port, database="postgres", sslmode=Tls.DISABLE), Tls.DISABLE)
