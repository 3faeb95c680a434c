"""How `infraops:extensions` and `infraops:grants` are read.

A list in a stack file comes as YAML's list from the file, and as JSON text from Pulumi.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

TABLE_PRIVILEGES = ("select", "insert", "update", "delete")
SEQUENCE_PRIVILEGES = ("usage",)

_EXTENSION = re.compile(r"[a-z0-9_][a-z0-9_-]{0,62}")
_EXTENSIONS = "a list of extensions' names, as [pgcrypto, pg_trgm]"
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,63}")
_KEYS = ("role", "schema", "tables", "sequences")
_ROLES = ("app", "readonly")
_OURS = "infraops_audit"
_MOST = 100


@dataclass(frozen=True)
class Grant:
    """What one of our roles may do in one schema that is not ours: on its tables and sequences, present and future.

    :param role: `app` or `readonly`.
    :param tables: some of `TABLE_PRIVILEGES`, in that order.
    :param sequences: some of `SEQUENCE_PRIVILEGES`.
    """

    role: str
    schema: str
    tables: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()

    @classmethod
    def from_inputs(cls, inputs: Mapping[str, Any]) -> "Grant":
        """What `as_inputs` wrote, once it has been through Pulumi."""
        return cls(inputs["role"], inputs["schema"], tuple(inputs["tables"]), tuple(inputs["sequences"]))

    def as_inputs(self) -> dict[str, Any]:
        """Plain lists and texts, for a resource's inputs."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def extensions(value: Any) -> tuple[Any, str]:
    """Names of extensions, each once."""
    names = _listed(value)
    if names is None or not all(isinstance(name, str) and _EXTENSION.fullmatch(name) for name in names) or len(names) > _MOST:
        return None, _EXTENSIONS
    return tuple(dict.fromkeys(names)), ""


def grants(value: Any) -> tuple[Any, str]:
    """Grants on other schemas than the audit trail's; of one role and schema one at most."""
    given = _listed(value)
    if given is None or len(given) > _MOST:
        return None, "a list of grants: role, schema, tables, sequences (docs/settings.md)"
    read: dict[tuple[str, str], Grant] = {}
    for number, one in enumerate(given, 1):
        grant, problem = _grant(one)
        if grant is None:
            return None, f"grant {number}: {problem}"
        if (grant.role, grant.schema) in read:
            return None, f"grant {number}: {grant.role} has one on schema {grant.schema} already"
        read[grant.role, grant.schema] = grant
    return tuple(read.values()), ""


def _grant(one: Any) -> tuple[Grant | None, str]:
    if not isinstance(one, Mapping) or not set(one) <= set(_KEYS):
        return None, f"its keys are {', '.join(_KEYS)}"
    role, schema = one.get("role"), one.get("schema")
    if role not in _ROLES:
        return None, "role is one of: app, readonly"
    if not isinstance(schema, str) or not _NAME.fullmatch(schema):
        return None, "schema is a schema's name"
    if schema in (_OURS, "information_schema") or schema.startswith("pg_"):
        return None, f"schema {schema} is not to be granted on: its rights are fixed"
    tables = _privileges(one.get("tables"), TABLE_PRIVILEGES)
    sequences = _privileges(one.get("sequences"), SEQUENCE_PRIVILEGES)
    if tables is None:
        return None, f"tables is a list of some of: {', '.join(TABLE_PRIVILEGES)}"
    if sequences is None:
        return None, "sequences is [usage]"
    if not tables and not sequences:
        return None, "it grants nothing: say tables or sequences"
    if role == "readonly" and (set(tables) - {"select"} or sequences):
        return None, "readonly gets select on tables, and nothing more"
    return Grant(role, schema, tables, sequences), ""


def _privileges(value: Any, allowed: tuple[str, ...]) -> tuple[str, ...] | None:
    """Those of `allowed` that are named, in their order; None for anything else."""
    named = [] if value is None else value
    if not isinstance(named, list) or not all(isinstance(name, str) and name.lower() in allowed for name in named):
        return None
    return tuple(name for name in allowed if name in {given.lower() for given in named})


def _listed(value: Any) -> list[Any] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, list) else None
