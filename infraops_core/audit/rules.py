"""What the fields of a record may hold: the value as it will be stored and nothing, or none and what is allowed.

The bounds are those of the tables' CHECK constraints, so that a record that could be made can be stored.
"""

import re
from datetime import UTC, datetime
from uuid import UUID

from infraops_core.audit.payload import text_problem
from infraops_core.errors import UserError
from infraops_core.reading import Reader, shown

TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_LARGEST_INTEGER = 2**31 - 1


def check_tenant(tenant: str) -> str:
    """A tenant's name.

    :raises UserError: for what can't be one.
    """
    if not isinstance(tenant, str) or not TENANT.fullmatch(tenant):
        raise UserError(f"{shown(tenant)} is no tenant", next="letters, digits, . _ -, at most 63, the first a letter or digit")
    return tenant


def text(shortest: int, longest: int) -> Reader:
    """A text of so many characters."""
    allowed = f"{shortest} to {longest} characters" if shortest else f"at most {longest} characters"

    def read(value: object) -> tuple[str | None, str]:
        if not isinstance(value, str):
            return None, f"text of {allowed}"
        plain = str.__str__(value)
        if not shortest <= len(plain) <= longest:
            return None, allowed
        problem = text_problem(plain)
        return (None, problem) if problem else (plain, "")

    return read


def optional(reader: Reader) -> Reader:
    """What `reader` takes, or None."""

    def read(value: object) -> tuple[object, str]:
        if value is None:
            return None, ""
        found, problem = reader(value)
        return found, f"{problem}, or None" if problem else ""

    return read


def uuid(value: object) -> tuple[UUID | None, str]:
    """A `uuid.UUID`; its text won't do, for it would not come back as one."""
    return (value, "") if isinstance(value, UUID) else (None, "a uuid.UUID")


def version(value: object) -> tuple[int | None, str]:
    """A number of Postgres' `integer`, from 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LARGEST_INTEGER:
        return None, f"a whole number from 1 to {_LARGEST_INTEGER}"
    return int.__index__(value), ""


def moment(value: object) -> tuple[datetime | None, str]:
    """A time with a zone, given back in UTC: in other zones an hour that comes twice a year equals nothing."""
    if not isinstance(value, datetime):
        return None, "a datetime with a time zone"
    if value.utcoffset() is None:
        return None, "a datetime with a time zone, such as datetime.now(UTC)"
    try:
        there = value.astimezone(UTC)
    except OverflowError:
        return None, "a time from the years 1 to 9999 in UTC"
    return datetime(there.year, there.month, there.day, there.hour, there.minute, there.second, there.microsecond, UTC), ""
