"""Whether a destroy leaves the database: by what the state holds, for a file may say something else by now."""

from types import SimpleNamespace
from typing import Any

import pytest

from infraops_cli import runs
from infraops_cli.events import OURS

STACK = "pulumi:pulumi:Stack"
EXTERNAL = [STACK, *(f"{OURS}{kind}:{kind}" for kind in ("ExternalDatabase", "Passwords", "Roles", "Schema", "SmokeTest"))]


def holding(*kinds: str) -> Any:
    """A stack whose state has resources of these kinds."""
    state = SimpleNamespace(deployment={"resources": [{"type": kind} for kind in kinds]} if kinds else None)
    return runs.Prepared("some", SimpleNamespace(export_stack=lambda: state), None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kinds", "keeps"),
    [
        (EXTERNAL, True),
        ([STACK, f"{OURS}ExternalDatabase:ExternalDatabase"], True),
        ([*EXTERNAL, f"{OURS}DataFolder:DataFolder"], False),  # a stack that was local before, half changed
        ([*EXTERNAL, "aws:rds/instance:Instance"], False),
        ([STACK, f"{OURS}DataFolder:DataFolder", f"{OURS}Server:Server"], False),
        ([STACK, f"{OURS}Passwords:Passwords"], False),
        ([STACK], False),
        ([], False),
    ],
)
def test_only_what_is_all_in_a_database_of_others_is_forgotten(kinds: list[str], keeps: bool) -> None:
    assert runs.keeps_the_database(holding(*kinds)) is keeps
