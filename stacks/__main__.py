"""Settings -> target -> roles -> schema -> smoke test -> outputs."""

from importlib import import_module

import pulumi

from infraops_core.errors import UserError
from stacks import configuration, outputs, steps


def main() -> None:
    settings = configuration.read()
    target = import_module(f"stacks.targets.{settings.target.replace('-', '_')}")
    database = target.provision(settings)
    roles = steps.roles(database, settings)
    schema = steps.schema(database, roles, settings)
    smoke = steps.smoke_test(database, roles, schema, settings)
    outputs.export(database, roles, schema, smoke, settings)


try:
    main()
except UserError as error:
    raise pulumi.RunError(str(error)) from None
