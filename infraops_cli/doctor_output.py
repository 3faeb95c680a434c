"""What `infraops doctor` prints: a line a check as it comes, with the next step below, and the sum; or one JSON object."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from infraops_core.database_url import redact
from infraops_core.doctor.check import Result, Verdict
from infraops_core.doctor.checks import CHECKS
from infraops_core.doctor.run import verdict

if TYPE_CHECKING:
    from rich.console import Console

_COLUMN = 10
_ID = max(len(check.id) for check in CHECKS)
_STYLES = {Verdict.PASS: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red", Verdict.UNCHECKED: "dim"}
_MARKS = {Verdict.PASS: "✓", Verdict.WARN: "!", Verdict.FAIL: "✗", Verdict.UNCHECKED: "-"}


class Lines:
    """Plain lines, and with marks and colours on a terminal."""

    def __init__(self, *, on_a_terminal: bool) -> None:
        self._console: Console | None = None
        if on_a_terminal:
            from rich import console  # takes its time to import

            self._console = console.Console(highlight=False, soft_wrap=True)

    def show(self, results: Iterable[Result]) -> list[Result]:
        """Print each result, and the sum at the end; return them all."""
        started, shown = time.perf_counter(), []
        for result in results:
            shown.append(result)
            self._print(result)
        counts = Counter(result.verdict for result in shown)
        told = ", ".join(f"{counts[one]} {word}" for one, word in _WORDS.items())
        self._say(f"{'Doctor':<{_COLUMN}}{told} in {time.perf_counter() - started:.1f} s")
        return shown

    def _print(self, result: Result) -> None:
        first, *more = redact(result.found).splitlines() or [""]
        self._say(f"{result.check.id:<{_ID}}  {first}", result.verdict)
        for line in more:
            self._say(f"{'':<{_ID}}  {line}")
        if result.next:
            self._say(f"{'':<{_ID}}  next: {redact(result.next)}")

    def _say(self, text: str, of: Verdict | None = None) -> None:
        is_sum = text.startswith("Doctor")
        if self._console is None:
            head = f"{of.capitalize():<{_COLUMN}}" if of else "" if is_sum else " " * _COLUMN
            sys.stdout.write(f"{head}{text}\n")
            sys.stdout.flush()
            return
        from rich.text import Text

        mark = f"{_MARKS[of]} {of:<{_COLUMN}}" if of else "" if is_sum else " " * (_COLUMN + 2)
        self._console.print(Text.assemble((mark, _STYLES[of] if of else ""), (text, "dim" if of is Verdict.UNCHECKED else "")))


_WORDS = {Verdict.PASS: "passed", Verdict.WARN: "warned", Verdict.FAIL: "failed", Verdict.UNCHECKED: "unchecked"}


def as_json(results: Sequence[Result], stack: str) -> str:
    """One object: the verdict of all, and each check's."""
    checks = [
        {
            "id": result.check.id,
            "verdict": result.verdict,
            "found": redact(result.found),
            "threshold": result.check.threshold,
            "next": redact(result.next),
            "milliseconds": round(result.milliseconds, 1),
        }
        for result in results
    ]
    return json.dumps({"verdict": verdict(results), "stack": stack or None, "checks": checks}, indent=2)
