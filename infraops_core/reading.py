"""Readers of single values: whatever a stack file holds in, `(value, "")` or `(None, what is allowed)` out.

A number or truth value and its text mean the same: 17 and "17", true and "true".
"""

import json
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from infraops_core.database_url import redact

Reader = Callable[[Any], tuple[Any, str]]

_LONGEST_SHOWN = 40
_SECRET_KEY = re.compile(r"(?i)pass|secret|token|credential")
_NUMBER_OR_TRUTH = re.compile(r"-?[0-9]+(\.[0-9]+)?|true|false")
_HUGE = 10**100  # no number of ours; from 4300 digits on Python refuses to write one down


def choice(kinds: type[StrEnum]) -> Reader:
    """One of an enumeration's values."""
    allowed = "one of: " + ", ".join(kinds)

    def read(value: Any) -> tuple[Any, str]:
        return (kinds(value), "") if isinstance(value, str) and value in set(kinds) else (None, allowed)

    return read


def integer(low: int, high: int) -> Reader:
    """A whole number between two bounds, both included."""
    allowed = f"a whole number from {low} to {high}"

    def read(value: Any) -> tuple[Any, str]:
        text = _text(value)
        if not re.fullmatch(r"0|-?[1-9][0-9]{0,8}", text) or not low <= int(text) <= high:
            return None, allowed
        return int(text), ""

    return read


def boolean(value: Any) -> tuple[Any, str]:
    """`true` or `false`; `yes` and `on` are YAML 1.1's, which Pulumi does not read."""
    truths = {"true": True, "false": False}
    text = _text(value).lower()
    return (truths[text], "") if text in truths else (None, "true or false")


def pattern(allowed: re.Pattern[str], meaning: str) -> Reader:
    """A text that matches a pattern from end to end, and that is not empty."""

    def read(value: Any) -> tuple[Any, str]:
        text = _text(value)
        return (text, "") if text and allowed.fullmatch(text) else (None, meaning)

    return read


def absolute_path(value: Any) -> tuple[Any, str]:
    """A path from the root; whether it exists is for its user to see."""
    if not isinstance(value, str) or "\x00" in value or not Path(value).is_absolute():
        return None, "an absolute path"
    return Path(value), ""


def shown(value: Any, key: str = "") -> str:
    """A value as a message shows it: JSON without passwords, cut short; of an encrypted or nested one only that it is.

    A number shows as one, whether Pulumi has made a text of it or not.
    """
    if isinstance(value, Mapping) and "secure" in value:
        return "(encrypted)"
    if isinstance(value, Mapping):
        return "(a mapping)"
    if isinstance(value, list | tuple | set):
        return "(a list)"
    if _SECRET_KEY.search(key):
        return "(not shown)"
    if isinstance(value, int) and abs(value) >= _HUGE:
        return "(a huge number)"
    plain = isinstance(value, str) and _NUMBER_OR_TRUTH.fullmatch(value)
    written = value if plain else redact(json.dumps(value, default=str, ensure_ascii=False))
    text = "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in written)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def _text(value: Any) -> str:
    """A scalar as Pulumi would hand it over; for anything else nothing, which no reader takes."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) < _HUGE:
        return str(int(value))
    return value if isinstance(value, str) else ""
