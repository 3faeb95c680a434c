"""Every kind of tampering is found and named at its first row; what is whole is not blamed."""

import dataclasses
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg.types.json import Jsonb

from infraops_core.access import Access
from infraops_core.audit.chain import heads, keys
from infraops_core.audit.chain.findings import Kind
from infraops_core.audit.chain.heads import Head
from infraops_core.audit.chain.record import AGENT_RUNS, AUDIT_EVENTS, CHAINS, GENESIS, INCIDENT_SNAPSHOTS, Chain
from infraops_core.audit.chain.verify import verify
from infraops_core.errors import UserError
from tests.fix_postgres import TestServer
from tests.infraops_core.audit import rows


@pytest.fixture(scope="module")
def prepared(postgres: TestServer) -> Iterator[Access]:
    """A database with two tenants' rows in every chain."""
    with postgres.access().connect(seconds=60) as admin:
        admin.execute("create database test_verify")
    access = dataclasses.replace(postgres.access(), url=dataclasses.replace(postgres.access().url, database="test_verify"))
    rows.apply_schema(access)
    with access.connect(seconds=60) as connection:
        for chain in CHAINS:
            rows.append(connection, chain, "alpha", 8)
            rows.append(connection, chain, "beta", 3)
    yield access
    with postgres.access().connect(seconds=60) as admin:
        admin.execute("drop database test_verify with (force)")


@pytest.fixture
def connection(prepared: Access) -> Iterator[Any]:
    """A connection whose changes are undone at the end: what is tampered with is tampered with in a transaction."""
    with prepared.connect(seconds=60) as opened, opened.transaction(force_rollback=True):
        opened.execute("set local session_replication_role = replica")
        opened.execute("set local search_path = infraops_audit, pg_catalog")
        opened.execute("alter table infraops_audit.audit_events drop constraint audit_events_seq")
        yield opened


def run(connection: Any, statement: str, parameters: list[Any] | None = None) -> Any:
    """Execute what is written below, where `alpha` stands for the rows of that tenant."""
    return connection.execute(statement.replace("where alpha", "where tenant_id = 'alpha'"), parameters)


def hashed(seq: int, table: str = "audit_events") -> str:
    """SQL that gives a row of alpha the hash its content has now."""
    return f"update {table} set row_hash = sha256({AUDIT_EVENTS.record}) where alpha and seq = {seq}"


FORGED = """
insert into audit_events (tenant_id, event_id, event_type, actor, action, outcome, summary, occurred_at, seq, prev_hash, row_hash)
select 'alpha', gen_random_uuid(), 'forged', 'mallory', 'a', 'o', 's', now(), {seq}, {prev}, {own}
"""
SHIFT = "update audit_events set seq = seq + 1 where alpha and seq >= {seq}"
FAKE = "repeat('x', 32)::bytea"
A = "audit_events where alpha"


def forged(seq: int, *, after: int | None) -> str:
    """SQL that puts in a row with a hash of no row, and before it that of the row at `after`, or of none."""
    prev = FAKE if after is None else f"(select row_hash from audit_events where tenant_id = 'alpha' and seq = {after})"
    return FORGED.format(seq=seq, prev=prev, own=FAKE)


def removed_and_closed_up(first: int, last: int) -> list[str]:
    return [f"delete from {A} and seq between {first} and {last}",
            f"update audit_events set seq = seq - {last - first + 1} where alpha and seq > {last}"]  # fmt: skip


