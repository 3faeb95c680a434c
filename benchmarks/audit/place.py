"""A new server on disk with the schema, beside it the same table without a chain, and records to write."""

import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from infraops_core import checkout, passwords, roles
from infraops_core.access import Access
from infraops_core.audit import statements
from infraops_core.audit.events import AuditEvent
from infraops_core.database_url import build
from infraops_core.migrations import files, runner
from infraops_core.servers.embedded import binaries, server
from infraops_core.servers.embedded.folder import ServerFolder
from infraops_core.tls import Tls

TENANT = "default"
COLUMNS = ["tenant_id", *statements.columns(AuditEvent.chain)]

# The same table with the same checks and the same other indexes; what the chain needs and row-level security are not there.
_UNCHAINED = """
create schema unchained;
create table unchained.audit_events (like infraops_audit.audit_events including defaults including constraints);
alter table unchained.audit_events drop column seq, drop column prev_hash, drop column row_hash, add primary key (tenant_id, event_id);
create index on unchained.audit_events (recorded_at desc);
create index on unchained.audit_events (tenant_id, incident_id, recorded_at) where incident_id is not null;
grant usage on schema unchained to infraops_app;
grant select, insert on unchained.audit_events to infraops_app;
"""


@dataclass(frozen=True)
class Place:
    """Ways in for the roles; `admin` is a superuser."""

    app: str
    owner: Access
    admin: Access


@contextmanager
def new_place() -> Iterator[Place]:
    """A server that is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="infraops-benchmark-"))
    folder.chmod(0o755)
    password, made = passwords.generate(), {role: passwords.generate() for role in (roles.OWNER, roles.APP, roles.READONLY)}
    wanted = server.Wanted(ServerFolder(folder / "server"), "infraops", "benchmark", binaries.find([17], None), None, password)
    try:
        with redirect_stdout(StringIO()):
            port = server.ensure(wanted).port

        def access(role: str, secret: str, database: str = roles.DATABASE) -> Access:
            return Access(build(role, secret, host="127.0.0.1", port=port, database=database, sslmode=Tls.DISABLE), Tls.DISABLE)

        roles.create(access(roles.ADMIN, password, "postgres"), roles.RoleSettings(made, TENANT, connection_limit=50))
        owner = access(roles.OWNER, made[roles.OWNER])
        with redirect_stdout(StringIO()):
            list(runner.apply(owner, files.read(checkout.AUDIT_SCHEMA / "migrations")))
        with owner.connect(seconds=60) as connection:
            connection.execute(_UNCHAINED)
        yield Place(access(roles.APP, made[roles.APP]).url.with_password(), owner, access(roles.ADMIN, password))
    finally:
        with redirect_stdout(StringIO()):
            server.remove(wanted.folder, "infraops", "benchmark")
        shutil.rmtree(folder, ignore_errors=True)


def events(count: int) -> list[AuditEvent]:
    """Records as an agent writes them, with a payload of about 200 bytes."""
    return [
        AuditEvent(
            event_type="tool_call", actor="agent:planner", action="restart_service", outcome="success", incident_id=f"inc-{number % 1000}",
            resource="service/checkout", request_id=f"req-{number}", summary="restarted the checkout service after its error rate rose",
            payload={"service": "checkout", "error_rate": 0.0731, "window": ["2026-11-22T10:00:00Z", "2026-11-22T10:05:00Z"],
                     "steps": [{"name": "drain", "ok": True}, {"name": "restart", "ok": True}], "attempt": number},
        )
        for number in range(count)
    ]  # fmt: skip


def report(what: str, unit: str, ours: Sequence[float], peer: Sequence[float], *, against: str, goal: float) -> None:
    """Print both rates and their ratio, a median of pairs taken one after the other."""
    ratios = [mine / theirs for mine, theirs in zip(ours, peer, strict=True)]
    ratio = statistics.median(ratios)
    print(f"{what}: {statistics.median(ours):,.0f} {unit}; {against}: {statistics.median(peer):,.0f} {unit}")
    print(f"  ratio {ratio:.2f} (median of {len(ratios)} pairs, {min(ratios):.2f} to {max(ratios):.2f}); goal {goal}: "
          f"{'reached' if ratio >= goal else 'missed'}", flush=True)  # fmt: skip
