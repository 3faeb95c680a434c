"""What `infraops doctor` does: choose what to look at, run the checks, print each line as it comes."""

import os
import sys
from collections.abc import Iterator

from infraops_cli import doctor_output
from infraops_core.doctor import run
from infraops_core.doctor.check import Check, Result
from infraops_core.doctor.checks import CHECKS
from infraops_core.doctor.subject import Role, Subject
from infraops_core.errors import ExitCode, UserError

SECONDS = 30.0
_LONGEST_SECONDS = 3600


def examine(stack: str, *, as_json: bool, seconds: float) -> ExitCode:
    """Look at the database of `stack`, or without one at that of the environment, and print what was found.

    :raises UserError: for a name that can be no stack's, and where nothing says which database.
    """
    if not 0 < seconds <= _LONGEST_SECONDS:
        raise UserError(f"{seconds:g} s is no time to check anything in", where="--timeout",
                        next=f"give some seconds, {_LONGEST_SECONDS} at most, as --timeout 30")  # fmt: skip
    checks, subject = _about(stack, seconds)
    try:
        results = _shown(run.run(checks, subject), stack, as_json=as_json)
    finally:
        subject.close()
    return run.exit_code(results)


def _about(stack: str, seconds: float) -> tuple[list[Check], Subject]:
    if stack:
        from infraops_cli.doctor_stack import CheckoutStack
        from infraops_core import checkout, stack_files

        stack_files.check_name(checkout.ROOT, stack)
        return list(CHECKS), Subject({}, CheckoutStack(stack), seconds)
    if not any(os.environ.get(name) for role in Role for name in role.variables):
        names = ", ".join(role.variable for role in Role)
        raise UserError("which database is not said", where=f"there is no stack, and none of {names} is set",
                        next="name a stack (infraops doctor local), or set one (infraops env STACK --direct prints a stack's)")  # fmt: skip
    return [check for check in CHECKS if not check.of_stack], Subject(dict(os.environ), None, seconds)


def _shown(results: Iterator[Result], stack: str, *, as_json: bool) -> list[Result]:
    if as_json:
        found = list(results)
        print(doctor_output.as_json(found, stack))
        return found
    lines = doctor_output.Lines(on_a_terminal=sys.stdout.isatty())
    return lines.show(results)
