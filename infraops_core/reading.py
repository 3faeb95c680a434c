"""Readers of single values: whatever a stack file holds in, `(value, "")` or `(None, what is allowed)` out."""

import json
import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

Reader = Callable[[Any], tuple[Any, str]]

_LONGEST_SHOWN = 40


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
        text = str(value)
        if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]{1,9}", text) or not low <= int(text) <= high:
            return None, allowed
        return int(text), ""

    return read


def boolean(value: Any) -> tuple[Any, str]:
    """`true` or `false`; `yes` and `on` are YAML 1.1's, which Pulumi does not read."""
    truths = {"true": True, "false": False}
    text = str(value).lower() if isinstance(value, bool) else value
    return (truths[text], "") if isinstance(text, str) and text in truths else (None, "true or false")


def pattern(allowed: re.Pattern[str], meaning: str) -> Reader:
    """A text that matches a pattern from end to end; a number counts as its digits."""

    def read(value: Any) -> tuple[Any, str]:
        if isinstance(value, bool) or not isinstance(value, str | int) or not allowed.fullmatch(str(value)):
            return None, meaning
        return str(value), ""

    return read


def absolute_path(value: Any) -> tuple[Any, str]:
    """A path from the root; whether it exists is for its user to see."""
    if not isinstance(value, str) or "\x00" in value or not Path(value).is_absolute():
        return None, "an absolute path"
    return Path(value), ""


def shown(value: Any) -> str:
    """A value as a message shows it: JSON, cut short; of an encrypted one only that it is."""
    if isinstance(value, dict) and "secure" in value:
        return "(encrypted)"
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"
