"""Pruning removes a tenant's oldest rows, all that was named or nothing, and the rest still verifies from its anchor."""

from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infraops_core.audit.chain import keys, prune
from infraops_core.audit.chain.findings import Kind
from infraops_core.audit.chain.heads import Head, current
from infraops_core.audit.chain.record import AGENT_RUNS, AUDIT_EVENTS, CHAINS
from infraops_core.audit.chain.verify import Verdict, one_moment, verify
from infraops_core.errors import ExitCode, UserError
from tests.fix_postgres import TestServer
from tests.infraops_core.audit.rows import append, apply_schema, unguarded

KEY = Ed25519PrivateKey.generate()
PUBLIC = keys.raw(KEY.public_key())
LATER = datetime(2999, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def owner(postgres: TestServer, empty_database: str) -> Iterator[Any]:
    access = postgres.access(database=empty_database)
    with redirect_stdout(StringIO()):
        apply_schema(access)
    with access.connect(seconds=60) as connection:
        yield connection


def positions(owner: Any) -> list[tuple[str, int]]:
    rows: list[tuple[str, int]] = owner.execute("select tenant_id, seq from infraops_audit.audit_events order by 1, 2").fetchall()
    return rows


def verified(owner: Any, **options: Any) -> Verdict:
    with one_moment(owner):
        return verify(owner, **options)


_AGE = """
update infraops_audit.audit_events e set recorded_at = %s, prev_hash = coalesce(
    (select row_hash from infraops_audit.audit_events b where b.tenant_id = e.tenant_id and b.seq = e.seq - 1), prev_hash)
where tenant_id = 'acme' and seq = %s
"""
_HASH_ANEW = f"update infraops_audit.audit_events set row_hash = sha256({AUDIT_EVENTS.record}) where tenant_id = 'acme' and seq = %s"


def age(owner: Any, days: list[int]) -> None:
    """Rows of acme, recorded so many days ago; written past the triggers, and chained anew as a whole."""
    append(owner, AUDIT_EVENTS, "acme", len(days))
    now = owner.execute("select now()").fetchone()[0]
    with unguarded(owner):
        for seq, ago in enumerate(days, start=1):
            owner.execute(_AGE, [now - ago * DAY, seq])
            owner.execute(_HASH_ANEW.encode(), [seq])
    assert verified(owner).findings == ()


@pytest.mark.parametrize(
    ("days", "before", "cut"),
    [
        ([5, 4, 3, 2, 1], 2.5, 3),
        ([5, 4, 3, 2, 1], 10, None),
        ([5, 4, 3, 2, 1], 4.5, 1),
        ([5, 4, 3, 2, 1], 0, 4),  # the newest row stays
        ([5], 0, None),
        ([5, 1, 4, 2, 3], 2, 1),  # up to the first row that is young enough: a clock that went back keeps more, never less
    ],
)
def test_what_would_go_is_all_before_the_first_row_that_stays(owner: Any, days: list[int], before: float, cut: int | None) -> None:
    age(owner, days)
    now = owner.execute("select now()").fetchone()[0]
    assert [head.seq for head in prune.prunable(owner, "acme", now - before * DAY)] == ([cut] if cut else [])


def test_every_chain_of_the_tenant_and_of_no_other(owner: Any) -> None:
    for chain in CHAINS:
        append(owner, chain, "acme", 3)
        append(owner, chain, "acme2", 3)
    heads = prune.prunable(owner, "acme", LATER)
    assert [(head.tenant, head.chain, head.seq) for head in heads] == [("acme", chain.table, 2) for chain in CHAINS]
    assert prune.prunable(owner, "nobody", LATER) == []
    assert prune.prunable(owner, "acme' or true --", LATER) == []


def test_the_rest_verifies_and_so_do_old_heads_and_rows_to_come(owner: Any) -> None:
    append(owner, AUDIT_EVENTS, "acme", 5)
    append(owner, AUDIT_EVENTS, "other", 2)
    before = current(owner)
    seen: list[str] = []
    pruned = prune.prune(owner, prune.prunable(owner, "acme", LATER), KEY, progress=lambda chain, _: seen.append(chain))
    assert [(one.head.seq, one.rows) for one in pruned] == [(4, 4)]
    assert "audit_events" in seen
    assert positions(owner) == [("acme", 5), ("other", 1), ("other", 2)]
    append(owner, AUDIT_EVENTS, "acme", 2)
    assert verified(owner, heads=before, key=PUBLIC) == Verdict(5, 2, 2, ())
    again = prune.prune(owner, prune.prunable(owner, "acme", LATER), KEY)
    assert [(one.head.seq, one.rows) for one in again] == [(6, 2)]
    assert verified(owner, heads=before, key=PUBLIC).findings == ()
    assert owner.execute("select seq from infraops_audit.chain_anchors order by seq").fetchall() == [(4,), (6,)]


def test_all_that_was_named_goes_or_nothing(owner: Any) -> None:
    append(owner, AUDIT_EVENTS, "acme", 3)
    append(owner, AGENT_RUNS, "acme", 3)
    good, other = prune.prunable(owner, "acme", LATER)
    newest = Head(other.tenant, other.chain, 3, other.row_hash)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="row 3 is the newest"):
        prune.prune(owner, [good, newest], KEY)
    assert len(positions(owner)) == 3
    assert verified(owner, key=PUBLIC) == Verdict(6, 2, 0, ())


@pytest.mark.parametrize(
    ("seq", "row_hash", "says"),
    [
        (2, bytes(32), "not that of row 2"),
        (9, bytes(32), "has no row 9"),
        (3, bytes(32), "row 3 is the newest"),
        (0, bytes(32), "has no row 0"),
    ],
)
def test_a_head_that_is_not_the_row_is_refused(owner: Any, seq: int, row_hash: bytes, says: str) -> None:
    append(owner, AUDIT_EVENTS, "acme", 3)
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=says):
        prune.prune(owner, [Head("acme", "audit_events", seq, row_hash)], KEY)
    assert len(positions(owner)) == 3


def test_a_chain_that_is_not_whole_keeps_its_rows(owner: Any) -> None:
    append(owner, AUDIT_EVENTS, "acme", 5)
    with unguarded(owner):
        owner.execute("update infraops_audit.audit_events set actor = 'x' where seq = 2")
    with pytest.raises(
        UserError, match="nothing was pruned, for the chain is not whole: audit_events, tenant acme, row 2: changed"
    ) as refused:
        prune.prune(owner, prune.prunable(owner, "acme", LATER), KEY)
    assert refused.value.code is ExitCode.FOUND_BAD
    assert len(positions(owner)) == 5


def test_another_tenants_broken_chain_keeps_nobody_from_pruning(owner: Any) -> None:
    append(owner, AUDIT_EVENTS, "acme", 3)
    append(owner, AUDIT_EVENTS, "other", 3)
    with unguarded(owner):
        owner.execute("update infraops_audit.audit_events set actor = 'x' where tenant_id = 'other' and seq = 2")
    prune.prune(owner, prune.prunable(owner, "acme", LATER), KEY)
    [finding] = verified(owner, key=PUBLIC).findings
    assert (finding.tenant, finding.kind) == ("other", Kind.CHANGED)


def test_nothing_else_deletes_afterwards(owner: Any) -> None:
    append(owner, AUDIT_EVENTS, "acme", 3)
    prune.prune(owner, prune.prunable(owner, "acme", LATER), KEY)
    for statement in (
        "delete from infraops_audit.audit_events",
        "delete from infraops_audit.chain_anchors",
        "truncate infraops_audit.chain_anchors",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute(statement)
