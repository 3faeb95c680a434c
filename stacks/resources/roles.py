"""The roles and the database they share, as a resource."""

from collections.abc import Mapping
from typing import Any

from pulumi import Input, ResourceOptions
from pulumi.dynamic import CreateResult, Resource, UpdateResult

from stacks.resources.shim import Properties, Shim


class _RolesProvider(Shim):
    watched = ("identity", "passwords_id", "tenant", "connection_limit")

    def create(self, props: Properties) -> CreateResult:
        return CreateResult(id_=f"roles-{props['identity']}", outs=self._make(props))

    def update(self, _id: str, olds: Properties, news: Properties) -> UpdateResult:
        return UpdateResult(outs=self._make(news))

    def _make(self, props: Properties) -> Properties:
        from infraops_core import roles
        from infraops_core.access import Access

        print(f"Roles  {', '.join(props['passwords'])}")
        settings = roles.RoleSettings(props["passwords"], props["tenant"], int(props["connection_limit"]))
        roles.create(Access.from_inputs(props["access"]), settings)
        return self.kept(props)


class Roles(Resource, module="infraops", name="Roles"):
    """`owner`, `app` and `readonly` on the server that `access` (the admin's) leads to.

    Nothing happens when it is deleted: roles go with their server, or stay with a database that is not ours to end.
    """

    def __init__(
        self, name: str, *, access: Mapping[str, Any], identity: Input[str], passwords: Mapping[str, Input[str]],
        passwords_id: Input[str], tenant: str, connection_limit: int, opts: ResourceOptions | None = None,
    ) -> None:  # fmt: skip
        props: dict[str, Input[Any]] = {
            "access": access,
            "identity": identity,
            "passwords": passwords,
            "passwords_id": passwords_id,
            "tenant": tenant,
            "connection_limit": connection_limit,
        }
        super().__init__(_RolesProvider(), name, props, opts)
