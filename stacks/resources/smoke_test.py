"""The one-row smoke test as a resource, for what hooks can only warn of must fail the update."""

from collections.abc import Mapping
from typing import Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import CreateResult, Resource, UpdateResult

from stacks.resources.shim import Properties, Shim


class _SmokeTestProvider(Shim):
    watched = ("identity", "endpoint", "schema_checksum", "rehearsal", "stack", "tenant")

    def create(self, props: Properties) -> CreateResult:
        outs = self._prove(props)
        return CreateResult(id_=outs["row_id"], outs=outs)

    def update(self, _id: str, olds: Properties, news: Properties) -> UpdateResult:
        return UpdateResult(outs=self._prove(news))

    def _prove(self, props: Properties) -> Properties:
        from datetime import UTC, datetime

        from infraops_core import smoke
        from infraops_core.access import Access

        details = {"stack": props["stack"], "schema_checksum": props["schema_checksum"], "rehearsal": props["rehearsal"]}
        result = smoke.run(Access.from_inputs(props["access"]), details, tenant=props["tenant"])
        print(result.summary())
        proved_at = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
        measured = {
            "proved_at": proved_at,
            "row_id": result.row_id,
            "insert_ms": result.insert_ms,
            "read_ms": result.read_ms,
            "tls": result.tls,
        }
        return self.kept(props) | measured


class SmokeTest(Resource, module="infraops", name="SmokeTest"):
    """One audit row, written and read back through `access`, which is the app's."""

    row_id: Output[str]
    proved_at: Output[str]
    insert_ms: Output[float]
    read_ms: Output[float]
    tls: Output[str]

    def __init__(
        self, name: str, *, access: Mapping[str, Any], identity: Input[str], endpoint: Input[str],
        schema_checksum: Input[str], rehearsal: str, stack: str, tenant: str,
        opts: ResourceOptions | None = None,
    ) -> None:  # fmt: skip
        props: dict[str, Input[Any]] = {
            "access": access,
            "identity": identity,
            "endpoint": endpoint,
            "schema_checksum": schema_checksum,
            "rehearsal": rehearsal,
            "stack": stack,
            "tenant": tenant,
            "proved_at": None,
            "row_id": None,
            "insert_ms": None,
            "read_ms": None,
            "tls": None,
        }
        super().__init__(_SmokeTestProvider(), name, props, opts)
