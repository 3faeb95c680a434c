"""The store's page for users: its examples run, and its numbers are those of the code."""

import inspect
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from infraops_core import checkout, roles
from infraops_core.audit import payload
from infraops_core.audit.async_postgres import AsyncPostgresAuditStore
from infraops_core.audit.connections.sources import FileUrl
from infraops_core.audit.postgres import PostgresAuditStore
from infraops_core.audit.store import Preview
from tests.fix_audit import MakeStore, event
from tests.fix_postgres import AuditDatabase

PAGE = (checkout.ROOT / "docs" / "audit-store.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def namespace(audit: AuditDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What one example leaves to the next; the environment is an application's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", audit.access(roles.APP).url.with_password())
    monkeypatch.setenv("DATABASE_SSL_MODE", "disable")
    monkeypatch.setenv("ENABLE_HOSTED_AUDIT_WRITES", "true")
    return {"__name__": "example"}


def test_the_examples_run_in_their_order(
    namespace: dict[str, Any], audit: AuditDatabase, tenant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(EXAMPLES) == 4
    for number, example in enumerate(EXAMPLES, 1):
        exec(compile(example.replace('"acme"', repr(tenant)), f"example {number} of audit-store.md", "exec"), namespace)  # noqa: S102
    shown = capsys.readouterr().out
    assert "restarted after the memory alert {'pods': 3, 'reason': {'alert': 'memory'}}" in shown
    assert "is already recorded in audit_events with other content: outcome" in shown
    assert shown.endswith("1\n")
    with audit.access(roles.OWNER).connect(seconds=30) as owner:
        counts = [owner.execute(f"select count(*) from infraops_audit.{table} where tenant_id = %s".encode(), [tenant]).fetchone()
                  for table in ("audit_events", "incident_snapshots", "agent_runs", "approval_requests")]  # fmt: skip
    assert counts == [(1,), (1,), (2,), (2,)]


@pytest.mark.parametrize("store", [PostgresAuditStore, AsyncPostgresAuditStore])
def test_every_option_has_a_row_with_its_default(store: type) -> None:
    options = {name: option.default for name, option in inspect.signature(store).parameters.items() if option.default is not option.empty}
    rows = dict(re.findall(r"^\| `(\w+)` \| ([0-9]+) \|", PAGE, re.MULTILINE))
    assert rows == {name: f"{default:g}" for name, default in options.items()}


def test_the_limits_are_those_of_payloads() -> None:
    assert f"at most {payload.MAX_BYTES} bytes" in PAGE
    assert f"at most {payload.MAX_DEPTH} levels" in PAGE


def test_the_file_is_one_that_is_read(tmp_path: Path) -> None:
    (block,) = re.findall(r"(?m)(?:^    (?:postgresql|next): ?.*\n)+", PAGE)
    (tmp_path / "url").write_text(block)
    source = FileUrl(tmp_path / "url")
    assert "@old.example" in source.current()
    assert "@new.example" in (source.upcoming() or "")


def test_with_writes_off_no_connection_is_opened(make_store: MakeStore, tenant: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        url = f"postgresql://app:secret@127.0.0.1:{server.getsockname()[1]}/infraops?sslmode=disable"
        store = make_store(tenant, url, writes_enabled=False)
        assert isinstance(store.record_audit_event(event()), Preview)
        assert all(isinstance(result, Preview) for result in store.record_many([event(), event()]))
        with pytest.raises(TimeoutError):
            server.accept()