TAMPERED: list[tuple[str, list[str], Kind, int]] = [
    ("a summary", ["update audit_events set summary = 'x' where alpha and seq = 4"], Kind.CHANGED, 4),
    ("the first row", ["update audit_events set actor = 'x' where alpha and seq = 1"], Kind.CHANGED, 1),
    ("the last row", ["update audit_events set actor = 'x' where alpha and seq = 8"], Kind.CHANGED, 8),
    ("a payload's number", ["update audit_events set payload = '{\"n\": 1.0}' where alpha and seq = 2"], Kind.CHANGED, 2),
    ("the time of recording", ["update audit_events set recorded_at = recorded_at - interval '1 us' where alpha and seq = 5"],
     Kind.CHANGED, 5),
    ("a null", ["update audit_events set resource = '' where alpha and seq = 3"], Kind.CHANGED, 3),
    ("text moved between fields", ["update audit_events set actor = actor || left(action, 1), action = substr(action, 2) "
                                   "where alpha and seq = 3"], Kind.CHANGED, 3),
    ("a hash", [f"update audit_events set row_hash = {FAKE} where alpha and seq = 6"], Kind.CHANGED, 6),
    ("the hash before", [f"update audit_events set prev_hash = {FAKE} where alpha and seq = 6"], Kind.CHANGED, 6),
    ("a row and its hash", ["update audit_events set summary = 'x' where alpha and seq = 4", hashed(4)], Kind.CHANGED, 4),
    ("a row of another tenant's", ["update audit_events set tenant_id = 'alpha', seq = 9 where tenant_id = 'beta' and seq = 3"],
     Kind.CHANGED, 9),
    ("one row gone", [f"delete from {A} and seq = 5"], Kind.MISSING, 5),
    ("three rows gone", [f"delete from {A} and seq between 3 and 5"], Kind.MISSING, 3),
    ("the first rows gone", [f"delete from {A} and seq <= 2"], Kind.MISSING, 1),
    ("the first rows gone, the rest numbered anew", removed_and_closed_up(1, 2), Kind.MISSING, 1),
    # Not to be told from a row rewritten with its hash: the row before the gap is named.
    ("rows gone, the rest numbered anew", removed_and_closed_up(4, 5), Kind.CHANGED, 3),
    ("two rows changed places", ["update audit_events set seq = 9 - seq where alpha and seq in (4, 5)"], Kind.REORDERED, 4),
    ("two distant rows changed places", ["update audit_events set seq = 9 - seq where alpha and seq in (2, 7)"],
     Kind.REORDERED, 2),
    ("the first two changed places", ["update audit_events set seq = 3 - seq where alpha and seq in (1, 2)"],
     Kind.REORDERED, 1),
    ("a row without a right hash put in", [SHIFT.format(seq=5), forged(5, after=4)], Kind.INSERTED, 5),
    ("a row with its right hash put in", [SHIFT.format(seq=5), forged(5, after=4), hashed(5)],
     Kind.INSERTED, 5),
    ("two rows with right hashes put in", [SHIFT.format(seq=5), SHIFT.format(seq=5), forged(5, after=4), hashed(5),
                                           forged(6, after=5), hashed(6)], Kind.INSERTED, 5),
    ("a row with another's hash before it put in", [SHIFT.format(seq=5), forged(5, after=None), hashed(5)], Kind.INSERTED, 5),
    ("a row put in at the same place", [forged(8, after=7)], Kind.INSERTED, 8),
]  # fmt: skip


@pytest.mark.parametrize(("statements", "kind", "seq"), [case[1:] for case in TAMPERED], ids=[case[0] for case in TAMPERED])
def test_tampering_is_named_at_its_first_row(connection: Any, statements: list[str], kind: Kind, seq: int) -> None:
    for statement in statements:
        assert run(connection, statement).rowcount > 0
    (finding,) = verify(connection).findings
    assert (finding.kind, finding.seq, finding.tenant, finding.chain) == (kind, seq, "alpha", "audit_events"), finding.detail
    assert f"audit_events, tenant alpha, row {seq}: {kind}" in str(finding)


def test_what_is_whole_is_not_blamed(connection: Any) -> None:
    verdict = verify(connection)
    assert verdict.findings == ()
    assert (verdict.rows, verdict.chains) == (len(CHAINS) * 11, len(CHAINS) * 2)


def test_each_tenants_first_bad_row_is_named_in_each_chain(connection: Any) -> None:
    for chain in CHAINS:
        for tenant in ("alpha", "beta"):
            for seq in (2, 3):
                connection.execute(
                    f"update infraops_audit.{chain.table} set summary = 'x' where tenant_id = %s and seq = %s", [tenant, seq]
                )
    found = [(finding.chain, finding.tenant, finding.seq, finding.kind) for finding in verify(connection).findings]
    assert found == [(chain.table, tenant, 2, Kind.CHANGED) for chain in CHAINS for tenant in ("alpha", "beta")]
    assert {finding.tenant for finding in verify(connection, tenant="beta").findings} == {"beta"}


def test_a_tenants_rows_do_not_go_on_from_anothers(connection: Any) -> None:
    run(connection, "delete from audit_events where alpha and seq > 3")
    run(connection, "delete from audit_events where tenant_id = 'beta' and seq < 3")
    connection.execute("update audit_events set seq = 4 where tenant_id = 'beta'")
    run(connection, f"update audit_events set prev_hash = (select row_hash from {A} and seq = 3) where tenant_id = 'beta'")
    run(connection, f"update audit_events set row_hash = sha256({AUDIT_EVENTS.record}) where tenant_id = 'beta'")
    (finding,) = verify(connection).findings
    assert (finding.kind, finding.tenant, finding.seq) == (Kind.MISSING, "beta", 1)


