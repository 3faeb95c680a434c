"""The SQL of the audit store and how its rows are read; the same for threads and asyncio, and no I/O.

Every statement binds itself to one tenant: `infraops.tenant` is set before row-level security looks at a row, and only
until the transaction ends, so that nothing is left behind on a connection that others use next.
Times cross as bytes or as ISO text, for how a server writes dates depends on its settings.
"""

import json
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import Any
from uuid import UUID

from infraops_core.audit.chain.record import AUDIT_EVENTS, CHAINS, Chain, Type
from infraops_core.audit.events import AuditEvent, Record
from infraops_core.audit.store import Preview, Recorded, StoredEvent
from infraops_core.errors import UserError

SET_TENANT = b"select set_config('infraops.tenant', $1, true)"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_RECEIPT = struct.Struct(">q32sq")
_MICROSECONDS = struct.Struct(">q")
_ARRAY = {Type.TEXT: "text[]", Type.UUID: "uuid[]", Type.JSONB: "jsonb[]", Type.INTEGER: "integer[]", Type.TIMESTAMPTZ: "timestamptz[]"}
_CHAINS = {chain.table: chain for chain in CHAINS}


def columns(chain: Chain) -> list[str]:
    """The columns a record fills, in the table's order."""
    return [name for name in chain.columns if name not in ("tenant_id", "recorded_at")]


def content(record: Record) -> tuple[Any, ...]:
    """The record's value of each of `columns`; the payload as JSON text."""
    return _content(record.chain.table)(record)


@cache
def append(table: str) -> bytes:
    """One row, in a transaction of its own; parameters are the tenant and the row's `content`; its receipt comes back.

    A row with its id is a unique violation: that is rare, and ON CONFLICT would make every append a twentieth slower.
    """
    names = columns(_CHAINS[table])
    values = ", ".join(f"${place}" for place in range(2, len(names) + 2))
    return _sql(
        _into(table),
        f"values (set_config('infraops.tenant', $1, true), {values})",  # worked out before trigger and policy are asked
        f"returning {_receipt('')}",
    )


@cache
def append_many(table: str) -> bytes:
    """Rows in the order given, inside a transaction that has its tenant; parameters are the tenant and an array a column.

    Id and receipt of those that were not there come back.
    """
    return _sql(
        _into(table),
        "select $1::text, given.* from",
        _given(table),
        f"on conflict (tenant_id, event_id) do nothing returning uuid_send(event_id), {_receipt('')}",
    )


@cache
def look_up(table: str) -> bytes:
    """Of rows that are there: id, receipt, and which columns differ; parameters and surroundings as of `append_many`."""
    differing = ", ".join(
        f"case when stored.{name} is distinct from given.{name} then '{name}' end" for name in columns(_CHAINS[table]) if name != "event_id"
    )
    return _sql(
        f"select uuid_send(stored.event_id), {_receipt('stored.')}, concat_ws(', ', {differing})",
        f"from {_given(table)}",
        f"join infraops_audit.{table} stored on stored.tenant_id = $1 and stored.event_id = given.event_id",
    )


def arrays(records: Sequence[Record]) -> list[str]:
    """The parameters of records of one kind: an array a column, as Postgres reads it."""
    chain = records[0].chain
    by_column = zip(*map(_content(chain.table), records), strict=True)
    return [_array(chain.columns[name], values) for name, values in zip(columns(chain), by_column, strict=True)]


def recorded(event_id: UUID, receipt: bytes, *, already: bool) -> Recorded:
    """What a receipt says of the row with this id."""
    seq, row_hash, microseconds = _RECEIPT.unpack(receipt)
    return Recorded(event_id, seq, row_hash, _EPOCH + timedelta(microseconds=microseconds), already)


def preview(tenant: str, record: Record) -> Preview:
    """The row as `append` would write it."""
    names = columns(record.chain)
    row = {name: record.payload if name == "payload" else getattr(record, name) for name in names}
    return Preview(f"infraops_audit.{record.chain.table}", {"tenant_id": tenant} | row)


