"""How a listing is cut into pages: few rows at first, more while they are small, and none after so many characters.

So a page's memory is bounded, and no page costs the server much that it does not send.
"""

import re
from dataclasses import dataclass

from infraops_core.audit import rules
from infraops_core.audit.store import StoredEvent
from infraops_core.errors import UserError
from infraops_core.reading import shown

_FIRST_ROWS = 16
_MOST_ROWS = 1024
_PAGE_CHARACTERS = 2_000_000
_LAST_POSITION = 2**63 - 1
_INCIDENT = rules.text(1, 200)


@dataclass
class Listing:
    """One incident's events from some position on.

    :param after: the `cursor` of an event; it has to be one of the tenant's audit events.
    :param limit: events at most.
    :raises UserError: for an incident that can't be one, a cursor that is none, or a limit below 1.
    """

    incident_id: str
    after: str | None
    limit: int | None

    def __post_init__(self) -> None:
        _, problem = _INCIDENT(self.incident_id)
        if problem:
            raise UserError(f"incident_id {shown(self.incident_id)}: {problem}", next="name the incident as its events do")
        if self.limit is not None and (isinstance(self.limit, bool) or not isinstance(self.limit, int) or self.limit < 1):
            raise UserError(f"limit {shown(self.limit)}: a whole number from 1, or None", next="leave it out for all events")
        self._position = _position(self.after)
        self._left = self.limit
        self._rows = _FIRST_ROWS
        self.has_more = True

    def parameters(self, tenant: str) -> list[str]:
        """The next page's, for `statements.PAGE`."""
        return [tenant, self.incident_id, str(self._position), str(self._wanted()), str(_PAGE_CHARACTERS)]

    def took(self, page: list[StoredEvent]) -> None:
        """Go on after `page`."""
        wanted = self._wanted()
        if self._left is not None:
            self._left -= len(page)
        characters = sum(len(event.event.payload_text) for event in page)
        self.has_more = (len(page) == wanted or characters >= _PAGE_CHARACTERS) and self._left != 0
        if not page:
            return
        self._position = page[-1].seq
        characters += sum(len(event.event.summary) + 500 for event in page)
        self._rows = max(1, min(self._rows * 4, _MOST_ROWS, _PAGE_CHARACTERS * len(page) // characters))

    def _wanted(self) -> int:
        return self._rows if self._left is None else min(self._rows, self._left)


def _position(after: str | None) -> int:
    if after is None:
        return 0
    if not isinstance(after, str) or not re.fullmatch(r"[1-9][0-9]{0,18}", after) or int(after) > _LAST_POSITION:
        raise UserError(f"{shown(after)} is no cursor", next="take the cursor of a listed event, or leave it out to begin at the first")
    return int(after)
