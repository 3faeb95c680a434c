"""The volume of a container's data as a resource of its own; deleting it deletes the data."""

from collections.abc import Sequence
from typing import Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult

from infraops_core.servers.docker import place, volumes
from infraops_core.servers.docker.images import Asked
from infraops_core.servers.docker.ownership import Owner
from stacks.resources.shim import Properties, Shim


class _VolumeProvider(Shim):
    watched = ("project", "stack", "volume")

    def diff(self, _id: str, olds: Properties, news: Properties) -> DiffResult:
        move = place.look(_owner(news), olds["volume"], olds["engine"], news["volume"], int(news["major"]))
        if move is place.Move.GONE:
            volumes.check_loss(olds["volume"], news["stack"], protected=news["protected"])
            return DiffResult(changes=True, replaces=["volume"], delete_before_replace=True)
        return DiffResult(changes=move is place.Move.FOLLOWED)

    def create(self, props: Properties) -> CreateResult:
        image = Asked(props["image"], props["digest"] or None)
        engine = place.make(_owner(props), props["volume"], image, int(props["major"]), props["extensions"])
        return CreateResult(id_=props["volume"], outs=self.kept(props) | {"engine": engine})

    def update(self, _id: str, olds: Properties, news: Properties) -> UpdateResult:
        print(f"Following  the data from the volume {olds['volume']} to {news['volume']}")
        return UpdateResult(outs=self.kept(news) | {"engine": place.engine_id()})

    def delete(self, _id: str, props: Properties) -> None:
        place.remove(_owner(props), props["volume"], props["engine"])


class Volume(Resource, module="infraops", name="Volume"):
    """A named volume for the server of one stack, and the id of the engine that has it."""

    engine: Output[str]

    def __init__(
        self, name: str, *, project: str, stack: str, volume: str, image: str, digest: str | None, major: int, protected: bool,
        extensions: Sequence[str], opts: ResourceOptions | None = None,
    ) -> None:  # fmt: skip
        props: dict[str, Input[Any]] = {
            "project": project,
            "stack": stack,
            "volume": volume,
            "image": image,
            "digest": digest or "",
            "major": major,
            "protected": protected,
            "extensions": list(extensions),
            "engine": None,
        }
        super().__init__(_VolumeProvider(), name, props, opts)


def _owner(props: Properties) -> Owner:
    return Owner(props["project"], props["stack"])
