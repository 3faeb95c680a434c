"""The run itself: what waits for what, what is left out, how long all of it may take, and what all of it comes to."""

import re
import threading
import time
from collections.abc import Callable

import pytest

from infraops_core import checkout
from infraops_core.doctor.check import Check, Found, Lane, Result, Unchecked, Verdict, failed, passed, warned
from infraops_core.doctor.checks import CHECKS
from infraops_core.doctor.run import exit_code, run, verdict
from infraops_core.doctor.subject import Subject
from infraops_core.errors import ExitCode, UserError

Looks = Callable[[Subject], Found]


def check(name: str, look: Looks, *needs: str, lane: Lane = Lane.HERE, is_way: bool = False, after: tuple[str, ...] = ()) -> Check:
    return Check(name, lane, "", look, needs, after, is_way)


def well(_: Subject) -> Found:
    return passed("well")


def ill(_: Subject) -> Found:
    return failed("ill", "mend it")


def blind(_: Subject) -> Found:
    raise Unchecked("it is dark")


def refused(_: Subject) -> Found:
    raise UserError("refused", next="ask again")


def results(*checks: Check, seconds: float = 5.0) -> dict[str, tuple[Verdict, str]]:
    return {one.check.id: (one.verdict, one.found) for one in run(checks, Subject({}, seconds=seconds))}


def test_what_needs_a_failed_check_is_not_tried_and_says_which() -> None:
    found = results(check("a", ill), check("b", well, "a"), check("c", well, "b", lane=Lane.APP), check("d", well, after=("a",)))
    assert found == {
        "a": (Verdict.FAIL, "ill"),
        "b": (Verdict.UNCHECKED, "a failed"),
        "c": (Verdict.UNCHECKED, "a failed"),
        "d": (Verdict.PASS, "well"),
    }


def test_what_could_not_look_says_why_and_so_does_what_needs_it() -> None:
    assert results(check("a", blind), check("b", well, "a")) == {
        "a": (Verdict.UNCHECKED, "it is dark"),
        "b": (Verdict.UNCHECKED, "it is dark"),
    }


def test_what_is_refused_fails_with_the_next_step() -> None:
    [result] = run([check("a", refused)], Subject({}))
    assert (result.verdict, result.found, result.next) == (Verdict.FAIL, "refused", "ask again")


def test_a_check_that_was_left_out_is_waited_for_by_nobody() -> None:
    assert results(check("a", well, "not there", after=("nor this",))) == {"a": (Verdict.PASS, "well")}


def test_lanes_go_on_beside_one_another() -> None:
    both = threading.Barrier(2, timeout=5)

    def meet(_: Subject) -> Found:
        both.wait()
        return passed("met")

    assert set(results(check("a", meet), check("b", meet, lane=Lane.APP)).values()) == {(Verdict.PASS, "met")}


def test_a_check_that_hangs_ends_with_the_time_for_all() -> None:
    over = threading.Event()

    def hang(_: Subject) -> Found:
        over.wait(30)
        return passed("late")

    began = time.monotonic()
    checks = [check("a", hang), check("b", well), check("c", well, "a", lane=Lane.APP), check("login.app", well, lane=Lane.OWNER)]
    found = list(run(checks, Subject({}, seconds=0.3)))
    over.set()
    assert time.monotonic() - began < 3
    late = "the 0.3 s of --timeout were over"
    assert [one.found for one in found] == [late, late, late, "well"]
    assert exit_code(found) is ExitCode.COULD_NOT_CHECK


def test_a_bug_is_raised_where_the_results_are_read() -> None:
    def wrong(_: Subject) -> Found:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(run([check("a", wrong), check("b", well)], Subject({})))


@pytest.mark.parametrize(
    ("looks", "whole", "code"),
    [
        ({"tcp.connects": well, "login.app": well}, Verdict.PASS, ExitCode.DONE),
        ({"tcp.connects": well, "login.app": lambda _: warned("old", "renew")}, Verdict.WARN, ExitCode.DONE),
        ({"tcp.connects": well, "login.app": ill}, Verdict.FAIL, ExitCode.FOUND_BAD),
        ({"tcp.connects": ill, "login.app": blind}, Verdict.UNCHECKED, ExitCode.COULD_NOT_CHECK),
        ({"tcp.connects": ill, "login.app": well}, Verdict.FAIL, ExitCode.FOUND_BAD),
        ({"tcp.connects": well, "login.app": blind}, Verdict.UNCHECKED, ExitCode.COULD_NOT_CHECK),
        ({"environment": ill, "login.app": blind}, Verdict.FAIL, ExitCode.FOUND_BAD),
        ({"tcp.connects": blind, "login.app": blind}, Verdict.UNCHECKED, ExitCode.COULD_NOT_CHECK),
    ],
)
def test_what_all_of_it_comes_to(looks: dict[str, Looks], whole: Verdict, code: ExitCode) -> None:
    found: list[Result] = list(run([check(name, look, is_way=name == "tcp.connects") for name, look in looks.items()], Subject({})))
    assert verdict(found) is whole
    assert exit_code(found) is code


def test_every_check_needs_what_stands_before_it_or_the_run_would_wait_for_itself() -> None:
    seen: set[str] = set()
    for one in CHECKS:
        assert {*one.needs, *one.after} <= seen, one.id
        assert one.id not in seen
        seen.add(one.id)


ROWS = {
    cells[0].strip(" `"): [cell.strip() for cell in cells]
    for line in (checkout.ROOT / "docs" / "doctor.md").read_text().splitlines()
    if line.startswith("| `") and len(cells := line.split("|")[1:-1]) == 5
}


def test_the_documentation_has_the_same_checks_in_the_same_order() -> None:
    assert list(ROWS) == [one.id for one in CHECKS]


@pytest.mark.parametrize("one", CHECKS, ids=lambda one: one.id)
def test_the_documentation_says_what_has_to_hold(one: Check) -> None:
    _, passes, warns, fails, following = ROWS[one.id]
    assert re.sub(r"`", "", passes) == one.threshold
    assert warns
    assert fails
    assert following
