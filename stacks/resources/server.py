"""The embedded Postgres server as a resource."""

from pathlib import Path
from typing import Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult

from infraops_core.servers.content import Content
from infraops_core.servers.embedded import binaries, moves, process, server
from infraops_core.servers.embedded.claim import check_major
from infraops_core.servers.embedded.folder import ServerFolder
from stacks.resources.shim import Properties, Shim


class _ServerProvider(Shim):
    watched = ("project", "stack", "base", "bin", "major", "wanted_port")

    def diff(self, _id: str, olds: Properties, news: Properties) -> DiffResult:
        folder = ServerFolder(Path(news["base"]))
        if folder.content() is Content.NOTHING:
            moves.check_loss(folder, news["stack"], protected=news["protected"])
            return DiffResult(changes=True, replaces=["base"], delete_before_replace=True)
        check_major(folder, int(news["major"]))
        liveness = process.look(folder, int(olds["port"]))
        if liveness is not process.Liveness.RUNNING:
            print(f"The server on port {int(olds['port'])} is {liveness.value}: will start")
            return DiffResult(changes=True)
        return super().diff(_id, olds, news)

    def create(self, props: Properties) -> CreateResult:
        outs = self._ensure(props)
        return CreateResult(id_=outs["identity"], outs=outs)

    def update(self, _id: str, olds: Properties, news: Properties) -> UpdateResult:
        if olds["base"] != news["base"]:
            server.stop(ServerFolder(Path(news["base"])))  # one that still runs knows its files by the old path
        return UpdateResult(outs=self._ensure(news))

    def delete(self, _id: str, props: Properties) -> None:
        print(f"Stopping  the server in {props['base']}")
        server.stop(ServerFolder(Path(props["base"])))

    def _ensure(self, props: Properties) -> Properties:
        named = Path(props["bin"]) if props["bin"] else None
        running = server.ensure(
            server.Wanted(
                folder=ServerFolder(Path(props["base"])),
                project=props["project"],
                stack=props["stack"],
                binaries=binaries.find([int(props["major"])], named),
                port=int(props["wanted_port"]) if props["wanted_port"] else None,
                admin_password=props["admin_password"],
            )
        )
        return self.kept(props) | {"port": running.port, "version": running.version, "identity": running.identity}


class Server(Resource, module="infraops", name="Server"):
    """A Postgres server of this machine in the folder `base`; its admin is `infraops_admin`. Deleting it stops it."""

    port: Output[int]
    version: Output[str]
    identity: Output[str]

    def __init__(
        self, name: str, *, project: str, stack: str, base: str, bin: str | None, major: int, wanted_port: int | None,
        protected: bool, admin_password: Input[str], opts: ResourceOptions | None = None,
    ) -> None:  # fmt: skip
        props: dict[str, Input[Any]] = {
            "project": project,
            "stack": stack,
            "base": base,
            "bin": bin or "",
            "major": major,
            "wanted_port": wanted_port or 0,
            "protected": protected,
            "admin_password": admin_password,
            "port": None,
            "version": None,
            "identity": None,
        }
        super().__init__(_ServerProvider(), name, props, opts)
