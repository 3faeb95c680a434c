"""Trying again what failed for another session's lock: a bounded number of times, with pauses that grow."""

import random
import time

from infraops_core.migrations.transport import ServerError

_FOR_A_LOCK = ("55P03", "40P01")  # not to be had within lock_timeout; a deadlock
_TRIES = 6
_FIRST_PAUSE_SECONDS = 0.5


class Retries:
    """What is left to be tried of one piece of work."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tried = 0

    def pause(self, error: ServerError) -> bool:
        """Whether to try again: if so say it, and wait a while that others don't wait alike."""
        self._tried += 1
        if error.sqlstate not in _FOR_A_LOCK or self._tried >= _TRIES:
            return False
        seconds = _FIRST_PAUSE_SECONDS * 2 ** (self._tried - 1) * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
        print(f"Waiting   {self._name}: {error.message}; try {self._tried + 1} of {_TRIES} in {seconds:.1f} s")
        time.sleep(seconds)
        return True
