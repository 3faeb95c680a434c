"""The audit schema as a resource."""

from collections.abc import Mapping
from typing import Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import CreateResult, Resource, UpdateResult

from stacks.resources.shim import Properties, Shim


class _SchemaProvider(Shim):
    watched = ("identity", "folder_checksum", "mode")

    def create(self, props: Properties) -> CreateResult:
        return CreateResult(id_=f"schema-{props['identity']}", outs=self._bring(props))

    def update(self, _id: str, olds: Properties, news: Properties) -> UpdateResult:
        return UpdateResult(outs=self._bring(news))

    def _bring(self, props: Properties) -> Properties:
        from infraops_core import schema
        from infraops_core.access import Access
        from infraops_core.settings import Environment

        state = schema.bring(Access.from_inputs(props["access"]), props["mode"], Environment(props["environment"]))
        return self.kept(props) | {"version": state.version, "checksum": state.checksum}


class Schema(Resource, module="infraops", name="Schema"):
    """The migrations of `audit-schema/`, applied (or compared) through `access`, which is the owner's."""

    version: Output[str]
    checksum: Output[str]

    def __init__(
        self, name: str, *, access: Mapping[str, Any], identity: Input[str], folder_checksum: str, mode: str,
        environment: str,
        opts: ResourceOptions | None = None,
    ) -> None:  # fmt: skip
        props: dict[str, Input[Any]] = {
            "access": access,
            "identity": identity,
            "folder_checksum": folder_checksum,
            "mode": mode,
            "environment": environment,
            "version": None,
            "checksum": None,
        }
        super().__init__(_SchemaProvider(), name, props, opts)
