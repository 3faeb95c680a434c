"""How a command ends: its exit code, and what is on standard error."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from infraops_cli import exits
from infraops_cli.commands import app
from infraops_cli.exits import EngineFailed, Interrupted, code_of
from infraops_core.errors import ExitCode, UserError

COMMAND = Path(sys.executable).with_name("infraops")


def raising(error: BaseException) -> Callable[[], Any]:
    def command() -> None:
        raise error

    return command


def inside_typer(error: BaseException) -> Callable[[], Any]:
    """The error raised by a command of the kind the real ones are."""
    typed = typer.Typer(pretty_exceptions_enable=False)
    typed.command()(raising(error))
    return lambda: typed(args=[], standalone_mode=False)


@pytest.mark.parametrize("returned", [None, 0, "text", [], ExitCode.DONE])
def test_done(returned: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of(lambda: returned) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("code", ExitCode)
def test_a_command_may_say_its_code(code: ExitCode) -> None:
    assert code_of(lambda: code) == code
    assert code_of(lambda: int(code)) == code
    assert code_of(inside_typer(typer.Exit(code))) == code


@pytest.mark.parametrize("around", [raising, inside_typer])
@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (UserError("it is full", where="/data", next="make room"), 1, "error: it is full\n  where: /data\n  next:  make room\n"),
        (EngineFailed("error: plugin crashed"), 70, "error: plugin crashed\nThis is a bug, or the engine's own failure; "),
        (Interrupted(), 130, "Interrupted: what was made is kept"),
        (typer.Abort(), 130, "Stopped: nothing was changed\n"),
        (typer.BadParameter("no such form"), 1, "no such form"),
    ],
)
def test_each_end_has_its_code_and_its_words(
    around: Callable[[BaseException], Callable[[], Any]], error: BaseException, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(around(error)) == code
    out, told = capsys.readouterr()
    assert out == ""
    assert says in told
    assert "Traceback" not in told


@pytest.mark.parametrize("around", [raising, inside_typer])
@pytest.mark.parametrize("error", [ZeroDivisionError("division by zero"), KeyError("x"), ValueError("x"), RecursionError("deep")])
def test_a_bug_keeps_its_traceback(
    around: Callable[[BaseException], Callable[[], Any]], error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(around(error)) == 70
    told = capsys.readouterr().err
    assert told.startswith("Traceback (most recent call last):\n")
    assert f"{type(error).__name__}: " in told


@pytest.mark.parametrize("around", [raising, inside_typer])
def test_ctrl_c_is_no_bug(around: Callable[[BaseException], Callable[[], Any]], capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of(around(KeyboardInterrupt())) == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nope"],
        ["nope"],
        ["up", "one", "two"],
        ["up", "--force"],
        ["env", "--format", "xml"],
        ["engine", "nope"],
        ["down", "local"],
        ["up", "../other"],
        ["up", "no-such-stack"],
    ],
)
def test_a_mistake_on_the_command_line_is_a_user_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/null", encoding="utf-8") as nothing:  # noqa: PTH123  # no terminal to ask on
        monkeypatch.setattr(sys, "stdin", nothing)
        assert code_of(lambda: app(args=arguments, standalone_mode=False)) == 1
    out, told = capsys.readouterr()
    assert out == ""
    assert "rror: " in told
    assert "Traceback" not in told


@pytest.mark.parametrize("arguments", [["--help"], ["up", "--help"], ["engine", "env", "--help"]])
def test_help_is_no_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of(lambda: app(args=arguments, standalone_mode=False)) == 0
    assert "Usage:" in capsys.readouterr().out


def test_the_shell_gets_the_code() -> None:
    ran = subprocess.run([COMMAND, "up", "no-such-stack"], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith("error: there is no stack no-such-stack")


@pytest.mark.parametrize(
    ("has_pulumi", "next_command", "told"),
    [(False, "pulumi cancel --yes", True), (True, "pulumi cancel --yes", False), (False, "make up", False)],
)
def test_who_has_no_pulumi_is_told_how_to_get_the_next_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], has_pulumi: bool, next_command: str, told: bool
) -> None:
    def fail() -> None:
        raise UserError("it is locked", next=next_command, code=ExitCode.COULD_NOT_CHECK)

    monkeypatch.setattr(exits, "_SHELL_HAS_PULUMI", has_pulumi)
    assert exits.code_of(fail) == ExitCode.COULD_NOT_CHECK
    assert ('eval "$(.venv/bin/infraops engine env)"' in capsys.readouterr().err) == told