def stored_event(tenant: str, row: Sequence[Any]) -> StoredEvent:
    """A row of a page.

    :raises UserError: for one written by other means than ours, with what Python can't hold.
    """
    *values, occurred_at, recorded_at, seq, prev_hash, row_hash = row
    fields = dict(zip(_LISTED, values, strict=True))
    text = fields["payload"]
    try:
        fields |= {"payload": _json(text), "payload_text": text, "occurred_at": _moment(occurred_at)}
    except RecursionError:
        raise _unreadable(tenant, seq, "its payload is nested too deeply") from None
    except OverflowError:
        raise _unreadable(tenant, seq, "its time is before the year 1 or after 9999") from None
    return StoredEvent(AuditEvent.stored(**fields), tenant, seq, bytes(prev_hash), bytes(row_hash), _moment(recorded_at))


@cache
def _content(table: str) -> Callable[[Record], tuple[Any, ...]]:
    return attrgetter(*("payload_text" if name == "payload" else name for name in columns(_CHAINS[table])))


def _receipt(of: str) -> str:
    """What tells a caller where its row is, in one value: one is faster to send and to read than three."""
    return f"int8send({of}seq) || {of}row_hash || timestamptz_send({of}recorded_at)"


def _sql(*parts: str) -> bytes:
    return " ".join(parts).encode()


def _into(table: str) -> str:
    return f"insert into infraops_audit.{table} (tenant_id, {', '.join(columns(_CHAINS[table]))})"


def _given(table: str) -> str:
    chain = _CHAINS[table]
    arrays = ", ".join(f"${place}::{_ARRAY[chain.columns[name]]}" for place, name in enumerate(columns(chain), 2))
    return f"unnest({arrays}) as given ({', '.join(columns(chain))})"


def _array(kind: Type, values: tuple[Any, ...]) -> str:
    if kind in (Type.TEXT, Type.JSONB):
        return _array_of_texts(values)
    quote = '"' if kind is Type.TIMESTAMPTZ else ""
    return f"{{{quote}" + f"{quote},{quote}".join(map(str, values)) + f"{quote}}}"


def _array_of_texts(values: tuple[str | None, ...]) -> str:
    """All texts are escaped in one go. NUL, which no text holds, marks where one ends and which is none."""
    joined = "\0,".join(["\0" if value is None else value for value in values])
    escaped = joined.replace("\\", "\\\\").replace('"', '\\"').replace("\0,", '","')
    return f'{{"{escaped}"}}'.replace('"\0"', "NULL")


def _moment(microseconds: bytes) -> datetime:
    return _EPOCH + timedelta(microseconds=_MICROSECONDS.unpack(microseconds)[0])


def _json(text: str) -> Any:
    """The payload; a number too long for Python's `int`, which only others can have written, becomes a Decimal."""
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(text, parse_int=Decimal)


def _unreadable(tenant: str, seq: int, why: str) -> UserError:
    return UserError(f"audit event {seq} of tenant {tenant} can't be read: {why}", where="infraops_audit.audit_events",
                     next=f"read it by SQL, and go on after the cursor {seq}")  # fmt: skip


_LISTED = [name for name in columns(AUDIT_EVENTS) if name != "occurred_at"]

# A page of an incident's events; parameters are the tenant, the incident, the position before it, how many rows at most, and
# after how many characters of payloads no further row comes.
# The innermost query can only run once the tenant is set, for it refers to what setting it returned.
PAGE = _sql(
    "select", ", ".join([*_LISTED, "occurred_at, recorded_at, seq, prev_hash, row_hash from (select stored.*,"]),
    "sum(length(payload)) over (order by seq rows between unbounded preceding and 1 preceding) as before",
    "from (select set_config('infraops.tenant', $1, true) as tenant) bound, lateral (select",
    ", ".join("payload::text" if name == "payload" else name for name in _LISTED),
    ", timestamptz_send(occurred_at) as occurred_at, timestamptz_send(recorded_at) as recorded_at, seq, prev_hash, row_hash",
    "from infraops_audit.audit_events where tenant_id = bound.tenant and incident_id = $2 and seq > $3 order by seq limit $4) stored",
    ") page where before is null or before < $5 order by seq",
)  # fmt: skip
