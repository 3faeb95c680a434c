"""A database that is not ours, as a resource: looked at, and left as it is."""

from collections.abc import Mapping
from typing import Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult

from stacks.resources.shim import Properties, Shim


class _ExternalDatabaseProvider(Shim):
    watched = ("access", "setting", "stack", "database", "makes_roles", "makes_schema", "postgres_version")

    def diff(self, _id: str, olds: Properties, news: Properties) -> DiffResult:
        looked = self._look(news, olds["identity"])
        if looked["identity"] != olds["identity"] and looked["database"] == olds["database"]:
            print(f"warning: {news['database']} is another database than before: the roles, the schema and the proof are made in it anew")
        changed = any(looked[name] != olds.get(name) for name in ("identity", "server_version"))
        return DiffResult(changes=changed or super().diff(_id, olds, news).changes)

    def create(self, props: Properties) -> CreateResult:
        outs = self._look(props)
        return CreateResult(id_=f"external-{outs['identity']}", outs=outs)

    def update(self, _id: str, olds: Properties, news: Properties) -> UpdateResult:
        return UpdateResult(outs=self._look(news, olds["identity"]))

    def delete(self, _id: str, props: Properties) -> None:
        from infraops_core.access import Access
        from infraops_core.external import remains

        access = Access.from_inputs(props["access"])
        for line in remains.told(access, props["database"], roles=props["makes_roles"], schema=props["makes_schema"]):
            print(line)

    def _look(self, props: Properties, before: str = "") -> Properties:
        from infraops_core.access import Access
        from infraops_core.external import look

        asked = look.Asked(
            database=props["database"],
            makes_roles=props["makes_roles"],
            makes_schema=props["makes_schema"],
            major=int(props["postgres_version"]) or None,
            setting=props["setting"],
            stack=props["stack"],
            before=before,
        )
        looked = look.at(Access.from_inputs(props["access"]), asked)
        return self.kept(props) | {"identity": looked.identity, "server_version": looked.server_version}


class ExternalDatabase(Resource, module="infraops", name="ExternalDatabase"):
    """The database that `access` leads to. Deleting it tells what remains, and removes nothing.

    The way in is in the outputs as well, a secret: a deletion is given nothing else to look with.
    """

    identity: Output[str]
    server_version: Output[str]

    def __init__(
        self, name: str, *, access: Mapping[str, Any], setting: str, stack: str, database: str, makes_roles: bool, makes_schema: bool,
        postgres_version: int | None, opts: ResourceOptions | None = None,
    ) -> None:  # fmt: skip
        props: dict[str, Input[Any]] = {
            "access": access,
            "setting": setting,
            "stack": stack,
            "database": database,
            "makes_roles": makes_roles,
            "makes_schema": makes_schema,
            "postgres_version": postgres_version or 0,
            "identity": None,
            "server_version": None,
        }
        secret = ResourceOptions(additional_secret_outputs=["access"])
        super().__init__(_ExternalDatabaseProvider(), name, props, ResourceOptions.merge(opts, secret))
