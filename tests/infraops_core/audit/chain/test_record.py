"""What is hashed, in SQL and in Python: the same bytes for every row, whoever writes it."""

import dataclasses
import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infraops_core import checkout
from infraops_core.audit.chain.record import CHAINS, GENESIS, Chain, Type, record, row_hash
from tests.campaign import times
from tests.fix_postgres import TestServer
from tests.infraops_core.audit import rows

VECTORS = json.loads((checkout.ROOT / "docs" / "audit-chain-vectors.json").read_text())


@pytest.fixture(scope="module")
def connection(postgres: TestServer) -> Iterator[Any]:
    with postgres.access().connect(seconds=60) as admin:
        admin.execute("create database test_chain")
    access = dataclasses.replace(postgres.access(), url=dataclasses.replace(postgres.access().url, database="test_chain"))
    rows.apply_schema(access)
    with access.connect(seconds=300) as opened:
        yield opened
    with postgres.access().connect(seconds=60) as admin:
        admin.execute("drop database test_chain with (force)")


def stored(connection: Any, chain: Chain, tenant: str) -> list[dict[str, Any]]:
    columns = ", ".join("payload::text as payload" if column == "payload" else column for column in chain.columns)
    cursor = connection.execute(
        f"select {columns}, seq, prev_hash, row_hash, {chain.record} as record from infraops_audit.{chain.table} "
        "where tenant_id = %s order by seq",
        [tenant],
    )
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


# NUL is no character of Postgres' texts, and half a surrogate pair none of UTF-8.
TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=40)
JSON_TEXT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: chain.table)
@settings(max_examples=times(60, 3000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_sql_and_python_hash_the_same_bytes(connection: Any, chain: Chain, data: st.DataObject) -> None:
    free = {name for name, kind in chain.columns.items() if kind is Type.TEXT} - {"tenant_id", "status"}
    row = rows.content(chain, f"t{uuid.uuid4().hex}") | {name: data.draw(TEXT, name) for name in sorted(free)}
    for name in sorted({"incident_id", "resource", "request_id"} & free):
        if chain.table != "incident_snapshots" and data.draw(st.booleans(), f"{name} is null"):
            row[name] = None
    row |= {
        "event_id": data.draw(st.uuids()),
        "schema_version": data.draw(st.integers(1, 2**31 - 1)),
        "payload": json.dumps(data.draw(st.dictionaries(TEXT, JSON_TEXT, max_size=4))),
        "occurred_at": data.draw(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))),
    }  # fmt: skip
    with connection.transaction(force_rollback=True):
        columns, places = ", ".join(row), ", ".join(["%s"] * len(row))
        connection.execute(f"insert into infraops_audit.{chain.table} ({columns}) values ({places})", list(row.values()))
        (written,) = stored(connection, chain, row["tenant_id"])
    assert record(chain, GENESIS, written) == bytes(written["record"])
    assert row_hash(chain, GENESIS, written) == bytes(written["row_hash"])
    assert bytes(written["prev_hash"]) == GENESIS


@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: chain.table)
def test_each_tenant_has_a_chain_of_its_own(connection: Any, chain: Chain) -> None:
    with connection.transaction(force_rollback=True):
        for tenant in ("a", "b", "a", "a", "b"):
            rows.append(connection, chain, tenant)
        for tenant, length in (("a", 3), ("b", 2)):
            last = GENESIS
            for position, written in enumerate(stored(connection, chain, tenant), start=1):
                assert (written["seq"], bytes(written["prev_hash"])) == (position, last)
                last = row_hash(chain, last, written)
                assert bytes(written["row_hash"]) == last
            assert position == length


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "WIN1252", "UTF8"])
def test_a_clients_encoding_does_not_matter(postgres: TestServer, connection: Any, encoding: str) -> None:
    tenant = f"encoding-{encoding}"
    url = dataclasses.replace(postgres.access().url, database="test_chain").with_password()
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(f"set client_encoding = '{encoding}'")
        statement = (
            "insert into infraops_audit.audit_events "
            "(tenant_id, event_id, event_type, actor, action, outcome, summary, occurred_at) "
            f"values ('{tenant}', gen_random_uuid(), 'a', 'b', 'c', 'd', chr(228) || chr(246), now()) returning summary"
        )
        returned = other.pgconn.exec_(statement.encode()).get_value(0, 0)
        assert returned == "äö".encode({"LATIN1": "latin1", "WIN1252": "cp1252"}.get(encoding, "utf-8"))
        assert other.pgconn.parameter_status(b"client_encoding") == encoding.encode()
    (written,) = stored(connection, CHAINS[0], tenant)
    assert row_hash(CHAINS[0], GENESIS, written) == bytes(written["row_hash"])


