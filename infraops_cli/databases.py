"""Which database a command works on: a stack's, or the one the environment names."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import typer

from infraops_core import environment as environment_variables
from infraops_core.access import Access
from infraops_core.database_url import DatabaseUrl, parse
from infraops_core.environment.variables import DIRECT, READONLY
from infraops_core.errors import UserError
from infraops_core.settings import Environment
from infraops_core.tls import Tls

OWNER = (DIRECT.name,)
READER = (READONLY.name, DIRECT.name)


@dataclass(frozen=True)
class Chosen:
    """A database, the way in for one role, and what it is for.

    :param name: the stack's, or where it is; what a user types to confirm.
    """

    access: Access
    environment: Environment
    name: str

    def confirm(self, doing: str, *, otherwise: str) -> None:
        """Have the name typed before something that can't be taken back.

        :param otherwise: what to do where there is no terminal to type it on.
        :raises UserError: where there is none.
        :raises typer.Abort: when anything else is typed.
        """
        if not sys.stdin.isatty():
            raise UserError(f"{doing} {self.name} asks for its name first, and there is no terminal to type it on",
                            where=self.access.endpoint, next=otherwise)  # fmt: skip
        place = "" if self.name == self.access.endpoint else f" ({self.access.endpoint})"
        typed = typer.prompt(f"{doing} {self.name}{place}. Type {self.name} to go on", err=True)
        if typed.strip() != self.name:
            raise typer.Abort


def choose(names: tuple[str, ...], *, stack: str = "", environment: Environment | None = None) -> Chosen:
    """The database of `stack`, or without one that of the first of the variables `names` that is set.

    :param environment: what a database named by a variable is for. Unless said: dev on this machine, else prod, which
        is the careful one.
    :raises UserError: where neither says which, the variables are wrong or contradict one another, or the stack is not up.
    """
    if stack:
        return _of_stack(names, stack, environment)
    return _named(names, os.environ, environment)


def _of_stack(names: tuple[str, ...], stack: str, environment: Environment | None) -> Chosen:
    from infraops_cli import runs  # here, for Pulumi's SDK takes its time to import
    from infraops_cli.progress import Progress

    if environment is not None:
        raise UserError(
            f"stack {stack} says itself what it is for", where="--environment", next="leave out one of --stack and --environment"
        )
    outputs = runs.outputs(runs.existing(stack, Progress()))
    name = next((name for name in names if name in outputs), "")
    if not name:
        raise UserError(f"stack {stack} has no {' and no '.join(names)}: nobody gave it", where=f"Pulumi.{stack}.yaml",
                        next=f"infraops secret set {stack} directDatabaseUrl (docs/external.md), then: infraops up {stack}")  # fmt: skip
    access = Access(parse(outputs[name]), Tls(outputs["DATABASE_SSL_MODE"]))
    return Chosen(access, Environment(outputs["environment"]), stack)


def _named(names: tuple[str, ...], variables: Mapping[str, str], environment: Environment | None) -> Chosen:
    described = environment_variables.read(variables)
    by_name = {DIRECT.name: described.direct_url, READONLY.name: described.readonly_url}
    for url in filter(None, (by_name[name] for name in names)):
        access = Access(url, described.rule(url))
        return Chosen(access, environment or _careful(url), access.endpoint)
    unset = f"neither {' nor '.join(names)} is set" if len(names) > 1 else f"{names[0]} is not set"
    raise UserError("which database is not said", where=f"there is no --stack, and {unset}",
                    next="name a stack (--stack local), or set the variable (infraops env STACK --direct prints a stack's)")  # fmt: skip


def _careful(url: DatabaseUrl) -> Environment:
    return Environment.DEV if url.is_loopback else Environment.PROD
