"""The engine's events, as the Automation API gives them, and what becomes of them."""

from io import StringIO
from typing import Any

import pytest
from pulumi.automation import EngineEvent
from rich.console import Console

from infraops_cli.engine.cli import HELPERS
from infraops_cli.events import Listener
from infraops_cli.progress import Progress
from infraops_core.errors import UserError

SECRET = "Sesam0effneDich"
SERVER = "urn:pulumi:local::infraops::pulumi-python:dynamic/infraops:Server$Server::server"
BUCKET = "urn:pulumi:local::infraops::aws:s3/bucket:Bucket::bucket"
TOLD = str(UserError("port 5433 is taken", where="127.0.0.1:5433", next="choose another"))


def heard(*events: dict[str, Any], terminal: bool = False) -> tuple[Listener, str]:
    """A listener that has heard these events, and what it has shown."""
    out = StringIO()
    progress = Progress(Console(file=out, force_terminal=terminal, highlight=False, soft_wrap=True, no_color=True))
    listener = Listener(progress)
    with progress.under_way("Up local"):
        for number, event in enumerate(events):
            listener(EngineEvent.from_json({"sequence": number, "timestamp": 1_795_000_000} | event))
    return listener, out.getvalue()


def said(severity: str, message: str) -> dict[str, Any]:
    return {"diagnosticEvent": {"severity": severity, "message": message, "color": "raw", "urn": SERVER}}


def step(op: str, urn: str = SERVER) -> dict[str, Any]:
    return {"resourcePreEvent": {"metadata": {"op": op, "urn": urn, "type": "x", "provider": "y"}}}


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (said("info", "Applied  one.sql in 3 ms\n"), "Applied  one.sql in 3 ms\n"),
        (said("info#err", "from the program's standard error"), "from the program's standard error\n"),
        (said("info", "<{%fg 1%}>red<{%reset%}> and \x1b[1;31mred\x1b[0m"), "red and red\n"),
        (said("info", "two\nlines\n\n"), "two\nlines\n"),
        (said("info", "[bold]:bug:[/x]"), "[bold]:bug:[/x]\n"),
        (said("info", " \n"), ""),
        (said("warning", "no value for a key"), "warning: no value for a key\n"),
        (said("warning", f"using pulumi-language-python from $PATH at {HELPERS}/pulumi-language-python"), ""),
        (said("debug", "for the engine's makers"), ""),
        (said("error", "told at the end"), ""),
        (step("create"), ""),
        ({"preludeEvent": {"config": {"infraops:target": "local"}}}, ""),
        ({"cancelEvent": {}}, ""),
        ({"stdoutEvent": {"message": "x", "color": "raw"}}, ""),
    ],
)
def test_what_a_user_reads_of_an_event(event: dict[str, Any], shown: str) -> None:
    assert heard(event)[1] == shown


@pytest.mark.parametrize(
    ("op", "doing"),
    [
        ("create", "Creating server"),
        ("update", "Updating server"),
        ("delete", "Deleting server"),
        ("replace", "Replacing server"),
        ("same", ""),
        ("read", ""),
        ("refresh", ""),
    ],
)
def test_a_terminal_shows_the_step_under_way(op: str, doing: str) -> None:
    assert (doing or "Up local") in heard(step(op), terminal=True)[1]


def test_the_summary_counts_the_changes() -> None:
    changes = {"create": 2, "same": 5}
    listener, _ = heard({"summaryEvent": {"maybeCorrupt": False, "durationSeconds": 1, "resourceChanges": changes, "PolicyPacks": {}}})
    assert listener.changes == changes


@pytest.mark.parametrize(
    "message",
    [
        TOLD,
        f"{TOLD}\n",
        f"Exception calling application: infraops_core.errors.UserError: {TOLD}",
        f"<{{%fg 1%}}>infraops_core.errors.UserError: {TOLD}<{{%reset%}}>\n",
        f"Traceback (most recent call last):\n  File x\ninfraops_core.errors.UserError: {TOLD}\n",
    ],
)
def test_a_users_mistake_is_told_without_the_engines_wrapping(message: str) -> None:
    listener, shown = heard(said("error", message), said("error", "update failed"))
    assert listener.user_errors() == [TOLD]
    assert shown == ""


def test_all_mistakes_are_kept_in_order() -> None:
    other = str(UserError("another", next="mend it"))
    listener, _ = heard(said("error", TOLD), said("error", "update failed"), said("error", other))
    assert listener.user_errors() == [TOLD, other]


def test_a_bug_is_no_users_mistake_and_keeps_all_its_words() -> None:
    bug = "Traceback (most recent call last):\n  File x\nZeroDivisionError: division by zero"
    listener, _ = heard(said("error", bug), said("error", "update failed"))
    assert listener.user_errors() == []
    assert listener.everything() == f"{bug}\nupdate failed"


def test_no_password_gets_into_a_report() -> None:
    listener, _ = heard(said("error", f"cannot reach postgresql://u:{SECRET}@h/db\nreally"), said("error", f"PGPASSWORD={SECRET} psql"))
    assert listener.everything() == "cannot reach postgresql://u:***@h/db\nreally\nPGPASSWORD=*** psql"


PENDING = """Attempting to deploy or update resources with 2 pending operations from previous deployment.
  * {}, interrupted while creating
  * {}, interrupted while updating
These resources are in an unknown state"""


@pytest.mark.parametrize(
    ("urns", "resumed", "warned"),
    [
        ((SERVER, SERVER), ["server", "server"], False),
        ((SERVER, BUCKET), ["server"], True),
        ((BUCKET, BUCKET), [], True),
    ],
)
def test_what_an_interrupted_run_had_begun(urns: tuple[str, str], resumed: list[str], warned: bool) -> None:
    listener, shown = heard(said("warning", PENDING.format(*urns)))
    assert listener.resumed == resumed
    assert ("Resuming  what an interrupted run had begun: server" in shown) == bool(resumed)
    assert ("warning: Attempting to deploy" in shown) == warned
