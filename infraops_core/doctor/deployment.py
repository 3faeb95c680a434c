"""What a stack's state says that the checks need: its outputs, when its passwords were made, where its data are.

A state is what `pulumi stack export --show-secrets` prints. Source: Pulumi documentation, "pulumi stack export"; the form is
`apitype.DeploymentV3` of Pulumi's sources.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

_OURS = "pulumi-python:dynamic/infraops:"
_STACK = "pulumi:pulumi:Stack"
_SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"  # noqa: S105 - the key that marks an object of the state as a secret
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - and the value under that key


@dataclass(frozen=True)
class Made:
    """A resource of ours."""

    urn: str
    name: str
    created: datetime | None
    outputs: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Deployment:
    """A stack's state, secrets in clear; `repr` shows none.

    :param has_all_secrets: whether every secret could be decrypted.
    """

    outputs: Mapping[str, Any] = field(repr=False)
    resources: Sequence[tuple[str, Made]] = field(repr=False)
    has_all_secrets: bool

    def of_type(self, name: str) -> list[Made]:
        """The resources of one of our types."""
        return [made for kind, made in self.resources if kind == name]

    @property
    def data_folder(self) -> Path | None:
        """Where a server of this machine keeps its data; None for any other."""
        base = self._first("DataFolder", "base")
        return Path(base) if base else None

    @property
    def volume(self) -> str:
        """The volume that a container's data are in; empty where there is none."""
        return self._first("Volume", "volume")

    def _first(self, kind: str, output: str) -> str:
        values = [made.outputs.get(output) for made in self.of_type(kind)]
        return values[0] if values and isinstance(values[0], str) else ""


def read(exported: Mapping[str, Any]) -> Deployment:
    """The state as it was exported.

    :raises ValueError: for what is no state.
    """
    resources = _resources(exported)
    stack = next((resource for resource in resources if resource.get("type") == _STACK), {})
    hidden: list[str] = []
    outputs = {name: _plain(value, hidden) for name, value in _mapping(stack.get("outputs")).items()}
    ours = [(kind.removeprefix(_OURS), _made(resource)) for resource in resources if (kind := str(resource.get("type"))).startswith(_OURS)]
    return Deployment(outputs, ours, has_all_secrets=not hidden)


def _resources(exported: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    deployment = exported.get("deployment") if isinstance(exported, Mapping) else None
    if not isinstance(deployment, Mapping):
        raise ValueError("no deployment in it")
    resources = deployment.get("resources") or []
    if not isinstance(resources, list) or not all(isinstance(resource, Mapping) for resource in resources):
        raise ValueError("its resources are no list of objects")
    return resources


def _made(resource: Mapping[str, Any]) -> Made:
    urn = str(resource.get("urn", ""))
    outputs = {name: value for name, value in _mapping(resource.get("outputs")).items() if not _is_secret(value)}
    return Made(urn, urn.rpartition("::")[2], _time(resource.get("created")), outputs)


def _plain(value: Any, hidden: list[str]) -> Any:
    """An output's value; None, noted in `hidden`, for a secret that was not decrypted."""
    if not _is_secret(value):
        return value
    try:
        return json.loads(value["plaintext"])
    except (KeyError, TypeError, ValueError):
        hidden.append("secret")
        return None


def _is_secret(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get(_SECRET_SIGNATURE) == _SECRET


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _time(text: Any) -> datetime | None:
    """A time as Go writes it, with nanoseconds."""
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
