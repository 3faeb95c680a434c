"""How a command ends: what a user reads, and the exit code a shell gets (docs/exit-codes.md is the table)."""

import shutil
import sys
import traceback
from collections.abc import Callable
from typing import Any

import typer

from infraops_core.errors import ExitCode, UserError

_SHELL_HAS_PULUMI = shutil.which("pulumi") is not None  # before any run of ours puts one on PATH


class Interrupted(Exception):
    """The user pressed Ctrl-C, and the engine has come to rest."""


class EngineFailed(Exception):
    """A run ended for a reason that is no user's mistake; holds the engine's own words."""


def code_of(command: Callable[[], Any]) -> int:
    """Run `command`, say how it ended, and return the exit code; a bug keeps its traceback."""
    try:
        code = command()
        if code == ExitCode.INTERRUPTED:  # typer has caught the Ctrl-C
            raise Interrupted
        return code if isinstance(code, int) else ExitCode.DONE
    except UserError as error:
        return _end(f"error: {error}{_way_to_pulumi(error)}", error.code)
    except typer.TyperException as error:
        _show(error)
        return ExitCode.USER_ERROR
    except typer.Abort:
        return _end("Stopped: nothing was changed", ExitCode.INTERRUPTED)
    except (Interrupted, KeyboardInterrupt):
        return _end("Interrupted: what was made is kept, and the same command goes on from there", ExitCode.INTERRUPTED)
    except EngineFailed as error:
        return _end(f"{error}\nThis is a bug, or the engine's own failure; the lines above are all it told.", ExitCode.BUG)
    except Exception:
        traceback.print_exc()
        return ExitCode.BUG


def _way_to_pulumi(error: UserError) -> str:
    """Where the next command is one of pulumi's, and the user's shell has none, how it gets one."""
    if "pulumi " not in error.next or _SHELL_HAS_PULUMI:
        return ""
    return '\n         (pulumi is there after: eval "$(.venv/bin/infraops engine env)")'


def _show(error: typer.TyperException) -> None:
    show = getattr(error, "show", None)  # usage errors bring their own, with the usage line
    if show is not None:
        show()
    else:
        _end(f"error: {error.format_message()}", ExitCode.USER_ERROR)


def _end(text: str, code: ExitCode) -> ExitCode:
    sys.stderr.write(text + "\n")
    return code
