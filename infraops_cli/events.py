"""From the engine's events to lines for a user, and to the errors that ended a run."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infraops_cli.engine.cli import HELPERS
from infraops_cli.progress import Progress
from infraops_core.database_url import redact

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent

_COLOUR = re.compile(r"<\{%[^%]*%\}>|\x1b\[[0-9;]*m")
_USER_ERROR = "infraops_core.errors.UserError: "
OURS = "pulumi-python:dynamic/infraops:"
"""What the URNs of our own resources have in their type."""

_PENDING = "pending operations from previous deployment"
_INTERRUPTED = re.compile(r"\* (urn:\S+), interrupted while")
_VERBS = {"create": "Creating", "update": "Updating", "delete": "Deleting", "replace": "Replacing"}


@dataclass
class Listener:
    """Shows events as they come, and keeps what an error message needs."""

    progress: Progress
    errors: list[str] = field(default_factory=list)
    changes: dict[str, int] = field(default_factory=dict)
    resumed: list[str] = field(default_factory=list)

    def __call__(self, event: "EngineEvent") -> None:
        if event.diagnostic_event is not None:
            self._diagnostic(event.diagnostic_event.severity, _COLOUR.sub("", event.diagnostic_event.message).strip("\n"))
        elif event.resource_pre_event is not None:
            metadata = event.resource_pre_event.metadata
            if verb := _VERBS.get(str(metadata.op.value)):
                self.progress.doing(f"{verb} {metadata.urn.rpartition('::')[2]}")
        elif event.summary_event is not None:
            self.changes = {str(getattr(op, "value", op)): count for op, count in event.summary_event.resource_changes.items()}

    def _diagnostic(self, severity: str, message: str) -> None:
        if not message.strip():
            return
        if severity == "error":
            self.errors.append(message)
        elif _PENDING in message:
            self._pending(message)
        elif severity == "warning" and str(HELPERS) not in message:  # the engine warns of every helper it finds on PATH
            self.progress.say(f"warning: {message}")
        elif severity.startswith("info"):
            self.progress.say(message)

    def _pending(self, message: str) -> None:
        interrupted = _INTERRUPTED.findall(message)
        self.resumed = [urn.rpartition("::")[2] for urn in interrupted if OURS in urn]
        if self.resumed:
            self.progress.say(f"Resuming  what an interrupted run had begun: {', '.join(self.resumed)}")
        if len(self.resumed) < len(interrupted):
            self.progress.say(f"warning: {message}")

    def user_errors(self) -> list[str]:
        """The messages of `UserError`s among the errors, without the engine's wrapping."""
        return [_unwrapped(error) for error in self.errors if _is_user_error(error)]

    def everything(self) -> str:
        """All errors as the engine told them, for a bug's report; no password gets past."""
        return redact("\n".join(self.errors))


def _is_user_error(message: str) -> bool:
    return _USER_ERROR in message or "\n  next:  " in message


def _unwrapped(message: str) -> str:
    return message.partition(_USER_ERROR)[2].strip() or message.strip()
