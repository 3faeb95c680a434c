"""docs/migrations-rules.md says what the rules are."""

import re

import pytest

from infraops_core import checkout
from infraops_core.migrations.lint import squawk
from infraops_core.migrations.lint.rules import RULES
from infraops_core.providers import names

PAGE = (checkout.ROOT / "docs" / "migrations-rules.md").read_text()
OURS, SQUAWKS = PAGE.split("## Our rules")[1].split("## Squawk's rules")


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_row_with_its_level(rule: str) -> None:
    assert f"\n| `{rule}` | {RULES[rule].level} | " in OURS


def test_no_rule_is_documented_that_is_not_there() -> None:
    assert set(re.findall(r"^\| `([a-z-]+)` \|", OURS, re.MULTILINE)) == set(RULES)


@pytest.mark.parametrize("rule", squawk.EXCLUDED)
def test_every_rule_that_is_off_has_its_reason(rule: str) -> None:
    assert f"\n| `{rule}` | " in SQUAWKS


def test_the_errors_among_squawks_rules_are_listed() -> None:
    listed = SQUAWKS.split("as the runner runs them: ")[1].split(".")[0]
    assert set(re.findall(r"`([a-z-]+)`", listed)) == squawk.ERRORS


def test_the_portable_extensions_are_listed() -> None:
    listed = OURS.split("Portable extensions, ")[1].split(".")[0]
    assert set(re.findall(r"`([a-z_-]+)`", listed)) == names.EXTENSIONS