@pytest.mark.parametrize("column", ["row_hash", "prev_hash"])
@pytest.mark.parametrize("value", ["null", "''", "repeat('x', 31)::bytea", "repeat('x', 33)::bytea", "repeat('x', 5000)::bytea"])
def test_a_hash_of_another_length_is_a_change_like_any_other(connection: Any, column: str, value: str) -> None:
    connection.execute("alter table audit_events drop constraint audit_events_chain, "
                       "alter row_hash drop not null, alter prev_hash drop not null")  # fmt: skip
    run(connection, f"update audit_events set {column} = {value} where alpha and seq in (1, 4)")
    (finding,) = verify(connection).findings
    assert (finding.kind, finding.tenant, finding.seq) == (Kind.CHANGED, "alpha", 1)


def test_a_row_shorter_than_any_of_ours_is_found_behind_the_longest_tenants_name(connection: Any) -> None:
    connection.execute("alter table incident_snapshots drop constraint incident_snapshots_chain, "
                       "alter row_hash drop not null, alter prev_hash drop not null")  # fmt: skip
    connection.execute("set local session_replication_role = origin")
    rows.append(connection, INCIDENT_SNAPSHOTS, "a" * 63, 2)
    connection.execute("set local session_replication_role = replica")
    run(connection, "update incident_snapshots set row_hash = null, prev_hash = null, incident_id = 'i', snapshot_type = 's', "
                    "actor = 'a', summary = '', payload = '{}' where alpha")  # fmt: skip
    (finding,) = verify(connection).findings
    assert (finding.kind, finding.tenant, finding.seq) == (Kind.CHANGED, "alpha", 1)


def test_an_empty_trail_is_whole(connection: Any) -> None:
    for chain in CHAINS:
        connection.execute(f"delete from infraops_audit.{chain.table}")
    assert verify(connection).findings == ()


def test_a_long_chain_is_walked_in_order(connection: Any) -> None:
    connection.execute("set local session_replication_role = origin")
    connection.execute(
        "insert into agent_runs (tenant_id, event_id, run_id, agent, status, summary, occurred_at) select 't' || n % 3, "
        "gen_random_uuid(), gen_random_uuid(), 'planner', 'started', repeat('s', n % 90), now() from generate_series(1, 3000) n"
    )
    seen: list[tuple[str, int]] = []
    verdict = verify(connection, progress=lambda chain, count: seen.append((chain, count)))
    assert verdict.findings == ()
    assert verdict.rows == len(CHAINS) * 11 + 3000
    assert (AGENT_RUNS.table, 3011) in seen


# Heads: what was signed earlier has to be there still.


@pytest.fixture
def signed(connection: Any) -> list[Head]:
    return heads.current(connection)


def test_heads_are_every_tenants_last_row_in_every_chain(connection: Any, signed: list[Head]) -> None:
    assert [(head.chain, head.tenant, head.seq) for head in signed] == [
        (chain.table, tenant, seq) for chain in CHAINS for tenant, seq in (("alpha", 8), ("beta", 3))
    ]
    verdict = verify(connection, signed)
    assert (verdict.findings, verdict.heads) == ((), len(signed))


@pytest.mark.parametrize(
    ("statement", "kind", "seq"),
    [
        (f"delete from {A} and seq = 8", Kind.TAIL_CUT, 8),
        (f"delete from {A} and seq >= 3", Kind.TAIL_CUT, 3),
        (f"delete from {A}", Kind.TAIL_CUT, 1),
        # The whole end forged, with hashes that fit.
        (f"update audit_events set summary = 'x' where alpha and seq = 8; {hashed(8)}", Kind.CHANGED, 8),
    ],
)
def test_a_tail_that_was_cut_is_found_by_the_heads_only(connection: Any, signed: list[Head], statement: str, kind: Kind, seq: int) -> None:
    run(connection, statement)
    assert verify(connection).findings == ()
    (finding,) = verify(connection, signed).findings
    assert (finding.kind, finding.seq, finding.tenant, finding.chain) == (kind, seq, "alpha", "audit_events")


def test_rows_appended_after_the_heads_are_no_finding(connection: Any, signed: list[Head]) -> None:
    connection.execute("set local session_replication_role = origin")
    rows.append(connection, AUDIT_EVENTS, "alpha", 4)
    rows.append(connection, AUDIT_EVENTS, "gamma", 1)
    assert verify(connection, signed).findings == ()


def test_heads_of_several_days_are_all_compared(connection: Any, signed: list[Head]) -> None:
    older = Head("alpha", "audit_events", 3, run(connection, f"select row_hash from {A} and seq = 3").fetchone()[0])
    assert verify(connection, [*signed, older]).findings == ()
    assert verify(connection, [*signed, older]).heads == len(signed) + 1
    wrong = dataclasses.replace(older, row_hash=GENESIS)
    (finding,) = verify(connection, [*signed, wrong]).findings
    assert (finding.seq, finding.kind) == (3, Kind.CHANGED)


# Anchors: where a pruned chain begins.


