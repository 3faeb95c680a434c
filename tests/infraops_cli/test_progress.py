"""What a user sees while work goes on."""

import time
from io import StringIO

import pytest
from rich.console import Console

from infraops_cli.progress import Progress, elapsed_since, result


def on(terminal: bool, width: int = 60) -> tuple[Progress, StringIO]:
    out = StringIO()
    return Progress(Console(file=out, force_terminal=terminal, highlight=False, soft_wrap=True, width=width, no_color=True)), out


LINES = [
    "Applied   20261122000001_audit.sql in 12 ms",
    "",
    "[bold]x[/bold]",
    "[/x]",
    "urn:key:bug: postgresql://u:***@h/db",
    "C:\\x",
    "über 日本",
    "x" * 200,
    "two\nlines",
]


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("line", LINES)
def test_a_line_is_shown_as_it_is(line: str, terminal: bool) -> None:
    progress, out = on(terminal)
    progress.say(line)
    assert out.getvalue() == f"{line}\n"


def test_lines_go_to_standard_error_and_results_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    Progress().say("working")
    result("the result")
    assert capsys.readouterr() == ("the result\n", "working\n")


@pytest.mark.parametrize(("text", "written"), [("x", "x\n"), ("x\n", "x\n"), ("", "\n"), ("a\nb", "a\nb\n")])
def test_a_result_ends_with_one_line_end(text: str, written: str, capsys: pytest.CaptureFixture[str]) -> None:
    result(text)
    assert capsys.readouterr().out == written


def test_where_there_is_no_terminal_only_lines_are_shown() -> None:
    progress, out = on(terminal=False)
    with progress.under_way("Up local"):
        progress.doing("Creating server")
        progress.say("Started   server")
    assert out.getvalue() == "Started   server\n"


@pytest.mark.parametrize("doing", [[], ["Creating server"], ["Creating server", "Creating [/roles] :bug:"]])
def test_a_terminal_shows_what_is_under_way_below_the_lines(doing: list[str]) -> None:
    progress, out = on(terminal=True)
    with progress.under_way("Up [/local] :bug:"):
        for what in doing:
            progress.doing(what)
        progress.say("Started   server")
    line, _, below = out.getvalue().partition("\n")
    assert line.endswith("Started   server")
    assert ["Up [/local] :bug:", *doing][-1] in below


@pytest.mark.parametrize("terminal", [True, False])
def test_what_is_done_when_nothing_is_under_way_is_not_shown(terminal: bool) -> None:
    progress, out = on(terminal)
    progress.doing("before")
    with pytest.raises(ZeroDivisionError), progress.under_way("Up local"):
        raise ZeroDivisionError
    shown = out.getvalue()
    progress.doing("after")
    with progress.under_way("Up again"):
        pass
    assert "before" not in out.getvalue()
    assert "after" not in out.getvalue().removeprefix(shown)


def test_elapsed_time_has_its_unit() -> None:
    number, _, unit = elapsed_since(time.perf_counter() - 1.25).partition(" ")
    assert unit == "s"
    assert 1.2 <= float(number) < 60
    assert len(number.partition(".")[2]) == 1
