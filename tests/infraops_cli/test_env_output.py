"""A stack's outputs as variables: which, and read back by a real shell."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infraops_cli.env_output import Format, render, select

FEW = settings(max_examples=40, deadline=None)

OUTPUTS: dict[str, Any] = {
    "DATABASE_PROVIDER": "embedded",
    "DATABASE_URL": "postgresql://app:a@h/db",
    "DIRECT_DATABASE_URL": "postgresql://owner:o@h/db",
    "READONLY_DATABASE_URL": "postgresql://readonly:r@h/db",
    "ADMIN_DATABASE_URL": "postgresql://admin:x@h/db",
    "DATABASE_SSL_MODE": "disable",
    "ENABLE_HOSTED_AUDIT_WRITES": "true",
    "schema_checksum": "0123",
}
APPLICATION = ["DATABASE_PROVIDER", "DATABASE_URL", "DATABASE_SSL_MODE", "ENABLE_HOSTED_AUDIT_WRITES"]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ([], []),
        (["direct"], ["DIRECT_DATABASE_URL"]),
        (["readonly"], ["READONLY_DATABASE_URL"]),
        (["admin"], ["ADMIN_DATABASE_URL"]),
        (["direct", "readonly", "admin"], ["DIRECT_DATABASE_URL", "READONLY_DATABASE_URL", "ADMIN_DATABASE_URL"]),
    ],
)
def test_only_what_was_asked_for(asked: list[str], names: list[str]) -> None:
    assert select(OUTPUTS, **dict.fromkeys(asked, True)) == {name: OUTPUTS[name] for name in [*APPLICATION, *names]}


def test_an_admin_by_secret_where_the_password_rotates() -> None:
    outputs = {"DATABASE_URL": "postgresql://app:a@h/db", "ADMIN_DATABASE_SECRET": "arn:aws:secretsmanager:x"}
    assert select(outputs, direct=True, admin=True) == outputs


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (Format.SHELL, "export A=plain\nexport B='it'\"'\"'s $HOME `id`'"),
        (Format.DOTENV, 'A="plain"\nB="it\'s \\$HOME \\`id\\`"'),
        (Format.JSON, '{\n  "A": "plain",\n  "B": "it\'s $HOME `id`"\n}'),
    ],
)
def test_the_forms(form: Format, text: str) -> None:
    assert render({"A": "plain", "B": "it's $HOME `id`"}, form) == text


@pytest.mark.parametrize("form", Format)
def test_a_line_each(form: Format) -> None:
    around = 2 if form is Format.JSON else 0
    assert len(render(select(OUTPUTS, direct=True, admin=True), form).splitlines()) == 6 + around


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00")) | st.text("\\\"'$`(){}!#&;|<>*?~ \t\n=%a", max_size=20)
variables = st.dictionaries(st.sampled_from(["DATABASE_URL", "DATABASE_PROVIDER", "ADMIN_DATABASE_URL"]), texts, min_size=1)
hostile = {"DATABASE_URL": "$(touch pwned)`touch pwned`'; touch pwned; '\"; touch pwned; \"\\", "DATABASE_PROVIDER": "\n\ntouch pwned\n\n"}


def in_a_shell(script: str, text: str, names: list[str]) -> dict[str, str]:
    """What the variables are after a real `sh` has run `script` beside a file `text`, in a folder where nothing else came to be."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "text").write_bytes(text.encode() + b"\n")
        shell = ["sh", "-c", f"{script}\nexec env -0"]
        ran = subprocess.run(shell, cwd=folder, env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=True)
        assert ran.stderr == b""
        assert [path.name for path in Path(folder).iterdir()] == ["text"]
    read = dict(pair.split("=", 1) for pair in ran.stdout.decode().split("\0") if pair)
    return {name: read[name] for name in names}


@FEW
@given(variables)
@example(hostile)
def test_a_shell_reads_back_what_was_written(given: dict[str, str]) -> None:
    assert in_a_shell('eval "$(cat text)"', render(given, Format.SHELL), list(given)) == given


@FEW
@given(variables)
@example(hostile)
def test_a_shell_that_reads_the_dotenv_form_does_too(given: dict[str, str]) -> None:
    assert in_a_shell("set -a\n. ./text", render(given, Format.DOTENV), list(given)) == given


@given(variables)
def test_json_reads_back_what_was_written(given: dict[str, str]) -> None:
    assert json.loads(render(given, Format.JSON)) == given
