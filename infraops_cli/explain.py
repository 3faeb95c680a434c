"""Failures of the engine that a user can mend, told in our words."""

import os
import re
from dataclasses import dataclass

from infraops_core.database_url import redact
from infraops_core.errors import UserError


@dataclass(frozen=True)
class Known:
    """A failure by what the engine says of it; `what` and `next` may name the stack as `{stack}`."""

    says: re.Pattern[str]
    what: str
    next: str

    def told(self, stack: str) -> UserError:
        return UserError(self.what.format(stack=stack), where=f"stack {stack}", next=self.next.format(stack=stack))


_WRONG_PASSPHRASE = Known(
    re.compile(r"incorrect passphrase"),
    "the passphrase at hand is not the one stack {stack} was encrypted with",
    "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the right one (docs/state.md)",
)
_KNOWN = (
    _WRONG_PASSPHRASE,
    Known(
        re.compile(r"passphrase must be set"),
        "the state of stack {stack} is encrypted, and no passphrase is at hand",
        "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE (docs/state.md)",
    ),
    Known(
        re.compile(r"is currently locked by"),
        "another run is at work on stack {stack}",
        "let it end; if it cannot, pulumi cancel --yes --stack {stack}",
    ),
    Known(
        re.compile(r"marked for protection|it is protected|protected from deletion"),
        "stack {stack} is protected: nothing was deleted",
        "put infraops:protect: false into Pulumi.{stack}.yaml, then: make up STACK={stack}, then again",
    ),
    Known(
        re.compile(r"unable to open bucket|could not list bucket|reading .*backend"),
        "the backend named by PULUMI_BACKEND_URL cannot be opened",
        "see whether it exists and may be read, or unset PULUMI_BACKEND_URL to keep the state in this checkout",
    ),
    Known(
        re.compile(r"update canceled|error reading from server: EOF|transport is closing"),
        "the run was cut off from outside",
        "run it again: it goes on from there",
    ),
    Known(
        re.compile(r"PULUMI_ACCESS_TOKEN|pulumi login|problem logging in"),
        "the backend named by PULUMI_BACKEND_URL wants a log-in, or is not there",
        "pulumi login, or unset PULUMI_BACKEND_URL to keep the state in this checkout",
    ),
)


def wrong_passphrase(stack: str) -> UserError:
    """The failure for secrets that the passphrase at hand does not decrypt."""
    return _WRONG_PASSPHRASE.told(stack)


def unusable_state(engine_text: str, stack: str) -> UserError:
    """The failure of a command that only reads or makes the state, with the engine's reason."""
    reason = next((line.strip() for line in engine_text.splitlines() if "error: " in line), "the engine gave no reason")
    return UserError(
        f"the engine cannot work with the state of stack {stack}: {redact(reason.partition('error: ')[2] or reason)}",
        where=redact(os.environ.get("PULUMI_BACKEND_URL", "")),
        next="see that PULUMI_BACKEND_URL and the passphrase variables are right, or unset them (docs/state.md)",
    )


def known(engine_text: str, stack: str) -> UserError | None:
    """The failure in our words, or `None` where it is none of those we know."""
    for failure in _KNOWN:
        if failure.says.search(engine_text):
            return failure.told(stack)
    return None
