"""Runs of the Pulumi program: prepare a stack, update it, destroy it, read its outputs. By the Automation API."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar
from urllib.parse import unquote

import psutil
from pulumi import automation

from infraops_cli import explain, extras, locks, stack_copy
from infraops_cli.engine import environment, setup
from infraops_cli.events import OURS, Listener
from infraops_cli.exits import EngineFailed, Interrupted
from infraops_cli.progress import Progress, elapsed_since
from infraops_core import checkout, stack_files
from infraops_core.database_url import redact
from infraops_core.errors import UserError

Outputs = dict[str, Any]
_R = TypeVar("_R")
_EXTERNAL = "ExternalDatabase"
_IN_A_DATABASE = {"Passwords", "Roles", "Schema", "SmokeTest"}


@dataclass(frozen=True)
class Prepared:
    """A stack that is there, its engine ready, and the copy of its file that the engine writes into."""

    name: str
    stack: automation.Stack
    config_file: Path


def prepare(name: str, progress: Progress) -> Prepared:
    """Check the stack's file, have the packages and the engine it needs, make the stack if it is new.

    :raises UserError: for a mistake in the file, an engine that can't be had, a stack that another run holds.
    """
    settings = stack_files.read(checkout.ROOT, name)
    extras.ensure(settings.target, progress.say)
    return _opened(name, progress)


def begun(name: str, progress: Progress) -> Prepared:
    """A stack, made if it is new, whatever its file lacks: for what is yet to be put into the file.

    :raises UserError: for a stack without a file, an engine that can't be had, a stack that another run holds.
    """
    stack_files.config(checkout.ROOT, name)
    return _opened(name, progress)


def existing(name: str, progress: Progress) -> Prepared:
    """A stack that is there already, whatever its file says now: a wrong file keeps nobody from a destroy.

    :raises UserError: for an engine that can't be had, a stack that does not exist or that another run holds.
    """
    stack_files.check_name(checkout.ROOT, name)
    return _opened(name, progress, make=False)


def _opened(name: str, progress: Progress, *, make: bool = True) -> Prepared:
    with progress.under_way("Pulumi engine"):
        variables = environment.variables(setup.ready(progress.say))
    os.environ.update(variables)
    backend = os.environ["PULUMI_BACKEND_URL"]
    if backend != environment.own_backend():
        progress.say(f"Using     the state at {redact(backend)}, as PULUMI_BACKEND_URL says")
    if backend.startswith("file://"):
        for line in locks.clear_dead(Path(unquote(backend.removeprefix("file://"))), name):
            progress.say(line)
    config_file = stack_copy.refresh(checkout.ROOT, checkout.state_folder() / "stack-files", name)
    with _told(name):
        return Prepared(name, _open(name, config_file.parent, make=make), config_file)


def up(prepared: Prepared, progress: Progress) -> Outputs:
    """Update the stack and return its outputs."""

    def run(listener: Listener) -> Outputs:
        file = str(prepared.config_file)
        result = prepared.stack.up(on_event=listener, config_file=file, suppress_outputs=True, show_secrets=False)
        return {name: output.value for name, output in result.outputs.items()}

    return _run("Up", prepared, progress, run)


def destroy(prepared: Prepared, progress: Progress) -> None:
    """Destroy what the stack has made; the stack stays, empty, with its history."""

    def run(listener: Listener) -> None:
        prepared.stack.destroy(on_event=listener, config_file=str(prepared.config_file), show_secrets=False)

    _run("Down", prepared, progress, run)


def keeps_the_database(prepared: Prepared) -> bool:
    """Whether a destroy leaves the database as it is, since all that the stack has made is in one that is not its own."""
    with _told(prepared.name):
        resources = (prepared.stack.export_stack().deployment or {}).get("resources") or []
    kinds = {str(resource["type"]).removeprefix(OURS).partition(":")[0] for resource in resources if resource["type"].startswith(OURS)}
    others = [resource for resource in resources if not resource["type"].startswith((OURS, "pulumi:"))]
    return _EXTERNAL in kinds and kinds <= _IN_A_DATABASE | {_EXTERNAL} and not others


def outputs(prepared: Prepared) -> Outputs:
    """What the stack's last update exported, secrets in clear.

    :raises UserError: when it has exported nothing yet.
    """
    with _told(prepared.name):
        exported = prepared.stack.outputs()
    if not exported:
        raise _not_up(prepared.name)
    if any(output.secret and output.value is None for output in exported.values()):  # how older CLIs tell what they can't decrypt
        raise explain.wrong_passphrase(prepared.name)
    return {name: output.value for name, output in exported.items()}


def _not_up(name: str) -> UserError:
    return UserError(f"stack {name} has no outputs: it is not up", where=f"Pulumi.{name}.yaml", next=f"make up STACK={name}")


def _open(name: str, scratch: Path, *, make: bool) -> automation.Stack:
    """The stack, made if the backend has none of that name; what making one writes goes to `scratch`."""
    workspace = automation.LocalWorkspace(work_dir=str(checkout.ROOT))
    try:
        return automation.Stack.select(name, workspace)
    except automation.StackNotFoundError:
        if not make:
            raise _not_up(name) from None
    automation.LocalWorkspace(work_dir=str(scratch), pulumi_command=workspace.pulumi_command).create_stack(name)
    return automation.Stack.select(name, workspace)


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Tell a failure of the engine outside of a run in our words."""
    try:
        yield
    except automation.CommandError as error:
        raise explain.known(str(error), name) or explain.unusable_state(str(error), name) from None


