"""End with the process that started us: a killed engine can't stop its helpers."""

import os
import select
import threading
from collections.abc import Callable

_LOOK_SECONDS = 1.0
_STANDARD_OUTPUT = 1


def end_with_parent(before: Callable[[], None] = lambda: None) -> None:
    """Watch from a thread, and leave without ceremony within a second or two of the parent's death, `before` done first.

    The parent reads what we write to standard output for as long as it lives. So its death shows there too, even
    where it died before we could see who it was.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent and not _nobody_reads_our_output(_LOOK_SECONDS):
            pass
        before()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _nobody_reads_our_output(seconds: float) -> bool:
    """Wait up to `seconds` for the other end of our standard output, if that is a pipe, to be closed."""
    output = select.poll()
    output.register(_STANDARD_OUTPUT, 0)  # asks for nothing; an error or a hang-up is told all the same
    return bool(output.poll(seconds * 1000))
