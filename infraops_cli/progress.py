"""What a user sees while work goes on: lines of two verbs, and on a terminal a spinner for what is under way."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status


class Progress:
    """Lines on standard error, so that standard output holds results only."""

    def __init__(self, console: "Console | None" = None) -> None:
        from rich.console import Console  # here, so that commands which only print results start without it

        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._status: Status | None = None

    def say(self, line: str) -> None:
        """One line that stays."""
        from rich.text import Text

        self.console.print(Text(line))

    def doing(self, what: str) -> None:
        """What is under way, on a terminal only."""
        if self._status is not None:
            from rich.text import Text

            self._status.update(Text(what))

    @contextmanager
    def under_way(self, what: str) -> Iterator[None]:
        """Show `what` as under way until the end of the block."""
        if not self.console.is_terminal:
            yield
            return
        from rich.status import Status
        from rich.text import Text

        self._status = Status(Text(what), console=self.console)
        try:
            with self._status:
                yield
        finally:
            self._status = None


def elapsed_since(started: float) -> str:
    """Seconds since `started`, a value of `time.perf_counter`."""
    return f"{time.perf_counter() - started:.1f} s"


def result(text: str) -> None:
    """Print to standard output."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
