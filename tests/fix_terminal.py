"""A command on a terminal of its own, with somebody who types."""

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

_SECONDS = 60


def on_a_terminal(
    command: list[str], environment: Mapping[str, str], types: str, folder: Path, *, asks: str = "to go on: "
) -> tuple[int, str]:
    """Exit code and all that is read of a command; `types` is typed once it `asks`, and nothing typed is a Ctrl-C."""
    ours, its = pty.openpty()
    shown, deadline, answered = "", time.monotonic() + _SECONDS, 0.0
    with subprocess.Popen(command, env=dict(environment), cwd=folder, stdin=its, stdout=its, stderr=its, start_new_session=True) as running:
        os.close(its)
        try:
            while True:
                assert time.monotonic() < deadline, f"it did not end: {shown}"
                if select.select([ours], [], [], 0.05)[0]:
                    try:
                        shown += os.read(ours, 4096).decode()
                    except OSError:  # how Linux says that nobody has the terminal any more
                        break
                if types and not answered and asks in shown:
                    answered = time.monotonic()
                    os.write(ours, types.encode())
                # Python misses a signal just before it begins to read, so as a user would: once more when nothing happens.
                if not types and asks in shown and time.monotonic() > answered + 2:
                    answered = time.monotonic()
                    running.send_signal(signal.SIGINT)
            return running.wait(10), shown
        finally:
            running.kill()
            os.close(ours)
