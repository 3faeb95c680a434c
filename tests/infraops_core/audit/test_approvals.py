"""An approval is requested once, then decided at most once; whoever does otherwise is told so."""

import dataclasses
import uuid

import pytest

from infraops_core.audit.events import ApprovalRequest, ApprovalStatus, Record
from infraops_core.audit.store import AuditStore
from infraops_core.errors import UserError
from tests.fix_audit import all_recorded, recorded

DECISIONS = [ApprovalStatus.APPROVED, ApprovalStatus.REJECTED, ApprovalStatus.EXPIRED]


def request() -> ApprovalRequest:
    return ApprovalRequest(approval_id=uuid.uuid4(), status=ApprovalStatus.REQUESTED, actor="a", action="restart", summary="s")


def again(what: ApprovalRequest, status: ApprovalStatus) -> ApprovalRequest:
    return dataclasses.replace(what, event_id=uuid.uuid4(), status=status)


@pytest.mark.parametrize("decision", DECISIONS)
def test_requested_and_decided_each_a_row_of_its_own(store: AuditStore, decision: ApprovalStatus) -> None:
    asked = request()
    steps = [asked, again(asked, decision)]
    assert [recorded(store.record_approval_request(step)).seq for step in steps] == [1, 2]
    assert [recorded(store.record_approval_request(step)).already for step in steps] == [True, True]
    other = request()
    results = all_recorded(store.record_many([*steps, other, again(other, decision)]))
    assert [(result.seq, result.already) for result in results] == [(1, True), (2, True), (3, False), (4, False)]


@pytest.mark.parametrize("first", DECISIONS)
@pytest.mark.parametrize("second", DECISIONS)
def test_decided_twice_is_refused(store: AuditStore, first: ApprovalStatus, second: ApprovalStatus) -> None:
    asked = request()
    store.record_many([asked, again(asked, first)])
    assert_refused(store, again(asked, second), f"approval {asked.approval_id} was decided already", "a decision stands")


def test_requested_twice_is_refused(store: AuditStore) -> None:
    asked = request()
    store.record_approval_request(asked)
    assert_refused(store, again(asked, ApprovalStatus.REQUESTED), f"approval {asked.approval_id} was requested already", "decide it")


@pytest.mark.parametrize("decision", DECISIONS)
def test_decided_before_it_was_requested_is_refused(store: AuditStore, decision: ApprovalStatus) -> None:
    decided = again(request(), decision)
    assert_refused(store, decided, f"approval {decided.approval_id} was never requested", "request it first")


def test_a_batch_in_the_wrong_order_is_refused_whole_and_names_whom_it_may_be(store: AuditStore) -> None:
    asked, other = request(), request()
    store.record_approval_request(asked)
    wrong: list[Record] = [again(asked, ApprovalStatus.APPROVED), again(other, ApprovalStatus.APPROVED), other]
    with pytest.raises(UserError) as refused:
        store.record_many(wrong)
    assert refused.value.what == f"one of the approvals {asked.approval_id}, {other.approval_id} was never requested"
    assert refused.value.next == "request it first, then decide it; nothing was recorded"
    assert [result.seq for result in all_recorded(store.record_many([wrong[0], wrong[2], wrong[1]]))] == [2, 3, 4]


def assert_refused(store: AuditStore, what: ApprovalRequest, problem: str, remedy: str) -> None:
    for write in (store.record_approval_request, lambda one: store.record_many([one])):
        with pytest.raises(UserError) as refused:
            write(what)
        assert refused.value.what == problem
        assert refused.value.next.startswith(remedy)
