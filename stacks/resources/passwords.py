"""Passwords as a resource: made once, kept in the state, secret."""

from typing import Any

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import CreateResult, Resource

from stacks.resources.shim import Properties, Shim


class _PasswordsProvider(Shim):
    watched = ("roles",)

    def create(self, props: Properties) -> CreateResult:
        import secrets

        from infraops_core import passwords

        made = {f"password_{role}": passwords.generate() for role in props["roles"]}
        return CreateResult(id_=secrets.token_hex(8), outs=self.kept(props) | made)


class Passwords(Resource, module="infraops", name="Passwords"):
    """One password for each of `roles`. The only resource of ours that returns secrets."""

    def __init__(self, name: str, roles: list[str], opts: ResourceOptions | None = None) -> None:
        keys = [f"password_{role}" for role in roles]
        secret = ResourceOptions(additional_secret_outputs=keys, replace_on_changes=["roles"])
        props: dict[str, Input[Any]] = {"roles": roles, **dict.fromkeys(keys)}
        super().__init__(_PasswordsProvider(), name, props, ResourceOptions.merge(opts, secret))

    def of(self, role: str) -> Output[str]:
        """The password of one role."""
        password: Output[str] = getattr(self, f"password_{role}")
        return Output.secret(password)
