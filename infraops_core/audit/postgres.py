"""The audit store on Postgres, for threads."""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from psycopg import IsolationLevel, RawCursor
from psycopg.errors import IntegrityError
from psycopg.rows import TupleRow

from infraops_core.audit import direct, statements
from infraops_core.audit.approvals import broken_rule
from infraops_core.audit.batch import Batch, Chunk, Outcome
from infraops_core.audit.connections.connections import Connection, Connections
from infraops_core.audit.connections.sources import UrlSource
from infraops_core.audit.events import AgentRun, ApprovalRequest, AuditEvent, IncidentSnapshot, Record
from infraops_core.audit.listing import Listing
from infraops_core.audit.rules import check_tenant
from infraops_core.audit.store import Preview, Recorded, StoredEvent
from infraops_core.tls import Tls


class PostgresAuditStore:
    """An `AuditStore`; safe to use from any number of threads, and a context manager that closes its connections.

    :param source: a database URL, or where to ask for it again and again; the app's, pooled or direct.
    :param tenant: whose trail this is; nothing of another tenant's is written or read.
    :param tls: the weakest encryption the URL may ask for; checked before the first byte is sent.
    :param writes_enabled: when false, every record comes back as a `Preview` and nothing is written.
    :param deadline_seconds: for each call, waiting and trying again included; of a listing, for each page.
    :raises UserError: for a tenant or a fixed URL that is none.
    """

    def __init__(
        self,
        source: UrlSource | str,
        *,
        tenant: str,
        tls: Tls,
        writes_enabled: bool,
        max_size: int = 20,
        idle_seconds: float = 30,
        connect_seconds: float = 5,
        deadline_seconds: float = 30,
    ) -> None:
        self.tenant = check_tenant(tenant)
        self._writes_enabled = writes_enabled
        self._connections = Connections(source, tls=tls, max_size=max_size, idle_seconds=idle_seconds,
                                        connect_seconds=connect_seconds, deadline_seconds=deadline_seconds)  # fmt: skip

    def record_audit_event(self, event: AuditEvent) -> Recorded | Preview:
        return self._record(event)

    def record_incident_snapshot(self, snapshot: IncidentSnapshot) -> Recorded | Preview:
        return self._record(snapshot)

    def record_agent_run(self, run: AgentRun) -> Recorded | Preview:
        return self._record(run)

    def record_approval_request(self, request: ApprovalRequest) -> Recorded | Preview:
        return self._record(request)

    def record_many(self, records: Iterable[Record]) -> list[Recorded] | list[Preview]:
        """As `AuditStore` says. In one transaction however many there are: other appends of the tenant wait for its end."""
        batch = Batch(self.tenant, records)
        if not self._writes_enabled:
            return [statements.preview(self.tenant, record) for record in batch.records]
        return self._connections.run(lambda connection: _append_many(connection, batch)) if batch.records else []

    def list_audit_events(self, incident_id: str, *, after: str | None = None, limit: int | None = None) -> Iterator[StoredEvent]:
        return self._pages(Listing(incident_id, after, limit))

    def close(self) -> None:
        """Close all connections; what is under way has a few seconds to end."""
        self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _record(self, record: Record) -> Recorded | Preview:
        if not self._writes_enabled:
            return statements.preview(self.tenant, record)
        return self._connections.run(lambda connection: _append(connection, self.tenant, record))

    def _pages(self, listing: Listing) -> Iterator[StoredEvent]:
        while listing.has_more:
            page = self._connections.run(lambda connection: _read_page(connection, self.tenant, listing))
            listing.took(page)
            yield from page


def _append(connection: Connection, tenant: str, record: Record) -> Recorded:
    """One statement where the record is new; else a batch of one, which compares, or finds the rule that was broken."""
    try:
        receipt = direct.execute(connection, statements.append(record.chain.table), [tenant, *statements.content(record)])
    except IntegrityError:
        return _append_many(connection, Batch(tenant, [record]))[0]
    return statements.recorded(record.event_id, receipt, already=False)


def _append_many(connection: Connection, batch: Batch) -> list[Recorded]:
    """All in one transaction. While the server takes one chunk in, the next is being written."""
    outcome = Outcome(batch)
    connection.isolation_level = IsolationLevel.READ_COMMITTED  # with an older snapshot than the lock's, none could be appended
    try:
        with connection.transaction():
            with connection.pipeline():
                RawCursor(connection).execute(statements.SET_TENANT, [batch.tenant])
                sent = [(chunk, _execute(connection, statements.append_many(chunk.table), chunk)) for chunk in batch.chunks()]
            there = [outcome.appended(chunk, cursor.fetchall()) for chunk, cursor in sent]
            for chunk in filter(None, there):
                outcome.found(chunk, _execute(connection, statements.look_up(chunk.table), chunk).fetchall())
    except IntegrityError as error:
        raise broken_rule(error, batch.records) or error from None
    return outcome.results()


def _execute(connection: Connection, statement: bytes, chunk: Chunk) -> RawCursor[TupleRow]:
    return RawCursor(connection).execute(statement, chunk.parameters(), binary=True)


def _read_page(connection: Connection, tenant: str, listing: Listing) -> list[StoredEvent]:
    cursor = RawCursor(connection).execute(statements.PAGE, listing.parameters(tenant), binary=True)
    return [statements.stored_event(tenant, row) for row in cursor]
