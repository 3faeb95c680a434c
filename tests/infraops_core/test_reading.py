"""Single values of a stack file: which are taken, as what, and how they are shown."""

import datetime
import json
import re
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infraops_core import reading
from infraops_core.reading import Reader

BOUNDED = settings(max_examples=100, deadline=None)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


COLOUR = reading.choice(Colour)
NUMBER = reading.integer(-5, 100)
LETTERS = reading.pattern(re.compile(r"[a-z0-9.]{0,20}"), "letters")

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.datetimes() | st.binary(max_size=20)
yaml_like = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3), max_leaves=10)


@pytest.mark.parametrize(
    ("read", "given", "value"),
    [
        (COLOUR, "red", Colour.RED),
        (COLOUR, Colour.BLUE, Colour.BLUE),
        (NUMBER, 17, 17),
        (NUMBER, "17", 17),
        (NUMBER, -5, -5),
        (NUMBER, "-5", -5),
        (NUMBER, 100, 100),
        (NUMBER, 0, 0),
        (NUMBER, "0", 0),
        (reading.boolean, True, True),
        (reading.boolean, False, False),
        (reading.boolean, "true", True),
        (reading.boolean, "false", False),
        (reading.boolean, "True", True),
        (reading.boolean, "FALSE", False),
        (LETTERS, "abc", "abc"),
        (LETTERS, 17, "17"),
        (LETTERS, True, "true"),
        (reading.absolute_path, "/usr/lib/postgresql/17/bin", Path("/usr/lib/postgresql/17/bin")),
        (reading.absolute_path, "/", Path("/")),
    ],
)
def test_taken(read: Reader, given: Any, value: Any) -> None:
    assert read(given) == (value, "")


HUGE = 10**5000
NO_NUMBERS = ["", "101", " 17", "17 ", "17\n", "+17", "017", "-0", "1_0", "0x11", "1e1", "٣", "17.0", "true", "9" * 5000]

REFUSED: dict[str, tuple[Reader, list[Any]]] = {
    "one of: red, blue": (COLOUR, ["", "RED", " red", "red\n", "green", None, True, 1, ["red"], {"red": 1}]),
    "a whole number from -5 to 100": (
        NUMBER,
        [*NO_NUMBERS, -6, 101, 17.0, 1.5, float("nan"), True, False, None, [17], {}, HUGE, -HUGE],
    ),
    "true or false": (reading.boolean, ["", "yes", "on", "1", "true\n", 1, 0, None, 1.0, [True], {}]),
    "letters": (LETTERS, ["", "A", "a b", "abc\n", "a" * 21, None, 1.5, ["a"], {}, -1, HUGE]),
    "an absolute path": (reading.absolute_path, ["", "bin", "./bin", "~/bin", "/a\x00b", None, 1, True, ["/"], {}]),
}


@pytest.mark.parametrize("allowed", REFUSED)
def test_refused_with_what_is_allowed(allowed: str) -> None:
    read, values = REFUSED[allowed]
    for value in values:
        assert read(value) == (None, allowed)


@BOUNDED
@given(yaml_like)
@example("\ud800")
@example("/\ud800")
def test_any_value_is_taken_or_refused(value: Any) -> None:
    for read in (COLOUR, NUMBER, reading.boolean, LETTERS, reading.absolute_path):
        taken, allowed = read(value)
        assert (taken is None) == bool(allowed)


@BOUNDED
@given(st.integers(-(10**17), 10**17) | st.booleans())
def test_a_scalar_and_its_text_mean_the_same(value: int) -> None:
    for read in (COLOUR, NUMBER, reading.boolean, LETTERS):
        assert read(value) == read(json.dumps(value))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (17, "17"),
        (True, "true"),
        (None, "null"),
        (1.5, "1.5"),
        ("x", '"x"'),
        ("17", "17"),
        ("-1.50", "-1.50"),
        ("true", "true"),
        ("True", '"True"'),
        ("017x", '"017x"'),
        ("9" * 50, "9" * 39 + "…"),
        ("", '""'),
        ("two\nlines", '"two\\nlines"'),
        ("bücher", '"bücher"'),
        ("\x9b31m\u2028\u202e", '"\\u009b31m\\u2028\\u202e"'),
        ("\udcff", '"\\udcff"'),
        (datetime.date(2026, 12, 1), '"2026-12-01"'),
        ("a" * 50, '"' + "a" * 38 + "…"),
        (["a"], "(a list)"),
        (("a", "b"), "(a list)"),
        ({"a": 1}, "(a mapping)"),
        ({(1, 2): 1}, "(a mapping)"),
        ({"secure": "v1:ciphertext"}, "(encrypted)"),
        ({"inner": {"secure": "v1:ciphertext"}}, "(a mapping)"),
        ("postgresql://u:hunter2@h/db", '"postgresql://u:***@h/db"'),
        ("password=hunter2", '"password=***'),
    ],
)
def test_shown_in_a_message(value: Any, shown: str) -> None:
    assert reading.shown(value) == shown


def test_a_value_without_end_is_shown_too() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert reading.shown(endless) == "(a list)"
    assert reading.shown(HUGE) == "(a huge number)"


@pytest.mark.parametrize("key", ["password", "adminPassword", "API_TOKEN", "clientSecret", "credentials"])
def test_what_a_key_calls_secret_is_not_shown(key: str) -> None:
    assert reading.shown("hunter2", key) == "(not shown)"


@BOUNDED
@given(yaml_like)
def test_any_value_is_shown_in_one_short_line(value: Any) -> None:
    shown = reading.shown(value)
    assert shown
    assert len(shown) <= 40
    assert shown.isprintable()
