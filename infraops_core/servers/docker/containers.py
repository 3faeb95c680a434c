"""The container that runs the server: what it is made with, how one that exists differs, what state it is in."""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from infraops_core.roles import ADMIN
from infraops_core.servers.docker import volumes
from infraops_core.servers.docker.images import Image
from infraops_core.servers.docker.ownership import Owner
from infraops_core.servers.loopback import LOOPBACK

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.types import LogConfig

STOP_SECONDS = 60

_PORT = "5432/tcp"
_RESTART = "unless-stopped"
_SHARED_MEMORY = 256 * 2**20  # the engine's 64 MiB end parallel queries with "could not resize shared memory segment"
_SECOND = 10**9  # in the API's nanoseconds
_HEALTHCHECK: dict[str, Any] = {
    # TCP, for during initialisation the socket answers early
    "test": ["CMD", "pg_isready", "--quiet", "--host", "127.0.0.1", "--port", "5432", "--username", ADMIN, "--dbname", "postgres"],
    "interval": 10 * _SECOND,
    "timeout": 5 * _SECOND,
    "retries": 3,
    "start_period": 60 * _SECOND,
}
_LOG = {"max-size": "16m", "max-file": "2"}  # without a bound it fills the disk over the years


class State(Enum):
    """What a container is found in."""

    UP = "up"
    PAUSED = "paused"
    ENDING_AGAIN_AND_AGAIN = "ending again and again"
    DOWN = "down"


@dataclass(frozen=True)
class Limits:
    """What a container may take of the machine; `None` is no limit.

    :param memory: bytes, without swap.
    :param cpus: how many, in parts too.
    """

    memory: int | None = None
    cpus: float | None = None

    @property
    def nano_cpus(self) -> int:
        return round((self.cpus or 0) * 10**9)

    def options(self) -> dict[str, Any]:
        """The SDK's keyword arguments; memory and swap together are the memory, or a full server would crawl in swap."""
        memory = {"mem_limit": self.memory, "memswap_limit": self.memory} if self.memory else {}
        return memory | ({"nano_cpus": self.nano_cpus} if self.cpus else {})


@dataclass(frozen=True)
class Spec:
    """A container as it should be; it has its volume's name."""

    volume: str
    image: Image
    port: int
    limits: Limits


def find(client: "DockerClient", name: str, owner: Owner) -> "Container | None":
    """The stack's container of that name.

    :raises UserError: for a container of that name that is somebody else's.
    """
    from docker.errors import NotFound

    try:
        container = client.containers.get(name)
    except NotFound:
        return None
    if container.name != name:  # the engine also takes the beginning of an id
        return None
    owner.check(
        f"the container {name}", container.labels,
        otherwise=f"rename or remove it, or have another name: pulumi config set infraops:volume NAME --stack {owner.stack}",
    )  # fmt: skip
    return container


def renamed(client: "DockerClient", volume: str, owner: Owner) -> "Container | None":
    """The stack's server that somebody has given another name; one that is not published is no server."""
    return next((each for each in _on(client, volume, owner) if port_of(each)), None)


def create(client: "DockerClient", spec: Spec, owner: Owner) -> "Container":
    """Make the container; it does not run yet."""
    from docker.types import Mount

    return client.containers.create(
        spec.image.name,
        command=["postgres"],
        name=spec.volume,
        labels=owner.labels,
        environment={"PGDATA": f"{spec.image.mount}/{volumes.DATA}"},
        mounts=[Mount(spec.image.mount, spec.volume)],
        ports={_PORT: (LOOPBACK, spec.port)},
        healthcheck=_HEALTHCHECK,
        restart_policy={"Name": _RESTART},  # type: ignore[arg-type]  # its stub knows fewer names than the engine
        stop_signal="SIGINT",  # fast shutdown (PostgreSQL documentation, "Shutting Down the Server")
        shm_size=_SHARED_MEMORY,
        log_config=log_config(),
        **spec.limits.options(),
    )


def log_config() -> "LogConfig":
    """A log that can be read, whatever the engine's own kind is, and that has a bound."""
    from docker.types import LogConfig

    return LogConfig(type="json-file", config=_LOG)


def differences(container: "Container", spec: Spec) -> list[str]:
    """In what a container is not as it should be."""
    host = container.attrs["HostConfig"]
    pairs: dict[str, tuple[object, object]] = {
        "image": (container.attrs["Image"], spec.image.id),
        "port": (port_of(container), spec.port or None),
        "memory": (host.get("Memory") or 0, spec.limits.memory or 0),
        "cpus": (host.get("NanoCpus") or 0, spec.limits.nano_cpus),
        "restart policy": ((host.get("RestartPolicy") or {}).get("Name"), _RESTART),
        "volume": (mounted(container), (spec.volume, spec.image.mount)),
    }
    return [name for name, (now, wanted) in pairs.items() if now != wanted]


def port_of(container: "Container") -> int:
    """The port on loopback that it is published on; 0 where it is not, or not there."""
    bindings = (container.attrs["HostConfig"].get("PortBindings") or {}).get(_PORT) or []
    ports = [binding["HostPort"] for binding in bindings if binding.get("HostIp") == LOOPBACK]
    return int(ports[0]) if len(bindings) == 1 and ports and ports[0] else 0


def mounted(container: "Container") -> tuple[str, str] | None:
    """The volume that holds its data, and where."""
    found = [mount for mount in container.attrs["Mounts"] if mount.get("Type") == "volume" and mount.get("Name") == container.name]
    return (found[0]["Name"], found[0]["Destination"]) if found else None


def state(container: "Container") -> State:
    """What it is in at this moment."""
    container.reload()
    if container.status == "restarting":
        return State.ENDING_AGAIN_AND_AGAIN
    return {"running": State.UP, "paused": State.PAUSED}.get(container.status, State.DOWN)


def is_unhealthy(container: "Container") -> bool:
    """Whether its last health checks have failed; after a pause the engine calls it unhealthy until the next one."""
    health = container.attrs["State"].get("Health") or {}
    return health.get("Status") == "unhealthy" and int(health.get("FailingStreak") or 0) > 0


def stop(container: "Container") -> None:
    """Stop it; open transactions are rolled back, nothing committed is lost. What has not ended after 60 s is killed."""
    now = state(container)
    if now is State.PAUSED:
        container.unpause()
    if now is not State.DOWN:
        container.stop(timeout=STOP_SECONDS)


def remove_all(client: "DockerClient", volume: str, owner: Owner) -> None:
    """Stop and remove every container of the stack that has the volume, whatever a killed run has left among them."""
    for container in _on(client, volume, owner):
        print(f"Removing  the container {container.name}")
        stop(container)
        container.remove(force=True, v=True)  # v: anonymous volumes only


def holder_of(client: "DockerClient", port: int) -> str | None:
    """The running container that is published on `port`, by name."""
    for container in client.containers.list():
        bindings = (container.attrs["NetworkSettings"].get("Ports") or {}).values()
        if any(binding["HostPort"] == str(port) for published in bindings for binding in published or []):
            return f"the container {container.name}"
    return None


def _on(client: "DockerClient", volume: str, owner: Owner) -> "list[Container]":
    """The stack's containers that have the volume, running or not."""
    labelled = [f"{name}={value}" for name, value in owner.labels.items()]
    return client.containers.list(all=True, filters={"volume": volume, "label": labelled})
