"""The one class for what a user can mend, and the exit codes every command shares."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status means; the table for readers is docs/exit-codes.md."""

    DONE = 0
    USER_ERROR = 1
    FOUND_BAD = 2
    COULD_NOT_CHECK = 3
    BUG = 70
    INTERRUPTED = 130


class UserError(Exception):
    """A mistake or a condition that whoever runs the command can mend; printed without a traceback.

    :param what: the condition, in one sentence; never holds a password.
    :param where: file and key, host, or folder it was met at.
    :param next: the command or change that mends it.
    :param code: what a command that ends with it returns; a check that found something bad says so.
    """

    def __init__(self, what: str, *, where: str = "", next: str = "", code: ExitCode = ExitCode.USER_ERROR) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.next = next
        self.code = code

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.next:
            lines.append(f"  next:  {self.next}")
        return "\n".join(lines)
