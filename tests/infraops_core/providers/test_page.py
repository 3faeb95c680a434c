"""docs/providers.md and the facts it is made of: each says where it was read, and when."""

import dataclasses
import re

import pytest

from infraops_core import checkout, providers
from infraops_core.providers import names, page
from infraops_core.providers.facts import NOT_FOUND, Fact, Facts

FACTS = [
    pytest.param(getattr(provider.facts, field.name), id=f"{provider.name}-{field.name}")
    for provider in providers.ALL
    for field in dataclasses.fields(Facts)
    if provider.hosted
]


def test_the_page_is_as_the_facts_make_it() -> None:
    path = checkout.ROOT / "docs" / "providers.md"
    assert path.read_text() == page.text(), "stale: python -m infraops_core.providers.page > docs/providers.md"


def test_every_fact_has_a_heading() -> None:
    assert list(page.HEADINGS) == [field.name for field in dataclasses.fields(Facts)]


@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_has_a_source_and_a_month_or_says_that_none_was_found(fact: Fact) -> None:
    assert fact is NOT_FOUND or fact.source
    assert re.fullmatch(r"20[0-9]{2}-(0[1-9]|1[0-2])", fact.read)
    assert "\n" not in fact.text + fact.source
    assert fact.text == fact.text.strip().rstrip(".")


@pytest.mark.parametrize("provider", [provider for provider in providers.ALL if provider.hosted], ids=lambda provider: provider.name)
def test_hosted_ones_say_what_a_user_has_to_know(provider: providers.Provider) -> None:
    assert provider.prices.startswith("https://")
    assert provider.tls != "disable"
    assert provider.facts.hosts is not NOT_FOUND
    assert provider.ca
    assert provider.extensions <= names.EXTENSIONS
    assert all(domain.startswith((".", "-")) and domain == domain.lower() for domain in provider.domains)


def test_a_cell_does_not_end_its_row() -> None:
    assert page._row("a|b", "c") == r"| a\|b | c |"
