"""End a scratch server and delete its folder: `python -I -S scratch_end.py FOLDER`, as soon as standard input ends.

A program of its own, because what keeps the other end of that pipe may be killed, and then this is what is left to tidy up.
It knows nothing but the standard library, so it is there within milliseconds.
"""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

_SECONDS = 20
_STILL = 0.3  # how long a start that was under way when its run was killed may take to show itself


def end(folder: Path) -> bool:
    """Stop what runs in `folder`, without care for its data, and delete the folder; whether it is gone."""
    deadline = time.monotonic() + _SECONDS
    while folder.exists() and time.monotonic() < deadline:
        _stop(folder, deadline)
        shutil.rmtree(folder, ignore_errors=True)  # again and again: an initdb that goes on makes new files
        if folder.exists():
            time.sleep(0.05)
    return not folder.exists()


def _stop(folder: Path, deadline: float) -> None:
    """Send the signal for an end without a checkpoint (PostgreSQL documentation, "Shutting Down the Server"), and wait.

    The server deletes its note last of all; its process may then stay in the list until whoever adopted it looks.
    """
    number = _server(folder)
    if not number:
        return
    try:
        os.kill(number, signal.SIGQUIT)
        os.kill(number, signal.SIGCONT)  # one that was halted obeys only once it goes on
        while _server(folder) and time.monotonic() < deadline:
            os.kill(number, 0)
            time.sleep(0.005)
        if _server(folder):
            os.kill(number, signal.SIGKILL)
    except OSError:
        return  # it has ended


def _server(folder: Path) -> int:
    """The server's process, by its own note; 0 where there is none. Nobody else can write into this folder."""
    try:
        return int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return 0


if __name__ == "__main__":
    sys.stdin.buffer.read()
    base = Path(sys.argv[1])
    if not base.exists():
        sys.exit(0)  # what held the pipe has tidied up itself
    gone = end(base)
    time.sleep(_STILL)
    sys.exit(0 if gone and end(base) else 1)
