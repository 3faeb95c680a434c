"""What the database's rules for an approval's life say, in words for who broke them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from infraops_core.audit.events import ApprovalRequest, ApprovalStatus, Record
from infraops_core.errors import UserError

if TYPE_CHECKING:
    from psycopg import Error

_BROKEN = {
    "approval_requests_requested_once": ("was requested already", "decide it, or request another with an id of its own"),
    "approval_requests_decided_once": ("was decided already", "a decision stands; request a new approval"),
    "approval_requests_requested_first": ("was never requested", "request it first, then decide it"),
}


def broken_rule(error: "Error", records: Sequence[Record]) -> UserError | None:
    """What to tell whoever recorded `records`, if it was one of these rules that refused them.

    The database doesn't tell which approval of a batch it was: under row-level security it keeps a key to itself.
    """
    constraint = error.diag.constraint_name or ""
    if constraint not in _BROKEN:
        return None
    what, remedy = _BROKEN[constraint]
    is_request = constraint == "approval_requests_requested_once"
    suspects = [str(record.approval_id) for record in records
                if isinstance(record, ApprovalRequest) and (record.status is ApprovalStatus.REQUESTED) == is_request]  # fmt: skip
    which = f"approval {suspects[0]}" if len(suspects) == 1 else f"one of the approvals {', '.join(suspects[:5])}"
    more = f" and {len(suspects) - 5} more" if len(suspects) > 5 else ""
    return UserError(f"{which}{more} {what}", where="infraops_audit.approval_requests", next=f"{remedy}; nothing was recorded")
