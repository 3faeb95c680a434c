"""Checks of the server: its version, whether it takes writes, how long it takes to answer, its clock."""

import statistics
import time
from datetime import UTC, date, datetime

from infraops_core.doctor.check import Found, failed, passed, warned
from infraops_core.doctor.subject import Role, Subject

# The day of each major version's last release. Source: postgresql.org, "Versioning Policy", table "Releases" (2026-11).
END_OF_SUPPORT = {
    12: date(2024, 11, 21), 13: date(2025, 11, 13), 14: date(2026, 11, 12), 15: date(2027, 11, 11), 16: date(2028, 11, 9),
    17: date(2029, 11, 8), 18: date(2030, 11, 14),
}  # fmt: skip
LATENCY_MILLISECONDS = 50
SKEW_SECONDS = 1.0

_QUESTIONS = 5
_ANYBODY = (Role.READONLY, Role.OWNER, Role.APP, Role.ADMIN)


def version(subject: Subject) -> Found:
    """The community still mends this major version."""
    with subject.session(*_ANYBODY) as connection:
        return of_version(
            connection.info.server_version, connection.info.parameter_status("server_version") or "", datetime.now(UTC).date()
        )


def of_version(number: int, text: str, today: date) -> Found:
    """What there is to say of a server's version.

    :param number: as libpq has it: 170010 is 17.10.
    """
    major = number // 10000
    if major < min(END_OF_SUPPORT):
        return warned(f"PostgreSQL {text} has been without support for years", _upgrade())
    end = END_OF_SUPPORT.get(major)
    if end is None:
        return passed(f"PostgreSQL {text}")
    if today > end:
        return warned(f"PostgreSQL {text} is without support since {end}", _upgrade())
    return passed(f"PostgreSQL {text}, supported until {end}")


def role(subject: Subject) -> Found:
    """The server is the one that is written to, not a standby, and sessions may write."""
    with subject.session(Role.APP, Role.OWNER, Role.READONLY, Role.ADMIN) as connection:
        row = connection.execute("select pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on'").fetchone()
    assert row is not None
    if row[0]:
        return failed("it is a standby: it only reads", "use the primary's URL (several hosts: target_session_attrs=read-write)")
    if row[1]:
        return failed("sessions are read-only: default_transaction_read_only is on",
                      "see why (a full disk at a provider?), then: alter database NAME reset default_transaction_read_only")  # fmt: skip
    return passed("a primary that takes writes")


def latency(subject: Subject) -> Found:
    """The app's connection answers fast."""
    taken = []
    with subject.session(Role.APP, Role.OWNER, Role.READONLY) as connection:
        for _ in range(_QUESTIONS):
            started = time.perf_counter()
            connection.execute("select 1").fetchone()
            taken.append((time.perf_counter() - started) * 1000)
    return of_latency(taken)


def of_latency(milliseconds: list[float]) -> Found:
    """What there is to say of how long some answers took."""
    median = statistics.median(milliseconds)
    text = f"median {median:.1f} ms, slowest {max(milliseconds):.1f} ms of {len(milliseconds)}"
    if median > LATENCY_MILLISECONDS:
        return warned(text, "run the application in the database's region, or move the database nearer")
    return passed(text)


def clock(subject: Subject) -> Found:
    """The server's clock and this machine's agree."""
    seen = []
    with subject.session(*_ANYBODY) as connection:
        for _ in range(_QUESTIONS):
            asked, before = time.time(), time.perf_counter()
            row = connection.execute("select extract(epoch from pg_catalog.clock_timestamp())::float8").fetchone()
            assert row is not None
            seen.append((time.perf_counter() - before, asked, row[0]))
    trip, asked, told = min(seen)
    return of_clock(asked, told, trip)


def of_clock(asked: float, told: float, trip: float) -> Found:
    """What there is to say of a server that told the time `told`, asked at `asked`, with the answer there `trip` seconds later.

    It told it within the trip, most likely half way: what is within half of it is no skew that could be known.
    """
    skew = told - (asked + trip / 2)
    which = "ahead of" if skew > 0 else "behind"
    text = f"the server is {abs(skew) * 1000:.0f} ms {which} this machine, give or take {trip / 2 * 1000:.1f} ms"
    if abs(skew) - trip / 2 > SKEW_SECONDS:
        return warned(text, "set both by NTP (timedatectl status tells of this machine): the trail's times are the server's")
    return passed(text)


def _upgrade() -> str:
    return "move to a supported version, as a second stack (infraops:postgresVersion)"