def test_what_a_client_has_in_its_search_path_takes_no_part(connection: Any) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("create schema forged")
        connection.execute("create function forged.sha256(bytea) returns bytea language sql as $$ select repeat('x', 32)::bytea $$")
        connection.execute(
            "create function forged.clock_timestamp() returns timestamptz language sql as $$ select '2000-01-01'::timestamptz $$"
        )
        connection.execute("set local search_path = forged, pg_catalog")
        rows.append(connection, CHAINS[0], "forger")
        (written,) = stored(connection, CHAINS[0], "forger")
    assert row_hash(CHAINS[0], GENESIS, written) == bytes(written["row_hash"])
    assert written["recorded_at"].year > 2000


def test_a_dropped_row_leaves_no_trace(connection: Any) -> None:
    with connection.transaction(force_rollback=True):
        (first,) = rows.append(connection, CHAINS[0], "a")
        again = rows.content(CHAINS[0], "a", event_id=first)
        columns, places = ", ".join(again), ", ".join(["%s"] * len(again))
        connection.execute(
            f"insert into infraops_audit.audit_events ({columns}) values ({places}) on conflict do nothing", list(again.values())
        )
        rows.append(connection, CHAINS[0], "a")
        assert [written["seq"] for written in stored(connection, CHAINS[0], "a")] == [1, 2]


def _same(value: object) -> object:
    return value


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_documented_vectors(vector: dict[str, Any]) -> None:
    chain = next(chain for chain in CHAINS if chain.table == vector["chain"])
    read: dict[Type, Callable[[str], object]] = {Type.UUID: uuid.UUID, Type.TIMESTAMPTZ: datetime.fromisoformat}
    row = {name: value and read.get(chain.columns[name], _same)(value) for name, value in vector["row"].items()}
    written = record(chain, bytes.fromhex(vector["prev_hash"]), row)
    assert written.hex() == vector["record"]
    assert hashlib.sha256(written).hexdigest() == vector["row_hash"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_server_agrees_with_the_documented_vectors(connection: Any, vector: dict[str, Any]) -> None:
    chain = next(chain for chain in CHAINS if chain.table == vector["chain"])
    given = vector["row"] | {"prev_hash": bytes.fromhex(vector["prev_hash"]), "row_hash": bytes.fromhex(vector["row_hash"]), "seq": 1}
    with connection.transaction(force_rollback=True):
        columns, places = ", ".join(given), ", ".join(["%s"] * len(given))
        connection.execute(f"insert into infraops_audit.{chain.table} ({columns}) values ({places})", list(given.values()))
        (written,) = stored(connection, chain, given["tenant_id"])
    assert bytes(written["record"]).hex() == vector["record"]


@pytest.mark.parametrize(("value", "kind"), [("x", Type.UUID), (datetime(2020, 1, 1), Type.TIMESTAMPTZ), (1, Type.TEXT), ({}, Type.JSONB)])
def test_a_value_of_another_type_is_refused(value: object, kind: Type) -> None:
    chain = Chain("audit_events", {"field": kind})
    with pytest.raises(TypeError, match=f"no value for a field of type {kind.name}"):
        record(chain, GENESIS, {"field": value})


def test_every_column_of_a_chain_is_hashed(connection: Any) -> None:
    for chain in CHAINS:
        found = connection.execute(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum",
            [f"infraops_audit.{chain.table}"],
        )
        assert {row[0] for row in found} == {*chain.columns, "seq", "prev_hash", "row_hash"}
