"""What a user reads of a mistake, and the exit codes."""

import ast
import copy
import pickle

import pytest

from infraops_core import checkout
from infraops_core.errors import ExitCode, UserError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UserError("the port is taken"), "the port is taken"),
        (UserError("the port is taken", where="127.0.0.1:5432"), "the port is taken\n  where: 127.0.0.1:5432"),
        (UserError("the port is taken", next="make up"), "the port is taken\n  next:  make up"),
        (
            UserError("the port is taken", where="127.0.0.1:5432", next="make up"),
            "the port is taken\n  where: 127.0.0.1:5432\n  next:  make up",
        ),
        (UserError("two\nlines", where="here"), "two\nlines\n  where: here"),
    ],
)
def test_what_where_next_a_line_each(error: UserError, text: str) -> None:
    assert str(error) == text


def test_its_parts_can_be_read_one_by_one() -> None:
    error = UserError("what", where="where", next="next")
    assert (error.what, error.where, error.next) == ("what", "where", "next")


@pytest.mark.parametrize("again", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])  # noqa: S301
def test_it_survives_the_way_between_processes(again: "object") -> None:
    error = UserError("what", where="where", next="next")
    assert callable(again)
    assert str(again(error)) == str(error)


def test_the_exit_codes_are_those_of_the_table() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "DONE": 0,
        "USER_ERROR": 1,
        "FOUND_BAD": 2,
        "COULD_NOT_CHECK": 3,
        "BUG": 70,
        "INTERRUPTED": 130,
    }


def test_every_user_error_in_the_code_names_the_next_command() -> None:
    without = []
    for package in ("infraops_core", "infraops_cli", "stacks"):
        for path in (checkout.ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and getattr(node.func, "id", "") == "UserError"
                    and not any(k.arg == "next" for k in node.keywords)
                ):
                    without.append(f"{path.name}:{node.lineno}")
    assert without == []
