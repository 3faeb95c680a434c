"""The roles and the database they share, as a resource."""

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi import Input, ResourceOptions
from pulumi.dynamic import CreateResult, Resource, UpdateResult

from infraops_core.roles import DATABASE
from infraops_core.settings.grants import Grant
from stacks.resources.shim import Properties, Shim


class _RolesProvider(Shim):
    watched = ("identity", "passwords_id", "tenant", "connection_limit", "database", "owns_database", "extensions", "grants")

    def create(self, props: Properties) -> CreateResult:
        return CreateResult(id_=f"roles-{props['identity']}", outs=self._make(props, []))

    def update(self, _id: str, olds: Properties, news: Properties) -> UpdateResult:
        return UpdateResult(outs=self._make(news, olds.get("grants") or []))

    def _make(self, props: Properties, granted: list[Properties]) -> Properties:
        from infraops_core import roles
        from infraops_core.access import Access
        from infraops_core.settings.grants import Grant

        print(f"Roles  {', '.join(props['passwords'])}")
        settings = roles.RoleSettings(
            passwords=props["passwords"],
            tenant=props["tenant"],
            connection_limit=int(props["connection_limit"]),
            database=props["database"],
            owns_database=props["owns_database"],
            extensions=tuple(props["extensions"]),
            grants=tuple(map(Grant.from_inputs, props["grants"])),
        )
        roles.create(Access.from_inputs(props["access"]), settings, granted=tuple(map(Grant.from_inputs, granted)))
        return self.kept(props)


class Roles(Resource, module="infraops", name="Roles"):
    """`owner`, `app` and `readonly` on the server that `access` (the admin's) leads to, and their database as they need it.

    Nothing happens when it is deleted: roles go with their server, or stay with a database that is not ours to end.
    """

    def __init__(
        self, name: str, *, access: Mapping[str, Any], identity: Input[str], passwords: Mapping[str, Input[str]],
        passwords_id: Input[str], tenant: str, connection_limit: int, extensions: Sequence[str], grants: Sequence[Grant],
        database: str = DATABASE, owns_database: bool = True, opts: ResourceOptions | None = None,
    ) -> None:  # fmt: skip
        props: dict[str, Input[Any]] = {
            "access": access,
            "identity": identity,
            "passwords": passwords,
            "passwords_id": passwords_id,
            "tenant": tenant,
            "connection_limit": connection_limit,
            "database": database,
            "owns_database": owns_database,
            "extensions": list(extensions),
            "grants": [grant.as_inputs() for grant in grants],
        }
        super().__init__(_RolesProvider(), name, props, opts)
