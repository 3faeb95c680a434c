"""The audit store on Postgres, for asyncio."""

from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Self

from psycopg import AsyncRawCursor, IsolationLevel
from psycopg.errors import IntegrityError
from psycopg.rows import TupleRow

from infraops_core.audit import statements
from infraops_core.audit.approvals import broken_rule
from infraops_core.audit.batch import Batch, Chunk, Outcome
from infraops_core.audit.connections.async_connections import AsyncConnection, AsyncConnections
from infraops_core.audit.connections.sources import UrlSource
from infraops_core.audit.events import AgentRun, ApprovalRequest, AuditEvent, IncidentSnapshot, Record
from infraops_core.audit.listing import Listing
from infraops_core.audit.rules import check_tenant
from infraops_core.audit.store import Preview, Recorded, StoredEvent
from infraops_core.tls import Tls


class AsyncPostgresAuditStore:
    """An `AsyncAuditStore`; for the tasks of one event loop, and an async context manager that closes its connections.

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
        self._connections = AsyncConnections(source, tls=tls, max_size=max_size, idle_seconds=idle_seconds,
                                        connect_seconds=connect_seconds, deadline_seconds=deadline_seconds)  # fmt: skip

    async def record_audit_event(self, event: AuditEvent) -> Recorded | Preview:
        return await self._record(event)

    async def record_incident_snapshot(self, snapshot: IncidentSnapshot) -> Recorded | Preview:
        return await self._record(snapshot)

    async def record_agent_run(self, run: AgentRun) -> Recorded | Preview:
        return await self._record(run)

    async def record_approval_request(self, request: ApprovalRequest) -> Recorded | Preview:
        return await self._record(request)

    async def record_many(self, records: Iterable[Record]) -> list[Recorded] | list[Preview]:
        """As `AsyncAuditStore` says. In one transaction however many there are: other appends of the tenant wait for its end."""
        batch = Batch(self.tenant, records)
        if not self._writes_enabled:
            return [statements.preview(self.tenant, record) for record in batch.records]
        return await self._connections.run(lambda connection: _append_many(connection, batch)) if batch.records else []

    def list_audit_events(self, incident_id: str, *, after: str | None = None, limit: int | None = None) -> AsyncIterator[StoredEvent]:
        return self._pages(Listing(incident_id, after, limit))

    async def close(self) -> None:
        """Close all connections; what is under way has a few seconds to end."""
        await self._connections.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def _record(self, record: Record) -> Recorded | Preview:
        if not self._writes_enabled:
            return statements.preview(self.tenant, record)
        return await self._connections.run(lambda connection: _append(connection, self.tenant, record))

    async def _pages(self, listing: Listing) -> AsyncIterator[StoredEvent]:
        while listing.has_more:
            page = await self._connections.run(lambda connection: _read_page(connection, self.tenant, listing))
            listing.took(page)
            for event in page:
                yield event


async def _append(connection: AsyncConnection, tenant: str, record: Record) -> Recorded:
    """One statement where the record is new; else a batch of one, which compares, or finds the rule that was broken."""
    parameters = [tenant, *statements.content(record)]
    try:
        cursor = await AsyncRawCursor(connection).execute(statements.append(record.chain.table), parameters, binary=True)
    except IntegrityError:
        return (await _append_many(connection, Batch(tenant, [record])))[0]
    (receipt,) = await cursor.fetchall()
    return statements.recorded(record.event_id, receipt[0], already=False)


async def _append_many(connection: AsyncConnection, batch: Batch) -> list[Recorded]:
    """All in one transaction. While the server takes one chunk in, the next is being written."""
    outcome = Outcome(batch)
    await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)  # with an older snapshot than the lock's, none could be appended
    try:
        async with connection.transaction():
            async with connection.pipeline():
                await AsyncRawCursor(connection).execute(statements.SET_TENANT, [batch.tenant])
                sent = [(chunk, await _execute(connection, statements.append_many(chunk.table), chunk)) for chunk in batch.chunks()]
            there = [outcome.appended(chunk, await cursor.fetchall()) for chunk, cursor in sent]
            for chunk in filter(None, there):
                cursor = await _execute(connection, statements.look_up(chunk.table), chunk)
                outcome.found(chunk, await cursor.fetchall())
    except IntegrityError as error:
        raise broken_rule(error, batch.records) or error from None
    return outcome.results()


async def _execute(connection: AsyncConnection, statement: bytes, chunk: Chunk) -> AsyncRawCursor[TupleRow]:
    return await AsyncRawCursor(connection).execute(statement, chunk.parameters(), binary=True)


async def _read_page(connection: AsyncConnection, tenant: str, listing: Listing) -> list[StoredEvent]:
    cursor = await AsyncRawCursor(connection).execute(statements.PAGE, listing.parameters(tenant), binary=True)
    return [statements.stored_event(tenant, row) async for row in cursor]
