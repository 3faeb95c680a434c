"""A healthy audit database that tests break and mend, and the doctor looking at it."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infraops_core import roles
from infraops_core.access import Access
from infraops_core.audit.chain.record import AUDIT_EVENTS
from infraops_core.doctor import run
from infraops_core.doctor.check import Result, Verdict
from infraops_core.doctor.checks import CHECKS
from infraops_core.doctor.subject import Role, Subject
from infraops_core.errors import ExitCode
from tests.fix_postgres import AuditDatabase, new_audit_database
from tests.infraops_core.audit.rows import append, apply_schema

ROLES = {Role.APP: roles.APP, Role.OWNER: roles.OWNER, Role.READONLY: roles.READONLY}


@dataclass(frozen=True)
class Seen:
    """What the doctor found, by check."""

    results: dict[str, Result]
    seconds: float

    def __getitem__(self, check: str) -> Result:
        return self.results[check]

    @property
    def wrong(self) -> dict[str, Verdict]:
        """The checks that did not pass, those that could not look left aside."""
        return {name: one.verdict for name, one in self.results.items() if one.verdict in (Verdict.WARN, Verdict.FAIL)}

    @property
    def code(self) -> ExitCode:
        return run.exit_code(list(self.results.values()))


Examine = Callable[..., Seen]


@dataclass(frozen=True)
class Patient:
    """The database, with one row of two tenants."""

    made: AuditDatabase

    def access(self, role: Role) -> Access:
        return self.made.server.access() if role is Role.ADMIN else self.made.access(ROLES[role])

    @property
    def variables(self) -> dict[str, str]:
        return {role.variable: self.access(role).url.with_password() for role in Role}

    def do(self, *statements: str) -> list[tuple[Any, ...]]:
        """As the superuser, in the database."""
        with self.made.server.access(database=roles.DATABASE).connect(seconds=30) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def patient() -> Iterator[Patient]:
    """One server for the tests of a module: who breaks it mends it."""
    with new_audit_database() as made:
        apply_schema(made.access(roles.OWNER))
        found = Patient(made)
        with made.server.access(database=roles.DATABASE).connect(seconds=30) as connection:
            connection.execute("alter role infraops_app connection limit 50")
            for tenant in ("default", "other"):
                append(connection, AUDIT_EVENTS, tenant, 3)
        yield found


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Examine:
    """All checks that need no stack, on what variables say; no line holds a password of theirs."""
    monkeypatch.setenv("INFRAOPS_STATE", str(tmp_path / "state"))

    def look(variables: Mapping[str, str], *, seconds: float = 30.0, **known: Any) -> Seen:
        subject = Subject(variables, None, seconds)
        for name, value in known.items():
            setattr(subject, name, value)
        began = time.monotonic()
        results = {one.check.id: one for one in run.run([check for check in CHECKS if not check.of_stack], subject)}
        seen = Seen(results, time.monotonic() - began)
        subject.close()
        for value in variables.values():
            password = value.rpartition("@")[0].rpartition(":")[2]
            assert not password or not [one for one in results.values() if password in one.found + one.next]
        return seen

    return look
