"""What a check is, and what comes of one."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infraops_core.doctor.subject import Subject


class Verdict(StrEnum):
    """How a check ended."""

    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    FAIL = "fail"
    UNCHECKED = "unchecked"
    """It could not look, and says why."""


class Lane(Enum):
    """What checks share and so take turns at; different lanes run at the same time."""

    ENGINE = "the engine"
    FILE = "the stack's file"
    PLACE = "the way to the server"
    APP = "the app's connection"
    OWNER = "the owner's connection"
    READONLY = "the readonly role's connection"
    ADMIN = "the admin's connection"
    SCHEMA = "the migrations' own connection"
    HERE = "this machine"


@dataclass(frozen=True)
class Found:
    """What a check found, numbers with their units; for a warning or failure also the next command or change."""

    verdict: Verdict
    text: str
    next: str = ""


class Unchecked(Exception):
    """Why a check could not look."""


@dataclass(frozen=True)
class Check:
    """One line of the doctor.

    :param threshold: what has to hold for it to pass, in words.
    :param needs: checks that must not have failed; where one has, this one isn't tried.
    :param after: checks that must be over, whatever they found.
    :param is_way: whether its failure means that the database was never looked at.
    :param of_stack: whether it is about a stack, and left out where there is none.
    """

    id: str
    lane: Lane
    threshold: str
    run: "Callable[[Subject], Found]"
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    is_way: bool = False
    of_stack: bool = False


@dataclass(frozen=True)
class Result:
    """A check and what came of it; `is_late` where the time for all of them was up before it was done."""

    check: Check
    verdict: Verdict
    found: str
    next: str
    milliseconds: float
    is_late: bool = False


def passed(text: str) -> Found:
    """All is well."""
    return Found(Verdict.PASS, text)


def warned(text: str, following: str) -> Found:
    """It works, and somebody should look at it."""
    return Found(Verdict.WARN, text, following)


def failed(text: str, following: str) -> Found:
    """It is not as it must be."""
    return Found(Verdict.FAIL, text, following)