def _run(verb: str, prepared: Prepared, progress: Progress, run: Callable[[Listener], _R]) -> _R:
    listener = Listener(progress)
    started = time.perf_counter()
    with _interrupt_noted(progress) as interrupted, progress.under_way(f"{verb} {prepared.name}"):
        try:
            value = run(listener)
        except automation.CommandError as error:
            if interrupted:
                raise Interrupted from None
            raise _explained(listener, error, prepared.name) from None
    if listener.resumed:
        with _told(prepared.name):
            _forget_pending(prepared.stack)
    changes = ", ".join(f"{count} {op}" for op, count in sorted(listener.changes.items()))
    progress.say(f"{verb:<8}  {changes or 'nothing to do'} in {elapsed_since(started)}")
    return value


def _forget_pending(stack: automation.Stack) -> None:
    """Take the operations that a killed run left open out of the state, now that a whole run has followed.

    The engine keeps them until an interactive refresh, since it cannot know whether they happened. Our own resources
    make whole what they find half made, so a run that succeeded has settled them; a cloud's are left for the refresh.
    """
    state = stack.export_stack()
    deployment = dict(state.deployment or {})
    pending = deployment.get("pending_operations") or []
    deployment["pending_operations"] = [operation for operation in pending if OURS not in operation["resource"]["urn"]]
    stack.import_stack(automation.Deployment(version=state.version, deployment=deployment))


@contextmanager
def _interrupt_noted(progress: Progress) -> Iterator[list[int]]:
    """Let the engine, which Ctrl-C reaches too, come to rest by itself; a list that is no longer empty says it was pressed."""
    pressed: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        pressed.append(number)
        progress.say("Interrupted: letting the engine end what it has begun; once more stops it at once")

    def pass_on(number: int, frame: FrameType | None) -> None:
        """A terminal's Ctrl-C reaches the engine by itself; a SIGTERM is for us alone."""
        note(number, frame)
        for child in psutil.Process().children():
            child.send_signal(signal.SIGINT)

    before = [(number, signal.signal(number, handler)) for number, handler in ((signal.SIGINT, note), (signal.SIGTERM, pass_on))]
    try:
        yield pressed
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _explained(listener: Listener, error: automation.CommandError, stack: str) -> Exception:
    mistakes = listener.user_errors()
    if mistakes:
        return UserError("\n".join(mistakes), next="")  # each has said its own
    return explain.known(listener.everything() + str(error), stack) or EngineFailed(listener.everything() or redact(str(error)))
