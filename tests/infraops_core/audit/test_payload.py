"""Which JSON is taken, and how it is written; that the database agrees is test_round_trip's matter."""

import enum
import json
import math
from collections import OrderedDict, defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infraops_core.audit.payload import MAX_BYTES, MAX_DEPTH, Mistake, encode, same


class Colour(enum.StrEnum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


def nested(levels: int) -> dict[str, Any]:
    inner: Any = 1
    for _ in range(levels - 1):
        inner = [inner]
    return {"in": inner}


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ({}, "{}"),
        ({"b": 1, "a": [True, False, None]}, '{"b": 1, "a": [true, false, null]}'),
        ({"": [], "x": {}}, '{"": [], "x": {}}'),
        ({"t": 'a"b\\c\n\t\x01\x7f/é😀'}, '{"t": "a\\"b\\\\c\\n\\t\\u0001\x7f/é😀"}'),
        ({"f": [0.1, 1.0, -2.5e-5, 1e15]}, '{"f": [0.1, 1.0, -0.000025, 1000000000000000.0]}'),
        ({"f": [1e16, 1e23]}, '{"f": [10000000000000000.0, 99999999999999991611392.0]}'),
        ({"f": -0.0}, '{"f": 0.0}'),
        ({"e": [Colour.RED, Number.ONE]}, '{"e": ["red", 1]}'),
        (OrderedDict(a=1), '{"a": 1}'),
        (defaultdict(list, a=[1]), '{"a": [1]}'),
    ],
)
def test_taken_and_written(payload: dict[str, Any], text: str) -> None:
    encoded = encode(payload)
    assert encoded.mistakes == ()
    assert encoded.text == text
    assert encoded.copy == payload
    assert encoded.copy is not payload
    assert json.loads(text) == payload


@pytest.mark.parametrize(
    ("payload", "place", "found", "allowed"),
    [
        (None, "payload", "NoneType", "a dict"),
        ([], "payload", "list", "a dict"),
        ("{}", "payload", "str", "a dict"),
        ({"a": {"b": (1, 2)}}, "payload.a.b", "tuple", "dict, list"),
        ({"a": {1}}, "payload.a", "set", "dict, list"),
        ({"a": b"x"}, "payload.a", "bytes", "dict, list"),
        ({"a": Decimal(1)}, "payload.a", "Decimal", "dict, list"),
        ({"a": object()}, "payload.a", "object", "dict, list"),
        ({1: "x"}, "payload", "key 1 (int)", "text"),
        ({"a": {None: "x"}}, "payload.a", "key null (NoneType)", "text"),
        ({"a": [math.nan]}, "payload.a[0]", "nan", "finite"),
        ({"a": -math.inf}, "payload.a", "-inf", "finite"),
        ({"a b": "x\x00"}, 'payload["a b"]', '"x\\u0000"', "NUL"),
        ({"a\x00": 1}, "payload", 'key "a\\u0000"', "NUL"),
        ({"a": "\ud800x"}, "payload.a", '"\\ud800x"', "surrogates"),
        ({"\udfff": 1}, "payload", 'key "\\udfff"', "surrogates"),
        ({"password": "geheim\x00"}, "payload.password", "(not shown)", "NUL"),
        ({"db": ["postgresql://u:geheim@h/d\x00"]}, "payload.db[0]", "***", "NUL"),
        ({"n": 10**4300}, "payload.n", "a huge number", "4300 digits"),
        ({"n": -(10**4300)}, "payload.n", "a huge number", "4300 digits"),
        (nested(MAX_DEPTH + 1), "payload.in[0][0]", f"level {MAX_DEPTH + 1}", f"{MAX_DEPTH} levels"),
        ({"t": "x" * MAX_BYTES}, "payload", f"more than {MAX_BYTES} bytes", f"{MAX_BYTES} bytes"),
        ({"t": "€" * (MAX_BYTES // 3)}, "payload", f"{MAX_BYTES // 3 * 3 + 9} bytes", f"{MAX_BYTES} bytes"),
        ({"t": [1e300] * 4000}, "payload", f"more than {MAX_BYTES} bytes", "written in full"),
    ],
)
def test_refused_and_why(payload: object, place: str, found: str, allowed: str) -> None:
    (mistake,) = encode(payload).mistakes
    assert mistake.place.startswith(place)
    assert found in mistake.found
    assert allowed in mistake.allowed
    assert "geheim" not in str(mistake)


def test_the_largest_are_taken() -> None:
    for payload in (nested(MAX_DEPTH), {"n": 10**4300 - 1}, {"t": "x" * (MAX_BYTES - 9)}, {"t": "€" * ((MAX_BYTES - 9) // 3)}):
        assert encode(payload).mistakes == ()


def test_every_mistake_is_named_up_to_ten() -> None:
    assert encode({"a": (), "b": [1, {2}, math.nan], 3: 4}).mistakes == (
        Mistake("payload.a", "tuple", "dict, list, str, int, float, bool or None"),
        Mistake("payload.b[1]", "set", "dict, list, str, int, float, bool or None"),
        Mistake("payload.b[2]", "nan", "a finite number; JSON has no other"),
        Mistake("payload", "key 3 (int)", "keys that are text"),
    )
    assert len(encode({"a": [()] * 100}).mistakes) == 10


def test_what_refers_to_itself_ends() -> None:
    ring: dict[str, Any] = {}
    ring["ring"] = ring
    assert encode(ring).mistakes[0].found == f"level {MAX_DEPTH + 1}"
    doubled: Any = ["x" * 10]
    for _ in range(90):
        doubled = [doubled, doubled]
    assert encode({"doubled": doubled}).mistakes[0].found == f"more than {MAX_BYTES} bytes"


def test_a_process_that_reads_shorter_numbers_writes_shorter_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.get_int_max_str_digits", lambda: 640)
    assert encode({"n": 10**639}).mistakes == ()
    assert encode({"n": 10**640}).mistakes[0].allowed == "at most 640 digits"
    monkeypatch.setattr("sys.get_int_max_str_digits", lambda: 0)
    assert encode({"n": 10**4300}).mistakes[0].allowed == "at most 4300 digits"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_reads_back_as_itself(value: float) -> None:
    text = encode({"f": value}).text
    assert "e" not in text
    read = json.loads(text)["f"]
    assert isinstance(read, float)
    assert read == value


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": [0]}, {"a": [False]}, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"b": 1}, False),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": {}}, {"a": []}, False),
        ({"a": None}, {"a": None}, True),
    ],
)
def test_the_same_as_json(one: object, other: object, expected: bool) -> None:
    assert same(one, other) is expected
