"""The audit path knows no provider: whoever answers behind the URL is a Postgres."""

import re
from pathlib import Path

import pytest

from infraops_core import audit

PROVIDERS = re.compile(
    r"neon|\b(?:amazon|aws|rds|aurora|azure|gcp|dynamodb|boto\w*)\b|supabase|cloud ?sql|alloydb|google|cloudflare|hyperdrive|heroku"
    r"|digital ?ocean|timescale|crunchy|aiven|fly\.io|railway|render\.com|planetscale|cockroach|yugabyte|secrets ?manager", re.IGNORECASE
)  # fmt: skip
FILES = sorted(Path(audit.__path__[0]).rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_provider_is_named(path: Path) -> None:
    found = [f"{path.name}:{number}: {line}" for number, line in enumerate(path.read_text().splitlines(), 1) if PROVIDERS.search(line)]
    assert found == []


@pytest.mark.parametrize("name", ["Neon", "on RDS", "aws_lambda is no word, AWS is", "import boto3", "SecretsManagerUrl", "Cloud SQL"])
def test_one_would_be_found(name: str) -> None:
    assert PROVIDERS.search(name)
