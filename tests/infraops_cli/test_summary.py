"""The table that ends `infraops up`."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from infraops_cli import summary

SECRET = "Sesam0effneDich"

OUTPUTS: dict[str, Any] = {
    "target": "local",
    "environment": "dev",
    "DATABASE_PROVIDER": "embedded",
    "server_version": "17.10",
    "tls": "off (loopback)",
    "DATABASE_SSL_MODE": "disable",
    "schema_version": "20261122000001",
    "schema_checksum": "0123456789abcdef" * 4,
    "smoke_row_id": "7f9c24e8-3b12-4f0a-9d6b-0c1d2e3f4a5b",
    "smoke_proved_at": "2026-11-22 03:00:00+00:00",
    "smoke_insert_ms": 3.14159,
    "smoke_read_ms": "0.8",
    "DATABASE_URL": f"postgresql://infraops_app:{SECRET}@127.0.0.1:5433/infraops?sslmode=disable",
}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in OUTPUTS.items() if name not in names}


def test_what_a_user_reads_of_a_stack() -> None:
    assert summary.rows("neon-prod", OUTPUTS) == [
        ("stack", "neon-prod"),
        ("target", "local"),
        ("environment", "dev"),
        ("provider", "embedded"),
        ("server", "PostgreSQL 17.10"),
        ("TLS", "off (loopback), rule disable"),
        ("schema", "20261122000001, sha256 0123456789ab"),
        ("smoke row", "7f9c24e8-3b12-4f0a-9d6b-0c1d2e3f4a5b"),
        ("proved at", "2026-11-22 03:00:00+00:00"),
        ("insert", "3.1 ms"),
        ("read back", "0.8 ms"),
        ("DATABASE_URL", "postgresql://infraops_app:***@127.0.0.1:5433/infraops?sslmode=disable"),
        ("next", 'eval "$(.venv/bin/infraops env neon-prod)" && psql "$DATABASE_URL"'),
    ]


@pytest.mark.parametrize(
    ("outputs", "label", "value"),
    [
        (without("tls", "smoke_row_id"), "TLS", "rule disable"),
        (OUTPUTS | {"schema_version": ""}, "schema", "not looked at"),
    ],
)
def test_what_was_not_looked_at_is_not_claimed(outputs: dict[str, Any], label: str, value: str) -> None:
    assert dict(summary.rows("local", outputs))[label] == value


def test_without_a_smoke_test_there_are_no_lines_of_one() -> None:
    labels = [label for label, _ in summary.rows("local", without("tls", "smoke_row_id", "smoke_insert_ms", "smoke_read_ms"))]
    assert not {"smoke row", "insert", "read back"} & set(labels)


def shown(lines: list[tuple[str, str]], *, terminal: bool, width: int = 100) -> str:
    out = StringIO()
    summary.show(lines, Console(file=out, force_terminal=terminal, width=width, highlight=False, no_color=True))
    return out.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_no_password_is_shown(terminal: bool) -> None:
    assert SECRET not in shown(summary.rows("local", OUTPUTS), terminal=terminal)
    assert "***" in shown(summary.rows("local", OUTPUTS), terminal=terminal)


def test_plain_lines_where_there_is_no_terminal() -> None:
    lines = [("a", "1"), ("longer", "x" * 200)]
    assert shown(lines, terminal=False, width=20) == f"a       1\nlonger  {'x' * 200}\n"


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("value", ["[bold]x[/bold]", "[/x]", ":bug:", "a:key:3", "[red]", "\\[x]"])
def test_a_value_is_shown_as_it_is(value: str, terminal: bool) -> None:
    assert value in shown([("label", value)], terminal=terminal)


def test_a_narrow_terminal_cuts_nothing_off() -> None:
    text = shown(summary.rows("local", OUTPUTS), terminal=True, width=40)
    folded = "".join(line[14:].strip() for line in text.replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines())
    assert "postgresql://infraops_app:***@127.0.0.1:5433/infraops?sslmode=disable" in folded
