"""What squawk, a linter for Postgres' migrations, says: statements that block, break a running app or lose data.

It reads each up block alone, at the lines it has in its file, and knows whether the runner wraps it in a transaction.
"""

import json
import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infraops_core.errors import UserError
from infraops_core.migrations.files import Migration
from infraops_core.migrations.lint.findings import Finding, Level

_SECONDS = 60

EXCLUDED = {
    "require-lock-timeout": "the runner sets lock_timeout for every statement, and tries again when it strikes",
    "require-statement-timeout": "the runner bounds every run; an index on a large table may rightly take hours",
    "require-timeout-settings": "the two rules above in one, as older versions of squawk name it",
}
"""Rules that are off, and why. All others are as squawk has them by default."""

ERRORS = frozenset(
    {
        "syntax-error",
        # breaks the app that is running, or loses data
        "adding-required-field", "ban-drop-column", "ban-drop-database", "ban-drop-schema", "ban-drop-table", "ban-truncate-cascade",
        "changing-column-type", "renaming-column", "renaming-table",
        # blocks the app while it works
        "adding-field-with-default", "adding-foreign-key-constraint", "adding-not-nullable-field", "adding-serial-primary-key-field",
        "constraint-missing-not-valid", "disallowed-unique-constraint", "require-concurrent-index-creation",
        "require-concurrent-index-deletion", "require-concurrent-partition-detach", "require-concurrent-reindex",
        # cannot work as the runner runs it
        "ban-concurrent-index-creation-in-transaction", "ban-uncommitted-transaction", "transaction-nesting",
    }
)  # fmt: skip
"""Rules whose findings are errors; squawk itself calls nearly all of them warnings. The rest are about style."""


def check(migrations: Sequence[Migration], version: str) -> list[Finding]:
    """Squawk's findings in the up blocks of `migrations`.

    :param version: the Postgres they are for, such as "17.10".
    :raises UserError: when squawk is not there or does not work.
    """
    program = find()
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="infraops-squawk-") as folder:
        (Path(folder) / "squawk.toml").touch()  # an empty one: no other, of a folder above, is to change what is found
        for in_transaction in (True, False):
            files = {f"{number}.sql": one for number, one in enumerate(migrations) if one.up.transaction is in_transaction}
            for name, migration in files.items():
                (Path(folder) / name).write_text(_text(migration), encoding="utf-8", newline="\n")
            if files:
                options = ["--pg-version", version, *(["--assume-in-transaction"] if in_transaction else [])]
                found = _run(program, folder, [*options, "--reporter", "json", *files])
                findings += [_finding(files[Path(one["file"]).name], one) for one in found if one["rule_name"] not in EXCLUDED]
    return findings


def is_rule(name: str) -> bool:
    """Whether squawk has a rule of this name; squawk itself is asked.

    :raises UserError: when squawk is not there or does not work.
    """
    program = find()
    ran = _called([program, "--exclude", name, "--stdin-filepath", "none.sql"], None)
    return ran.returncode == 0


def find() -> str:
    """The program: of this Python's environment, else on PATH.

    :raises UserError: when it is in neither.
    """
    folder = sysconfig.get_path("scripts")
    beside = shutil.which("squawk", path=folder)
    found = beside or shutil.which("squawk")
    if found is None:
        raise UserError("the linter squawk is not installed", where=f"looked in {folder} and on PATH",
                        next="make setup installs it; or: pip install squawk-cli")  # fmt: skip
    return found


def _text(migration: Migration) -> str:
    """The block at its own lines, with squawk's own waivers (which give no reason) made to say nothing."""
    return "\n" * (migration.up.first_line - 1) + migration.up.sql.replace("squawk-ignore", "squawk_ignore")


def _run(program: str, folder: str, arguments: list[str]) -> list[dict[str, Any]]:
    ran = _called([program, "--config", "squawk.toml", *arguments], folder)
    if ran.returncode in (0, 1):  # 1 when it found something
        try:
            found: list[dict[str, Any]] = json.loads(ran.stdout)
        except ValueError:
            pass
        else:
            return found
    raise UserError(f"squawk failed: {(ran.stderr or ran.stdout).strip() or f'exit status {ran.returncode}'}", where=program,
                    next="install the version of requirements.lock: make setup")  # fmt: skip


def _called(command: list[str], folder: str | None) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=_SECONDS, check=False, input="",
                              env={name: value for name, value in os.environ.items() if not name.startswith("SQUAWK")})  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UserError(f"squawk did not end within {_SECONDS} s", where=command[0], next="run it again") from None
    except OSError as error:
        raise UserError(f"squawk cannot be run: {error.strerror}", where=command[0],
                        next="install the version of requirements.lock: make setup") from None  # fmt: skip


def _finding(migration: Migration, one: dict[str, Any]) -> Finding:
    """Squawk counts lines and columns from 0, and columns in bytes."""
    number, column = int(one["line"]), int(one["column"])
    lines = _text(migration).split("\n")
    line = lines[number].encode() if number < len(lines) else b""
    characters = len(line[:column].decode(errors="replace"))
    rule = str(one["rule_name"])
    level = Level.ERROR if rule in ERRORS else Level.WARNING
    return Finding(migration, number + 1, characters + 1, rule, level, _sentence(one["message"]), _sentence(one.get("help") or ""))


def _sentence(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
