"""What our dynamic providers share: a user's mistake shows without a traceback, and a diff is by named properties."""

import functools
import sys
import threading
from collections.abc import Callable
from typing import Any, ClassVar, ParamSpec, TypeVar

from pulumi.dynamic import DiffResult, ResourceProvider

from infraops_core.errors import UserError

Properties = dict[str, Any]
_P = ParamSpec("_P")
_R = TypeVar("_R")


class Shim(ResourceProvider):
    """A stateless provider whose methods import what they need and delegate.

    `watched` names the properties that make a difference. They are in the outputs under the same names, because
    `diff` sees the old outputs; none of them is a secret.
    """

    serialize_as_secret_always = False  # nothing is captured: an importable class is pickled by reference
    watched: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        for name in ("check", "diff", "create", "read", "update", "delete"):
            if name in vars(cls):
                setattr(cls, name, _shows_user_errors_in_one_line(vars(cls)[name]))

    def diff(self, _id: str, olds: Properties, news: Properties) -> DiffResult:
        return DiffResult(changes=any(olds.get(name) != news.get(name) for name in self.watched))

    def kept(self, props: Properties) -> Properties:
        """The watched properties, for the outputs."""
        return {name: props.get(name) for name in self.watched}


class _Limit(threading.local):
    """What `traceback` takes for `sys.tracebacklimit`: no frames of the one exception a thread is about to show.

    The limit belongs to the process, and the SDK runs providers in several threads: a plain 0 would take the next
    bug's traceback too. Asking for the number uses the thread's 0 up.
    """

    hides = False

    def __index__(self) -> int:
        hides, self.hides = self.hides, False
        return 0 if hides else sys.maxsize

    def __lt__(self, other: int) -> bool:
        return False

    def __ge__(self, other: int) -> bool:
        return True


_LIMIT = _Limit()


def _shows_user_errors_in_one_line(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """The SDK sends `traceback.format_exc()` of whatever leaves a provider (pulumi.dynamic.__main__), and does it after
    the method has returned: all we can do is to leave it no frames to format."""

    @functools.wraps(method)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        hides = False
        try:
            return method(*args, **kwargs)
        except UserError as error:
            sys.tracebacklimit = _LIMIT  # type: ignore[assignment]  # not an int, but all that traceback asks of one
            hides = True
            raise error from None
        finally:
            _LIMIT.hides = hides

    return run
