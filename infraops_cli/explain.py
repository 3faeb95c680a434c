"""Failures of the engine that a user can mend, told in our words."""

import re
from dataclasses import dataclass

from infraops_core.errors import UserError


@dataclass(frozen=True)
class Known:
    """A failure by what the engine says of it; `what` and `next` may name the stack as `{stack}`."""

    says: re.Pattern[str]
    what: str
    next: str


_KNOWN = (
    Known(
        re.compile(r"incorrect passphrase"),
        "the passphrase at hand is not the one stack {stack} was encrypted with",
        "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the right one (docs/state.md)",
    ),
    Known(
        re.compile(r"passphrase must be set|PULUMI_CONFIG_PASSPHRASE"),
        "the state of stack {stack} is encrypted, and no passphrase is at hand",
        "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE (docs/state.md)",
    ),
    Known(
        re.compile(r"is currently locked by"),
        "another run is at work on stack {stack}",
        "let it end; if it cannot, pulumi cancel --yes --stack {stack}",
    ),
    Known(
        re.compile(r"is protected|because it is protected|protected from deletion"),
        "stack {stack} is protected: nothing was deleted",
        "put infraops:protect: false into Pulumi.{stack}.yaml, then: make up STACK={stack}, then again",
    ),
    Known(
        re.compile(r"unable to open bucket|could not list bucket|reading .*backend"),
        "the backend named by PULUMI_BACKEND_URL cannot be opened",
        "see whether it exists and may be read, or unset PULUMI_BACKEND_URL to keep the state in this checkout",
    ),
    Known(
        re.compile(r"PULUMI_ACCESS_TOKEN|pulumi login|problem logging in"),
        "the backend named by PULUMI_BACKEND_URL wants a log-in",
        "pulumi login, or unset PULUMI_BACKEND_URL to keep the state in this checkout",
    ),
)


def known(engine_text: str, stack: str) -> UserError | None:
    """The failure in our words, or `None` where it is none of those we know."""
    for failure in _KNOWN:
        if failure.says.search(engine_text):
            return UserError(failure.what.format(stack=stack), where=f"stack {stack}", next=failure.next.format(stack=stack))
    return None
