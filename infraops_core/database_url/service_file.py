"""Service files: connection parameters under a name, in a file beside the program.

Source: PostgreSQL documentation, "The Connection Service File": the user's file (PGSERVICEFILE, else ~/.pg_service.conf) before
the system's (pg_service.conf in PGSYSCONFDIR); a line a parameter, whose value goes to the end of the line as it is.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from infraops_core.database_url import keywords
from infraops_core.errors import UserError

_NAME = "pg_service.conf"


def read(service: str, environment: Mapping[str, str] | None = None) -> tuple[list[tuple[str, str]], str]:
    """The parameters of `service` with `FILE:LINE` of its header.

    :param environment: where PGSERVICEFILE, PGSYSCONFDIR and HOME are looked up; this process' unless given.
    :raises UserError: where no file has it, with the files looked at; for a mistake in it, with file and line.
    """
    files = _files(os.environ if environment is None else environment)
    for file in files:
        found = _section(file, service)
        if found is not None:
            return found
    looked_at = ", ".join(f"{file}{'' if file.is_file() else ' (not there)'}" for file in files)
    raise UserError(f"service {keywords.shortened(service)} is defined in no service file", where=looked_at,
                    next=f"add a section [NAME] to {files[0]}, or name another file in PGSERVICEFILE")  # fmt: skip


def _files(environment: Mapping[str, str]) -> list[Path]:
    own = environment.get("PGSERVICEFILE") or str(Path(environment.get("HOME") or Path.home()) / f".{_NAME}")
    system = environment.get("PGSYSCONFDIR") or "/etc/postgresql-common"  # where Debian's libpq looks; others are compiled otherwise
    return [Path(own), Path(system) / _NAME]


def _section(file: Path, service: str) -> tuple[list[tuple[str, str]], str] | None:
    header = ""
    pairs: list[tuple[str, str]] = []
    for number, raw in enumerate(_lines(file), 1):
        line = raw.strip()
        where = f"{file}:{number}"
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            if header:
                break
            header = where if line.startswith(f"[{service}]") else ""
        elif header:
            pairs.append(_pair(line, where, pairs))
    return (pairs, header) if header else None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split("\n")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"the service file can't be read: {said}", where=str(file), next="mend the file, or unset PGSERVICEFILE") from None


def _pair(line: str, where: str, before: list[tuple[str, str]]) -> tuple[str, str]:
    """One line; of a wrong one only the key is named, and only where it is one that was mistyped."""
    key, equals, value = line.partition("=")
    allowed = "a line is KEY=VALUE with one of libpq's keywords and no space around the ="
    if not equals or key != key.strip() or (not _is_known(key) and not keywords.suggestion(key)):
        raise _mistake(allowed, where)
    if key == "service":
        raise _mistake("a service can't refer to another service", where)
    if key in keywords.FOREIGN:
        raise _mistake(f"{key} is no keyword of libpq's, and its own programs refuse a service file that has it", where)
    if not _is_known(key):
        raise _mistake(keywords.unknown(key), where)
    if key in dict(before):
        raise _mistake(f"{key} is given twice", where)
    if key in keywords.KEYWORDS and (problem := keywords.problem(key, value)):
        raise _mistake(problem, where)
    return key, value


def _is_known(key: str) -> bool:
    return key in keywords.KEYWORDS or key in keywords.WHO_WHERE_WHAT or key == "service"


def _mistake(what: str, where: str) -> UserError:
    return UserError(what, where=where, next='see "The Connection Service File" in the documentation of PostgreSQL')
