"""The container of a Postgres server as a resource."""

from typing import Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult

from infraops_core.servers.docker import place, server
from infraops_core.servers.docker.containers import Limits
from infraops_core.servers.docker.images import Asked
from infraops_core.servers.docker.ownership import Owner
from stacks.resources.shim import Properties, Shim


class _ContainerProvider(Shim):
    watched = ("project", "stack", "volume", "image", "digest", "major", "wanted_port", "memory", "cpus", "engine")

    def diff(self, _id: str, olds: Properties, news: Properties) -> DiffResult:
        wanted = _wanted(news, olds)
        if place.is_gone(wanted.volume):  # its own resource has said so
            return DiffResult(changes=True, replaces=["volume"], delete_before_replace=True)
        if needed := server.look(wanted):
            print(needed)
            return DiffResult(changes=True)
        return super().diff(_id, olds, news)

    def create(self, props: Properties) -> CreateResult:
        outs = self._ensure(props, None)
        return CreateResult(id_=outs["identity"], outs=outs)

    def update(self, _id: str, olds: Properties, news: Properties) -> UpdateResult:
        return UpdateResult(outs=self._ensure(news, olds))

    def delete(self, _id: str, props: Properties) -> None:
        place.clear(Owner(props["project"], props["stack"]), props["volume"], props["engine"])

    def _ensure(self, props: Properties, olds: Properties | None) -> Properties:
        running = server.ensure(_wanted(props, olds))
        measured = {
            "port": running.port,
            "version": running.version,
            "identity": running.identity,
            "image_digest": running.image_digest,
        }
        return self.kept(props) | measured


class Container(Resource, module="infraops", name="Container"):
    """A Postgres server in a container on `volume`; its admin is `infraops_admin`. Deleting it leaves the volume."""

    port: Output[int]
    version: Output[str]
    identity: Output[str]
    image_digest: Output[str]

    def __init__(
        self, name: str, *, project: str, stack: str, volume: str, engine: Input[str], image: str, digest: str | None, major: int,
        wanted_port: int | None, memory: int | None, cpus: float | None, protected: bool, admin_password: Input[str],
        opts: ResourceOptions | None = None,
    ) -> None:  # fmt: skip
        props: dict[str, Input[Any]] = {
            "project": project,
            "stack": stack,
            "volume": volume,
            "engine": engine,
            "image": image,
            "digest": digest or "",
            "major": major,
            "wanted_port": wanted_port or 0,
            "memory": memory or 0,
            "cpus": cpus or 0,
            "protected": protected,
            "admin_password": admin_password,
            "port": None,
            "version": None,
            "identity": None,
            "image_digest": None,
        }
        super().__init__(_ContainerProvider(), name, props, opts)


def _wanted(props: Properties, before: Properties | None) -> server.Wanted:
    """What the properties ask for; `before` are the old outputs where there are such."""
    return server.Wanted(
        owner=Owner(props["project"], props["stack"]),
        volume=props["volume"],
        image=Asked(props["image"], props["digest"] or None),
        major=int(props["major"]),
        port=int(props["wanted_port"]) or None,
        limits=Limits(int(props["memory"]) or None, float(props["cpus"]) or None),
        admin_password=props["admin_password"] or "",
        last_port=int(before["port"]) if before else None,
        known=before is not None,
        protected=props["protected"],
    )
