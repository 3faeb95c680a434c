"""Run the checks: a thread a lane, each check once, none longer than the whole may take."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from infraops_core.doctor.check import Check, Found, Result, Unchecked, Verdict
from infraops_core.doctor.subject import Subject
from infraops_core.errors import ExitCode, UserError

_GRACE_SECONDS = 0.25  # for what ends itself at the deadline, and so can say why


def run(checks: Sequence[Check], subject: Subject) -> Iterator[Result]:
    """The results in the order of `checks`, each as soon as it and all before it are there.

    The threads are daemons: neither a check that hangs nor a Ctrl-C keeps anybody waiting.

    :param checks: what a check needs stands before it.
    """
    under_way = _UnderWay({check.id: check for check in checks}, subject)
    for lane in {check.lane: None for check in checks}:
        mine = [check for check in checks if check.lane is lane]
        threading.Thread(target=under_way.go_along, args=(mine,), name=f"doctor: {lane.value}", daemon=True).start()
    for check in checks:
        yield under_way.result_of(check)


def verdict(results: Sequence[Result]) -> Verdict:
    """Of all of them together: `UNCHECKED` where the way to the database failed or the time was up before anybody logged in."""
    found = {result.verdict for result in results}
    is_looked_at = any(result.check.id.startswith("login.") and result.verdict is not Verdict.UNCHECKED for result in results)
    is_cut_off = any(result.check.is_way and result.verdict is Verdict.FAIL for result in results)
    if not is_looked_at and (is_cut_off or Verdict.FAIL not in found):
        return Verdict.UNCHECKED
    if Verdict.FAIL not in found and any(result.is_late for result in results):
        return Verdict.UNCHECKED
    return next(worst for worst in (Verdict.FAIL, Verdict.WARN, Verdict.PASS, Verdict.UNCHECKED) if worst in found)


def exit_code(results: Sequence[Result]) -> ExitCode:
    """What the command returns: a warning is no failure."""
    return {Verdict.FAIL: ExitCode.FOUND_BAD, Verdict.UNCHECKED: ExitCode.COULD_NOT_CHECK}.get(verdict(results), ExitCode.DONE)


@dataclass
class _UnderWay:
    """What is done so far; a result is set once and never changed."""

    checks: dict[str, Check]
    subject: Subject
    results: dict[str, Result] = field(default_factory=dict)
    bugs: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.over = {name: threading.Event() for name in self.checks}

    def go_along(self, checks: Sequence[Check]) -> None:
        """One lane, to its end."""
        for check in checks:
            try:
                self._do(check)
            except Exception as bug:  # of ours: raised in the thread that reads the results
                self.bugs.append(bug)
            finally:
                self.over[check.id].set()

    def result_of(self, check: Check) -> Result:
        """Its result, waited for until the time is up."""
        self.over[check.id].wait(max(0.0, self.subject.seconds_left) + _GRACE_SECONDS)
        if self.bugs:
            raise self.bugs[0]
        return self.results.get(check.id) or self._late(check)

    def _do(self, check: Check) -> None:
        reason = self._reason_to_leave(check)
        if self.subject.seconds_left <= 0:
            self.results[check.id] = self._late(check)
            return
        started = time.perf_counter()
        try:
            found = Found(Verdict.UNCHECKED, reason) if reason else check.run(self.subject)
        except Unchecked as why:
            found = Found(Verdict.UNCHECKED, str(why))
        except UserError as error:
            found = Found(Verdict.FAIL, error.what, error.next)
        following = self.subject.of_stack(found.next)
        self.results[check.id] = Result(check, found.verdict, found.text, following, (time.perf_counter() - started) * 1000)

    def _reason_to_leave(self, check: Check) -> str:
        """Wait for what comes before it; why it can't be tried, or nothing."""
        for name in (*check.needs, *check.after):
            if name in self.over:
                self.over[name].wait(max(0.0, self.subject.seconds_left))
        for name in check.needs:
            before = self.results.get(name)
            if before is not None and before.verdict is Verdict.FAIL:
                return f"{name} failed"
            if before is not None and before.verdict is Verdict.UNCHECKED:
                return before.found
        return ""

    def _late(self, check: Check) -> Result:
        return Result(check, Verdict.UNCHECKED, f"the {self.subject.seconds:g} s of --timeout were over", "", 0.0, is_late=True)
