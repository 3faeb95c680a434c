"""What is said of a value, where the value can't be had for real: clocks, disks, dates, limits; at and beside each threshold."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from infraops_core.audit.chain.record import AUDIT_EVENTS, GENESIS
from infraops_core.certificates import Certificate
from infraops_core.doctor import capacity, encryption, server, trail, upkeep
from infraops_core.doctor.capacity import Connections
from infraops_core.doctor.check import Found, Unchecked, Verdict
from infraops_core.doctor.deployment import Deployment, Made
from infraops_core.doctor.subject import Subject
from infraops_core.servers.embedded import binaries

GIB = 2**30
PASS, WARN, FAIL = Verdict.PASS, Verdict.WARN, Verdict.FAIL


@pytest.mark.parametrize(
    ("asked", "told", "trip", "verdict", "says"),
    [
        (1000.0, 1000.01, 0.02, PASS, "0 ms"),
        (1000.0, 1000.99, 0.0, PASS, "990 ms ahead of this machine"),
        (1000.0, 1001.01, 0.0, WARN, "1010 ms ahead of this machine"),
        (1000.0, 998.9, 0.0, WARN, "1100 ms behind this machine"),
        (1000.0, 1002.0, 4.0, PASS, "0 ms"),
        (1000.0, 1000.0, 2.5, PASS, "1250 ms behind this machine, give or take 1250.0 ms"),
        (1000.0, 1003.2, 2.0, WARN, "give or take 1000.0 ms"),
        (1000.0, 87400.0, 0.01, WARN, "ahead"),
    ],
)
def test_a_skew_counts_beyond_half_the_round_trip(*, asked: float, told: float, trip: float, verdict: Verdict, says: str) -> None:
    found = server.of_clock(asked, told, trip)
    assert found.verdict is verdict
    assert says in found.text


@pytest.mark.parametrize(
    ("milliseconds", "verdict"), [([1.0, 2.0, 90.0], PASS), ([50.0] * 5, PASS), ([50.1] * 5, WARN), ([1.0, 60.0, 70.0], WARN)]
)
def test_latency_is_the_median(milliseconds: list[float], verdict: Verdict) -> None:
    assert server.of_latency(milliseconds).verdict is verdict


@pytest.mark.parametrize(
    ("number", "today", "verdict", "says"),
    [
        (170010, date(2029, 11, 8), PASS, "supported until 2029-11-08"),
        (170010, date(2029, 11, 9), WARN, "without support since 2029-11-08"),
        (140023, date(2026, 11, 22), WARN, "without support since 2026-11-12"),
        (90624, date(2026, 11, 22), WARN, "without support for years"),
        (190000, date(2027, 1, 1), PASS, "PostgreSQL x"),
    ],
)
def test_versions_out_of_support_are_a_warning(number: int, today: date, verdict: Verdict, says: str) -> None:
    found = server.of_version(number, "x", today)
    assert found.verdict is verdict
    assert says in found.text


def test_the_versions_that_can_be_provisioned_have_an_end_of_support() -> None:
    assert {16, 17, 18} <= set(server.END_OF_SUPPORT)
    assert binaries.find([17], None).major in server.END_OF_SUPPORT


@pytest.mark.parametrize(
    ("free", "total", "verdict"),
    [
        (20 * GIB, 100 * GIB, PASS),
        (10 * GIB, 100 * GIB, PASS),
        (10 * GIB - 1, 100 * GIB, WARN),
        (GIB, 5 * GIB, PASS),
        (GIB - 1, 5 * GIB, WARN),
        (0, 5 * GIB, WARN),
    ],
)
def test_a_disk_with_less_than_a_tenth_or_a_gibibyte_free_is_a_warning(free: int, total: int, verdict: Verdict) -> None:
    assert upkeep.of_disk(free, total, Path("/data")).verdict is verdict


@pytest.mark.parametrize(
    ("connections", "verdict", "following"),
    [
        (Connections(50, 100, 3, 10, 2), PASS, ""),
        (Connections(-1, 100, 3, 10, 2), PASS, ""),
        (Connections(20, 100, 3, 10, 2), PASS, ""),
        (Connections(19, 100, 3, 10, 2), WARN, "infraops:connectionLimit"),
        (Connections(-1, 22, 3, 1, 1), WARN, "max_connections"),
        (Connections(50, 100, 3, 40, 40), WARN, "infraops:connectionLimit"),
        (Connections(-1, 100, 3, 78, 1), WARN, "max_connections"),
    ],
)
def test_fewer_connections_than_a_pool_wants_or_most_of_them_in_use_is_a_warning(
    connections: Connections, verdict: Verdict, following: str
) -> None:
    found = capacity.of_connections(connections, 20)
    assert found.verdict is verdict
    assert following in found.next


def test_the_pool_is_the_audit_stores() -> None:
    assert capacity.pool_size() == 20


@pytest.mark.parametrize(
    ("seconds", "verdict"), [((30, 10), PASS), ((300, 300), PASS), ((0, 10), WARN), ((30, 0), WARN), ((301, 10), WARN)]
)
def test_timeouts_that_are_off_or_long_are_a_warning(seconds: tuple[float, float], verdict: Verdict) -> None:
    found = dict(zip(("statement_timeout", "idle_in_transaction_session_timeout"), seconds, strict=True))
    assert capacity.of_timeouts(found, "infraops_app").verdict is verdict


@pytest.mark.parametrize(
    ("days", "verdict"), [(-0.1, FAIL), (0.5, WARN), (29.9, WARN), (30.1, PASS), (400, PASS)]
)  # fmt: skip
def test_a_certificates_days(days: float, verdict: Verdict) -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    assert encryption.of_days(certificate(now - timedelta(days=10), now + timedelta(days=days)), now).verdict is verdict


def test_a_certificate_of_tomorrow_is_none_today() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    assert encryption.of_days(certificate(now + timedelta(hours=1), now + timedelta(days=90)), now).verdict is FAIL


def certificate(begin: datetime, end: datetime) -> Certificate:
    return Certificate("TLSv1.3", "CN=x", ("x",), "CA", begin, end, False, "sha256", True)


HASH, OTHER = hashlib.sha256(b"record").digest(), bytes([1]) * 32


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (("t", 1, HASH, GENESIS, b"record", None), ""),
        (("t", 2, HASH, OTHER, b"record", OTHER), ""),
        (("t", 1, OTHER, GENESIS, b"record", None), "its content does not fit its hash"),
        (("t", 1, HASH, OTHER, b"record", None), "a first row that follows from another"),
        (("t", 2, HASH, GENESIS, b"record", OTHER), "it does not follow from the row before it"),
        (("t", 2, HASH, OTHER, b"record", None), "the row before it is not there"),
    ],
)
def test_a_chains_newest_row(row: tuple[object, ...], says: str) -> None:
    found = trail.of_head(AUDIT_EVENTS, row)
    assert (says in found) if says else not found


class _Stack:
    name = "local"


def _age(*days: float | None) -> Found:
    made = [
        (
            "Passwords",
            Made(f"urn:{number}", f"passwords-{number}", datetime.now(UTC) - timedelta(days=age) if age is not None else None, {}),
        )
        for number, age in enumerate(days)
    ]
    return upkeep.passwords(Subject({}, _Stack(), deployment=Deployment({}, made, True)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("days", "verdict", "says"),
    [
        ((0.0, 3.0), PASS, "the oldest, passwords-1, is 3 days old"),
        ((89.9,), PASS, "90 days old"),
        ((90.1, 1.0), WARN, "the oldest, passwords-0, is 90 days old"),
        ((400.0, 100.0, None), WARN, "400 days old"),
    ],
)
def test_old_passwords_are_a_warning_with_the_command_that_makes_new_ones(
    days: tuple[float | None, ...], verdict: Verdict, says: str
) -> None:
    found = _age(*days)
    assert found.verdict is verdict
    assert says in found.text
    old = [f"--replace 'urn:{number}'" for number, age in enumerate(days) if age is not None and age > upkeep.PASSWORD_DAYS]
    assert found.next == (f"pulumi up --stack local {' '.join(old)}" if old else "")


def test_passwords_of_an_unknown_age_are_not_checked() -> None:
    with pytest.raises(Unchecked, match="does not say when"):
        _age(None)


@pytest.mark.parametrize(
    ("following", "of_stack"),
    [
        ("infraops migrate up", "infraops migrate up --stack local"),
        ("git restore, or: infraops migrate mark 20261122061000; then again", "git restore, or: infraops migrate mark 20261122061000"
         " --stack local; then again"),
        ("verify the chains (infraops audit verify), and", "verify the chains (infraops audit verify --stack local), and"),
        ("infraops up local", "infraops up local"),
    ],
)  # fmt: skip
def test_commands_of_the_next_step_name_the_stack(following: str, of_stack: str) -> None:
    assert Subject({}, _Stack()).of_stack(following) == of_stack  # type: ignore[arg-type]
    assert Subject({}).of_stack(following) == following
