"""The hash chains of the audit trail: which rows form one, and over what bytes a row is hashed.

One table is one chain a tenant. A row's hash is SHA-256 of its record: the chain's name and version, the hash of the row
before it, and its content, each field with its type and length before it. That is what Postgres' `record_send` writes for
`ROW(...)`: PostgreSQL documentation, "Message Formats" knows the fields' binary forms; docs/audit-chain.md has all of it
with test vectors. The position (`seq`) is no part of it: positions run without a gap from 1 or from an anchor.
"""

import hashlib
import struct
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum

GENESIS = bytes(32)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Type(IntEnum):
    """A field's type, by its number in Postgres' catalog `pg_type`."""

    BYTEA = 17
    INTEGER = 23
    TEXT = 25
    TIMESTAMPTZ = 1184
    UUID = 2950
    JSONB = 3802


@dataclass(frozen=True)
class Chain:
    """One table's chain: the hashed columns in their order, the chain's name and the hash before them left out."""

    table: str
    columns: Mapping[str, Type]

    @property
    def name(self) -> str:
        """The first field of every record: table and version of the format."""
        return f"{self.table}/1"

    @property
    def record(self) -> str:
        """The SQL expression of a row's record; the session's client encoding has to be UTF8."""
        return f"record_send(row('{self.name}'::text, prev_hash, {', '.join(self.columns)}))"


_HEAD = {"tenant_id": Type.TEXT, "event_id": Type.UUID}
_TAIL = {"summary": Type.TEXT, "payload": Type.JSONB, "schema_version": Type.INTEGER, "occurred_at": Type.TIMESTAMPTZ,
         "recorded_at": Type.TIMESTAMPTZ}  # fmt: skip


def _texts(*names: str) -> dict[str, Type]:
    return dict.fromkeys(names, Type.TEXT)


AUDIT_EVENTS = Chain(
    "audit_events", _HEAD | _texts("incident_id", "event_type", "actor", "action", "resource", "outcome", "request_id") | _TAIL
)
INCIDENT_SNAPSHOTS = Chain("incident_snapshots", _HEAD | _texts("incident_id", "snapshot_type", "actor") | _TAIL)
AGENT_RUNS = Chain("agent_runs", _HEAD | {"run_id": Type.UUID} | _texts("agent", "status", "incident_id") | _TAIL)
APPROVAL_REQUESTS = Chain(
    "approval_requests", _HEAD | {"approval_id": Type.UUID} | _texts("status", "actor", "action", "incident_id") | _TAIL
)
CHAINS = (AUDIT_EVENTS, INCIDENT_SNAPSHOTS, AGENT_RUNS, APPROVAL_REQUESTS)


def row_hash(chain: Chain, prev_hash: bytes, row: Mapping[str, object]) -> bytes:
    """The hash a row must have, 32 bytes.

    :param prev_hash: of the row before it in its tenant's chain; `GENESIS` for the first.
    :param row: a value for each of the chain's columns; the payload as the text that Postgres makes of it
        (`payload::text`), times with a zone.
    """
    return hashlib.sha256(record(chain, prev_hash, row)).digest()


def record(chain: Chain, prev_hash: bytes, row: Mapping[str, object]) -> bytes:
    """The bytes a row is hashed over."""
    fields: list[tuple[Type, object]] = [(Type.TEXT, chain.name), (Type.BYTEA, prev_hash)]
    fields += [(kind, row[column]) for column, kind in chain.columns.items()]
    return struct.pack(">i", len(fields)) + b"".join(_field(kind, value) for kind, value in fields)


def _field(kind: Type, value: object) -> bytes:
    if value is None:
        return struct.pack(">Ii", kind, -1)
    written = _written(kind, value)
    return struct.pack(">Ii", kind, len(written)) + written


def _written(kind: Type, value: object) -> bytes:
    match kind, value:
        case Type.TEXT, str():
            return value.encode()
        case Type.JSONB, str():
            return b"\x01" + value.encode()
        case Type.BYTEA, bytes():
            return value
        case Type.UUID, uuid.UUID():
            return value.bytes
        case Type.INTEGER, int():
            return struct.pack(">i", value)
        case Type.TIMESTAMPTZ, datetime() if value.tzinfo is not None:
            return struct.pack(">q", (value - _EPOCH) // timedelta(microseconds=1))
    raise TypeError(f"{type(value).__name__} is no value for a field of type {kind.name}")
