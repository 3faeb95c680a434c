"""What may be put into a stack's file as a secret; how it is put there is in tests/end_to_end/test_external.py."""

from pathlib import Path

import pytest

from infraops_cli import stack_secrets
from infraops_core import checkout
from infraops_core.errors import UserError

SECRET = "Sesam0effneDich"
NEON = f"postgresql://u:{SECRET}@ep-x-1.eu-central-1.aws.neon.tech/shop"
POOLED = f"postgresql://u:{SECRET}@ep-x-1-pooler.eu-central-1.aws.neon.tech/shop?sslmode=require"


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stack, more in {
        "shop": "target: external",
        "named": "target: external\n  infraops:provider: neon",
        "here": "target: local",
    }.items():
        (tmp_path / f"Pulumi.{stack}.yaml").write_text(f"config:\n  infraops:{more}\n")
    (tmp_path / "Pulumi.broken.yaml").write_text("config: [\n")
    monkeypatch.setattr(checkout, "ROOT", tmp_path)


@pytest.mark.parametrize("name", ["databaseUrl", "infraops:databaseUrl", "adminDatabaseUrl", "directDatabaseUrl", "readonlyDatabaseUrl"])
def test_the_secrets_of_an_external_stack(name: str) -> None:
    assert stack_secrets.setting("shop", name).key == name.removeprefix("infraops:")


@pytest.mark.parametrize(
    ("stack", "name", "what", "then"),
    [
        ("shop", "port", "stack shop has no secret setting port", "take one of databaseUrl, adminDatabaseUrl"),
        ("shop", "roles", "stack shop has no secret setting roles", "take one of databaseUrl"),
        ("shop", "", "stack shop has no secret setting ", "take one of databaseUrl"),
        ("here", "databaseUrl", "stack here has no secret setting databaseUrl", "its target has none"),
        (
            "nowhere",
            "databaseUrl",
            "there is no stack nowhere: Pulumi.nowhere.yaml does not exist",
            "take one of broken, here, named, shop",
        ),
        ("../shop", "databaseUrl", "is no name for a stack", "take one of"),
        ("broken", "databaseUrl", "Pulumi.broken.yaml is not YAML", "fix the file"),
    ],
)
def test_what_is_no_secret_of_the_stack(stack: str, name: str, what: str, then: str) -> None:
    with pytest.raises(UserError) as refusal:
        stack_secrets.setting(stack, name)
    assert what in refusal.value.what
    assert then in refusal.value.next


@pytest.mark.parametrize(
    ("stack", "name", "text", "what"),
    [
        ("shop", "databaseUrl", "", "nothing was given to store"),
        ("shop", "databaseUrl", " \n", "nothing was given to store"),
        ("shop", "databaseUrl", SECRET, "postgres:// or postgresql://"),
        ("shop", "databaseUrl", f"mysql://u:{SECRET}@h/db", "postgres:// or postgresql://"),
        ("shop", "databaseUrl", NEON, "sslmode=require or stronger"),
        ("shop", "databaseUrl", f"postgresql://u:{SECRET}@db.example.com/db?sslmode=disable", "sslmode=require or stronger"),
        ("named", "databaseUrl", f"postgresql://u:{SECRET}@db.example.com/db", "Neon is used with sslmode=require"),
        ("shop", "adminDatabaseUrl", POOLED, "must be direct: use ep-x-1.eu-central-1.aws.neon.tech:5432"),
        ("shop", "directDatabaseUrl", POOLED, "must be direct"),
    ],
)
def test_a_url_that_will_not_do_is_not_stored_and_not_shown(stack: str, name: str, text: str, what: str) -> None:
    with pytest.raises(UserError) as refusal:
        stack_secrets.checked(stack, stack_secrets.setting(stack, name), text)
    assert what in refusal.value.what
    assert refusal.value.where == f"infraops:{name}"
    assert f"infraops secret set {stack} {name}" in refusal.value.next
    assert SECRET not in f"{refusal.value} {refusal.value!r}"


@pytest.mark.parametrize("text", [f"{NEON}?sslmode=require", f"\n {POOLED}\n", f"postgres://u:{SECRET}@127.0.0.1/db"])
def test_a_url_that_will_do(text: str) -> None:
    url = stack_secrets.checked("shop", stack_secrets.setting("shop", "databaseUrl"), text)
    assert url.password == SECRET
    assert SECRET not in str(url)
