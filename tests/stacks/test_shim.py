"""What the SDK shows of an exception that leaves a provider: it sends `traceback.format_exc()`."""

import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from pulumi.dynamic import CreateResult, ResourceProvider

from infraops_core.errors import UserError
from stacks.resources.shim import Properties, Shim

MISTAKE = UserError("the disk is full", where="/data", next="free some space")
SHOWN = f"infraops_core.errors.UserError: {MISTAKE}\n"


class Provider(Shim):
    watched = ("size", "color")

    def create(self, props: Properties) -> CreateResult:
        match props["ends"]:
            case "well":
                return CreateResult(id_="1", outs=self.kept(props))
            case "mistake":
                raise UserError(MISTAKE.what, where=MISTAKE.where, next=MISTAKE.next)
            case "explained mistake":
                try:
                    open("/nowhere/file")  # noqa: PTH123, SIM115
                except OSError as error:
                    raise UserError(MISTAKE.what, where=MISTAKE.where, next=MISTAKE.next) from error
            case "mistake on the way to a bug":
                try:
                    self.create({"ends": "mistake"})
                except UserError:
                    raise RuntimeError("a bug") from None
        raise RuntimeError("a bug")


@pytest.fixture(autouse=True)
def _leave_no_limit() -> Iterator[None]:
    yield
    if hasattr(sys, "tracebacklimit"):
        del sys.tracebacklimit


def shown(ends: str) -> str:
    """What the SDK's `_abort_with_traceback` would send."""
    provider: ResourceProvider = Provider()
    try:
        provider.create({"ends": ends})
    except Exception:  # as the SDK does
        return traceback.format_exc()
    return ""


def is_whole(text: str) -> bool:
    return text.startswith("Traceback (most recent call last):\n") and "in create" in text and text.endswith("RuntimeError: a bug\n")


@pytest.mark.parametrize("ends", ["mistake", "explained mistake"])
def test_a_mistake_shows_its_own_lines_only(ends: str) -> None:
    assert shown(ends) == SHOWN


@pytest.mark.parametrize("before", ["well", "mistake", "explained mistake", "bug"])
@pytest.mark.parametrize("ends", ["bug", "mistake on the way to a bug"])
def test_a_bug_keeps_its_traceback(before: str, ends: str) -> None:
    shown(before)
    assert is_whole(shown(ends))


def test_a_mistake_after_a_bug_shows_its_own_lines_only() -> None:
    assert is_whole(shown("bug"))
    assert shown("mistake") == SHOWN


def test_a_bug_outside_of_our_methods_keeps_its_traceback() -> None:
    """In the SDK's own code, after a method of ours that caught a mistake, or after a mistake nobody formatted."""
    with pytest.raises(UserError):
        Provider().create({"ends": "mistake"})
    assert Provider().create({"ends": "well", "size": 1}).outs == {"size": 1, "color": None}
    try:
        raise RuntimeError("a bug")
    except RuntimeError:
        assert traceback.format_exc().startswith("Traceback")


def test_threads_do_not_disturb_each_other() -> None:
    """Each waits for the other between the raise and the formatting, which is where one could take the other's limit."""
    both = Barrier(2, timeout=10)

    def shown_late(ends: str) -> str:
        try:
            Provider().create({"ends": ends})
        except Exception:
            both.wait()
            text = traceback.format_exc()
            both.wait()
            return text
        return ""

    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            mistake, bug = pool.map(shown_late, ["mistake", "bug"])
            assert mistake == SHOWN
            assert is_whole(bug)


def test_a_difference_is_one_of_the_watched_properties() -> None:
    olds = {"size": 1, "color": "red", "password": "a"}
    assert Provider().diff("1", olds, {"size": 1, "color": "red", "password": "b"}).changes is False
    assert Provider().diff("1", olds, {"size": 2, "color": "red"}).changes is True
    assert Provider().diff("1", olds, {"size": 1}).changes is True
