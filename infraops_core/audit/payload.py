"""Payloads: which JSON comes back from the database equal to what was given, and its text as the database will hold it.

`encode` and `same` are for others. Numbers are written out in full, as Postgres' `jsonb` keeps them (1e300 has
301 digits), so that the text has the size that the database's own check will find.
"""

import math
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from json.encoder import encode_basestring as quoted
from typing import Any

from infraops_core.reading import shown

MAX_BYTES = 1_048_576
MAX_DEPTH = 100
_MAX_DIGITS = 4300  # more than these Python refuses to read from a text, unless told otherwise
_MOST_MISTAKES = 10
_LONGEST_PLACE = 80
_WORDS = {None: "null", True: "true", False: "false"}


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong with a record: where, what stands there, what is allowed."""

    place: str
    found: str
    allowed: str


@dataclass(frozen=True)
class Encoded:
    """A payload's copy in plain types and its JSON text; with mistakes, neither is of use."""

    copy: dict[str, Any]
    text: str
    mistakes: tuple[Mistake, ...] = ()


def encode(payload: object) -> Encoded:
    """The payload's copy and text, or all its mistakes.

    :param payload: a dict of at most `MAX_DEPTH` levels and `MAX_BYTES` bytes of text. Tuples, sets, bytes, keys that are no
        text and the like are mistakes, for they would come back as something else.
    """
    if not isinstance(payload, dict):
        return Encoded({}, "", (Mistake("payload", type(payload).__name__, "a dict"),))
    writer = _Writer()
    try:
        copy = writer.write(payload)
    except _Enough:
        copy = {}
    if writer.mistakes:
        return Encoded({}, "", tuple(writer.mistakes))
    text = "".join(writer.parts)
    if not text.isascii() and (size := len(text.encode())) > MAX_BYTES:
        return Encoded({}, "", (_too_large(f"{size} bytes"),))
    return Encoded(copy, text)


def text_problem(text: str) -> str:
    """What a text has to be for Postgres to hold it, if this one is not; else nothing."""
    if "\x00" in text:
        return "text without NUL characters"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "text without lone surrogates (halves of a character)"
    return ""


def same(one: object, other: object) -> bool:
    """Whether two payloads are equal as JSON, where `true` is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(mine, theirs) for mine, theirs in zip(one, other, strict=True))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


class _Enough(Exception):
    """Looking on would tell nothing that its reader needs."""


@dataclass
class _Writer:
    """Writes one payload's text, copies it and collects its mistakes, in one pass."""

    parts: list[str] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    path: list[str | int] = field(default_factory=list)
    size: int = 0

    def write(self, value: Any) -> Any:
        """Write `value`, which stands at `path`, and return its copy: of plain types, whatever subclass it was."""
        if isinstance(value, str):
            return self._text(str.__str__(value))
        if value is None or isinstance(value, bool):
            self._put(_WORDS[value])
            return value
        if isinstance(value, int):
            return self._integer(int.__index__(value))
        if isinstance(value, float):
            return self._float(float.__float__(value))
        if not isinstance(value, dict | list):
            return self._wrong(type(value).__name__, "dict, list, str, int, float, bool or None")
        if len(self.path) >= MAX_DEPTH:
            return self._wrong(f"level {MAX_DEPTH + 1}", f"at most {MAX_DEPTH} levels")
        return self._dict(value) if isinstance(value, dict) else self._list(value)

    def _dict(self, value: dict[Any, Any]) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        before = "{"
        for key, inner in value.items():
            if not isinstance(key, str):
                self._wrong(f"key {shown(key)} ({type(key).__name__})", "keys that are text")
                continue
            name = str.__str__(key)
            if problem := text_problem(name):
                self._wrong(f"key {shown(name)}", f"keys: {problem}")
                continue
            self._put(f"{before}{quoted(name)}: ")
            self.path.append(name)
            copy[name] = self.write(inner)
            self.path.pop()
            before = ", "
        self._put("}" if before == ", " else "{}")
        return copy

    def _list(self, value: list[Any]) -> list[Any]:
        copy: list[Any] = []
        self._put("[")
        for place, inner in enumerate(value):
            if place:
                self._put(", ")
            self.path.append(place)
            copy.append(self.write(inner))
            self.path.pop()
        self._put("]")
        return copy

    def _text(self, value: str) -> str:
        if problem := text_problem(value):
            self._wrong(shown(value, self._key()), problem)
        self._put(quoted(value))
        return value

    def _integer(self, value: int) -> int:
        digits = min(_MAX_DIGITS, sys.get_int_max_str_digits() or _MAX_DIGITS)
        if value.bit_length() > 3 * digits and abs(value) >= 10**digits:
            self._wrong("a huge number", f"at most {digits} digits")
            return 0
        self._put(str(value))
        return value

    def _float(self, value: float) -> float:
        if not math.isfinite(value):
            self._wrong(str(value), "a finite number; JSON has no other")
            return value
        self._put(_in_full(value))
        return value

    def _put(self, text: str) -> None:
        self.parts.append(text)
        self.size += len(text)
        if self.size > MAX_BYTES:
            self.mistakes.append(_too_large(f"more than {MAX_BYTES} bytes"))
            raise _Enough

    def _wrong(self, found: str, allowed: str) -> None:
        place = "payload" + "".join(_step(step) for step in self.path)
        self.mistakes.append(Mistake(place if len(place) <= _LONGEST_PLACE else f"{place[: _LONGEST_PLACE - 1]}…", found, allowed))
        if len(self.mistakes) == _MOST_MISTAKES:
            raise _Enough

    def _key(self) -> str:
        """The name the value goes by, which may tell that it is a secret."""
        return next((step for step in reversed(self.path) if isinstance(step, str)), "")


def _in_full(value: float) -> str:
    """The shortest decimal fraction that reads back as `value`, without an exponent; from 1e16 on all its digits,
    for the shortest text without its exponent would read back as another number."""
    if value == 0:
        return "0.0"
    text = repr(value)
    if "e" not in text:
        return text
    return f"{int(value)}.0" if abs(value) >= 1 else f"{Decimal(text):f}"


def _too_large(found: str) -> Mistake:
    return Mistake("payload", found, f"at most {MAX_BYTES} bytes as JSON text, numbers written in full")


def _step(step: str | int) -> str:
    """One step of a JSON path."""
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if step.isidentifier() and len(step) <= 40 else f"[{shown(step)}]"
