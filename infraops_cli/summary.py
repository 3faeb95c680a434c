"""The table that ends `infraops up`."""

from typing import Any

from rich.console import Console
from rich.text import Text

from infraops_core.database_url import parse


def rows(stack: str, outputs: dict[str, Any]) -> list[tuple[str, str]]:
    """Label and value of each line; no password among them."""
    shown = [
        ("stack", stack),
        ("target", outputs["target"]),
        ("environment", outputs["environment"]),
        ("provider", outputs["DATABASE_PROVIDER"]),
        ("server", f"PostgreSQL {outputs['server_version']}"),
        ("TLS", f"{outputs['tls']}, rule {outputs['DATABASE_SSL_MODE']}" if "tls" in outputs else f"rule {outputs['DATABASE_SSL_MODE']}"),
        (
            "schema",
            f"{outputs['schema_version']}, sha256 {outputs['schema_checksum'][:12]}" if outputs["schema_version"] else "not looked at",
        ),
    ]
    if "smoke_row_id" in outputs:
        shown += [
            ("smoke row", outputs["smoke_row_id"]),
            ("proved at", outputs["smoke_proved_at"]),
            ("insert", f"{float(outputs['smoke_insert_ms']):.1f} ms"),
            ("read back", f"{float(outputs['smoke_read_ms']):.1f} ms"),
        ]
    shown += [
        ("DATABASE_URL", str(parse(outputs["DATABASE_URL"]))),
        ("next", f'eval "$(.venv/bin/infraops env {stack})" && psql "$DATABASE_URL"'),
    ]
    return shown


def show(lines: list[tuple[str, str]], console: Console) -> None:
    """An aligned line each, never folded: a URL or command that can be copied whole."""
    width = max(len(label) for label, _ in lines)
    for label, value in lines:
        console.print(Text.assemble((f"{label:<{width}}", "bold"), f"  {value}"), soft_wrap=True)