def prune(connection: Any, up_to: int, key: Ed25519PrivateKey, chain: Chain = AUDIT_EVENTS) -> None:
    connection.execute("set local session_replication_role = origin")
    row_hash = run(connection, f"select row_hash from {A} and seq = %s", [up_to]).fetchone()[0]
    document = heads.sign([Head("alpha", chain.table, up_to, bytes(row_hash))], key, form=heads.ANCHOR_FORMAT)
    connection.execute("select infraops_audit.prune('alpha', %s, %s, %s)", [chain.table, up_to, Jsonb(document)])
    connection.execute("set local session_replication_role = replica")


KEY = Ed25519PrivateKey.generate()
PUBLIC = keys.raw(KEY.public_key())


def test_what_is_left_of_a_pruned_chain_verifies(connection: Any, signed: list[Head]) -> None:
    prune(connection, 2, KEY)
    prune(connection, 5, KEY)
    assert run(connection, f"select min(seq), count(*) from {A}").fetchone() == (6, 3)
    older = Head("alpha", "audit_events", 5, connection.execute("select row_hash from chain_anchors where seq = 5").fetchone()[0])
    verdict = verify(connection, [*signed, older], key=PUBLIC)
    assert (verdict.findings, verdict.heads) == ((), len(signed) + 1)


@pytest.mark.parametrize(
    ("tamper", "kind", "seq"),
    [
        (lambda c: run(c, f"delete from {A} and seq = 4"), Kind.MISSING, 4),
        (lambda c: run(c, f"delete from {A}"), Kind.TAIL_CUT, 4),
        (lambda c: c.execute("delete from chain_anchors"), Kind.MISSING, 1),
        (lambda c: c.execute(f"update chain_anchors set row_hash = {FAKE}"), Kind.BAD_ANCHOR, 3),
        (lambda c: c.execute("update chain_anchors set signed_head = '{}'"), Kind.BAD_ANCHOR, 3),
        (
            lambda c: c.execute(
                """update chain_anchors set signed_head = ('{"a":' || repeat('[[', 2500) || repeat(']]', 2500) || '}')::jsonb"""
            ),
            Kind.BAD_ANCHOR,
            3,
        ),
        (
            lambda c: c.execute("update chain_anchors set signed_head = jsonb_set(signed_head, '{heads,0,seq}', '4')"),
            Kind.BAD_ANCHOR,
            3,
        ),
        (lambda c: c.execute("update chain_anchors set seq = 4"), Kind.BAD_ANCHOR, 4),
    ],
)
def test_an_anchor_hides_nothing(connection: Any, tamper: Callable[[Any], object], kind: Kind, seq: int) -> None:
    prune(connection, 3, KEY)
    tamper(connection)
    assert (kind, seq) in [(finding.kind, finding.seq) for finding in verify(connection, key=PUBLIC).findings]


def test_an_anchor_signed_with_another_key_is_found(connection: Any) -> None:
    prune(connection, 3, Ed25519PrivateKey.generate())
    assert verify(connection).findings == ()
    (finding,) = verify(connection, key=PUBLIC).findings
    assert finding.kind is Kind.BAD_ANCHOR
    assert "signed with another key" in finding.detail


def test_exported_heads_are_no_leave_to_remove_rows(connection: Any) -> None:
    row_hash = bytes(run(connection, f"select row_hash from {A} and seq = 3").fetchone()[0])
    exported = Jsonb(heads.sign([Head("alpha", "audit_events", 3, row_hash)], KEY))
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="the signed head is not that of row 3"), connection.transaction():
        connection.execute("select infraops_audit.prune('alpha', 'audit_events', 3, %s)", [exported])
    run(connection, f"delete from {A} and seq <= 3")
    connection.execute("insert into chain_anchors values ('alpha', 'audit_events', 3, %s, %s)", [row_hash, exported])
    (finding,) = verify(connection, key=PUBLIC).findings
    assert (finding.kind, finding.seq) == (Kind.BAD_ANCHOR, 3)
    assert "its format is not infraops-audit-anchor/1" in finding.detail


def test_altered_heads_are_refused() -> None:
    document = heads.sign([Head("alpha", "audit_events", 8, GENESIS)], KEY)
    assert heads.check(document, "f").heads == (Head("alpha", "audit_events", 8, GENESIS),)
    altered = document | {"heads": []}
    with pytest.raises(UserError, match="altered after they were signed"):
        heads.check(altered, "f")


def test_ids_are_of_no_matter(connection: Any) -> None:
    """A chain is walked by position; the ids of two tenants may be the same."""
    connection.execute("set local session_replication_role = origin")
    same = uuid.uuid4()
    for tenant in ("alpha", "beta", "delta"):
        rows.append(connection, AUDIT_EVENTS, tenant, event_id=same)
    assert verify(connection).findings == ()
