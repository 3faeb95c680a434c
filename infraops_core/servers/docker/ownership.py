"""Whose a volume or a container is, by the labels it carries; only what says it is this stack's is ever touched."""

from collections.abc import Mapping
from dataclasses import dataclass

from infraops_core.errors import UserError

_PROJECT, _STACK = "infraops.project", "infraops.stack"


@dataclass(frozen=True)
class Owner:
    """A stack of a project."""

    project: str
    stack: str

    @property
    def labels(self) -> dict[str, str]:
        """What its volume and containers carry."""
        return {_PROJECT: self.project, _STACK: self.stack}

    def check(self, thing: str, labels: Mapping[str, str] | None, *, otherwise: str) -> None:
        """Refuse a volume or container of somebody else.

        :param thing: what it is, with its name: `the volume data`.
        :param otherwise: what to do then.
        """
        carried = labels or {}
        if {name: carried.get(name) for name in self.labels} == self.labels:
            return
        if _PROJECT not in carried or _STACK not in carried:
            raise UserError(f"{thing} does not say that a stack of ours has made it", where=f"stack {self.stack}", next=otherwise)
        whose = f"the stack {carried[_STACK]} of {carried[_PROJECT]}"
        raise UserError(f"{thing} belongs to {whose}, not to {self.stack} of {self.project}", where=f"stack {self.stack}", next=otherwise)
