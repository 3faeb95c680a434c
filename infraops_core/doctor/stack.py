"""Checks of a stack: the engine, the backend, the passphrase, its file, and whether it is up."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from infraops_core.doctor.check import Found, Unchecked, failed, passed
from infraops_core.doctor.deployment import Deployment
from infraops_core.errors import UserError
from infraops_core.settings import Settings
from infraops_core.wording import counted

if TYPE_CHECKING:
    from infraops_core.doctor.subject import Subject

BACKEND, PASSPHRASE, UP = "backend.opens", "backend.passphrase", "stack.up"


@dataclass(frozen=True)
class Reading:
    """A stack's state, or the check that failed on the way to it, and why."""

    deployment: Deployment | None = None
    failed: str = ""
    why: UserError | None = None


class StackSource(Protocol):
    """Where a stack can be looked at; it changes nothing, and makes no engine where there is none."""

    @property
    def name(self) -> str:
        """The stack's."""
        ...

    def engine(self, seconds: float) -> str:
        """Which engine there is.

        :raises UserError: where there is none, or none that will do.
        """
        ...

    def backend(self) -> str:
        """Where its state is, without a password."""
        ...

    def read(self, seconds: float) -> Reading:
        """The state as it is now."""
        ...

    def settings(self) -> Settings:
        """What its file says.

        :raises UserError: where that is wrong.
        """
        ...


def engine(subject: "Subject") -> Found:
    """An engine that can run this project."""
    return passed(_source(subject).engine(subject.within(subject.seconds)))


def backend(subject: "Subject") -> Found:
    """The state can be opened."""
    source = _source(subject)
    reading = source.read(subject.within(subject.seconds))
    subject.reading = reading
    if reading.failed == BACKEND:
        return _why(reading)
    return passed(source.backend())


def passphrase(subject: "Subject") -> Found:
    """The secrets of the state can be read with the passphrase at hand."""
    reading = subject.reading
    if reading.failed == PASSPHRASE:
        return _why(reading)
    if reading.failed:
        raise Unchecked(f"{reading.failed} failed")
    return passed("the secrets of the state are readable")


def up(subject: "Subject") -> Found:
    """The stack is there and has outputs, which say where its database is."""
    reading, source = subject.reading, _source(subject)
    if reading.failed == UP:
        return _why(reading)
    if reading.failed:
        raise Unchecked(f"{reading.failed} failed")
    assert reading.deployment is not None
    if not reading.deployment.outputs:
        return failed(f"stack {source.name} has no outputs: it is not up", f"infraops up {source.name}")
    subject.deployment = reading.deployment
    subject.variables = {name: str(value) for name, value in reading.deployment.outputs.items() if value is not None}
    return passed(f"{counted(len(reading.deployment.resources), 'resource')} of ours")


def file(subject: "Subject") -> Found:
    """The stack's file says nothing that is wrong."""
    subject.settings = _source(subject).settings()
    settings = subject.settings
    return passed(f"Pulumi.{settings.stack}.yaml: target {settings.target}, {settings.environment}")


def _source(subject: "Subject") -> StackSource:
    assert subject.stack is not None, "checks of a stack are left out where there is none"
    return subject.stack


def _why(reading: Reading) -> Found:
    assert reading.why is not None
    return failed(reading.why.what, reading.why.next)
