"""Nothing else in the code knows a provider: neither its name nor its hosts."""

import re
from pathlib import Path

import pytest

from infraops_core import checkout, providers

NAMES = (
    r"neon|supabase|supavisor|railway|digital ?ocean|crunchy|cloud ?sql|\baurora\b|\brds\b|amazon rds|alloydb|heroku|aiven"
    r"|\btimescale\b|azure|\brender\.com"
)
HOSTS = "|".join(re.escape(domain.lstrip(".-")) for provider in providers.ALL for domain in provider.domains)
KNOWN = re.compile(f"{NAMES}|{HOSTS}", re.IGNORECASE)

ALLOWED = {
    "infraops_core/settings/every_stack.py": "the targets' names are what a stack file says",
    "infraops_core/settings/parsing.py": "a table of the targets",
    "infraops_core/database_url/keywords.py": "whose key it is that libpq doesn't know",
    "infraops_cli/extras.py": "the Python packages that a target needs",
}
THEIRS = (checkout.ROOT / "infraops_core" / "providers", checkout.ROOT / "stacks" / "targets")
FILES = sorted(
    path
    for folder in ("infraops_core", "infraops_cli", "stacks")
    for path in (checkout.ROOT / folder).rglob("*.py")
    if not any(path.is_relative_to(theirs) for theirs in THEIRS)
)


def lines_that_know(path: Path) -> list[str]:
    return [f"{number}: {line.strip()}" for number, line in enumerate(path.read_text().splitlines(), 1) if KNOWN.search(line)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(checkout.ROOT)))
def test_no_provider_is_known(path: Path) -> None:
    if str(path.relative_to(checkout.ROOT)) not in ALLOWED:
        assert lines_that_know(path) == []


@pytest.mark.parametrize("path", ALLOWED)
def test_an_exception_is_of_a_file_that_is_there(path: str) -> None:
    assert (checkout.ROOT / path).exists()


@pytest.mark.parametrize(
    "line",
    ['if url.host.endswith(".neon.tech")', "# as on RDS", "class Supabase:", "port 6543 at aws-0.pooler.supabase.com", "Cloud SQL's proxy",
     "x.sql.goog", "postgresbridge.com", "rlwy.net: proxy.rlwy.net", "Aurora Serverless"],
)  # fmt: skip
def test_one_would_be_found(line: str) -> None:
    assert KNOWN.search(line)


@pytest.mark.parametrize("line", ["records", "passwords", "guards it", "render the page", "words"])
def test_a_word_that_holds_one_is_none(line: str) -> None:
    assert not KNOWN.search(line)
