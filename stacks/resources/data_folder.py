"""The folder of an embedded server as a resource of its own.

It is made in an instant and recorded before the slow work begins, so that a run killed in the middle of initdb
leaves nothing that a destroy does not find. Whatever runs in the folder is stopped before the folder goes.
"""

from pathlib import Path
from typing import Any

from pulumi import Input, ResourceOptions
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult

from infraops_core.servers.embedded import claim, moves, server
from infraops_core.servers.embedded.folder import ServerFolder
from stacks.resources.shim import Properties, Shim


class _DataFolderProvider(Shim):
    watched = ("project", "stack", "base")

    def diff(self, _id: str, olds: Properties, news: Properties) -> DiffResult:
        move = moves.look(Path(olds["base"]), Path(news["base"]))
        if move is moves.Move.GONE:
            moves.check_loss(ServerFolder(Path(olds["base"])), news["stack"], protected=news["protected"])
            return DiffResult(changes=True, replaces=["base"], delete_before_replace=True)
        return DiffResult(changes=move is moves.Move.FOLLOWED)

    def create(self, props: Properties) -> CreateResult:
        folder = ServerFolder(Path(props["base"]))
        claim.make_base(folder)
        with claim.alone(folder):
            claim.check_unused(folder)  # what we record here, a destroy deletes
            claim.claim(folder, props["project"], props["stack"], None)
        return CreateResult(id_=props["base"], outs=self.kept(props))

    def update(self, _id: str, olds: Properties, news: Properties) -> UpdateResult:
        print(f"Following  the data from {olds['base']} to {news['base']}")
        return UpdateResult(outs=self.kept(news))

    def delete(self, _id: str, props: Properties) -> None:
        server.remove(ServerFolder(Path(props["base"])), props["project"], props["stack"])


class DataFolder(Resource, module="infraops", name="DataFolder"):
    """A folder for the server of one stack; deleting it deletes the data."""

    def __init__(self, name: str, *, project: str, stack: str, base: str, protected: bool, opts: ResourceOptions | None = None) -> None:
        props: dict[str, Input[Any]] = {"project": project, "stack": stack, "base": base, "protected": protected}
        super().__init__(_DataFolderProvider(), name, props, opts)
