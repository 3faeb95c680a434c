"""The one line that says why, out of all that Postgres' programs print."""

from collections.abc import Sequence

_TELLING = ("FATAL:", "PANIC:", "error:", "could not", "cannot", "denied", "No space", "invalid value", "unrecognized", "syntax error")


def reason(lines: Sequence[str]) -> str:
    """The first complaint, for later ones follow from it; without one the last line."""
    said = [line for line in lines if line.strip()]
    return without_time(next((line for line in said if any(words in line for words in _TELLING)), said[-1] if said else "it said nothing"))


def without_time(line: str) -> str:
    """A line of a server's log without its beginning, which by default is a time and `[pid] `."""
    return line.partition("] ")[2] or line
