"""What `infraops migrate status` and `infraops migrate verify` show."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from infraops_core.wording import counted

if TYPE_CHECKING:
    from infraops_core.migrations.findings import Finding
    from infraops_core.migrations.status import Status

_DONE = ("applied", "edited", "file missing")


def table(statuses: "Sequence[Status]", endpoint: str) -> str:
    """A line a migration, and the sum."""
    width = max((len(_name(status)) for status in statuses), default=0)
    lines = [f"{status.state.capitalize():<13} {_name(status):<{width}}  {_how(status)}".rstrip() for status in statuses]
    applied = sum(status.state in _DONE for status in statuses)
    return "\n".join([*lines, f"{applied} of {counted(len(statuses), 'migration')} applied in {endpoint}"])


def as_json(statuses: "Sequence[Status]") -> str:
    """The same as a list of objects; what is not known is null."""
    return json.dumps([asdict(status) for status in statuses], indent=2, default=_plain)


def verified(findings: "Sequence[Finding]", count: int, endpoint: str) -> str:
    """A line a finding, what mends them once for all alike, and the sum.

    :param count: how many migrations have a file.
    """
    width = max((len(_name(finding)) for finding in findings), default=0)
    lines = [f"{'Found' if finding.is_bad else 'Unknown':<9} {_name(finding):<{width}}  {finding.what}" for finding in findings]
    lines += [f"next      {then}" for then in dict.fromkeys(finding.next for finding in findings)]
    bad = sum(finding.is_bad for finding in findings)
    unknown = len(findings) - bad
    if bad:
        told = f"{bad} not as the files say"
    elif unknown:
        told = f"all applied; {unknown} could not be compared with {'its file' if unknown == 1 else 'their files'}"
    else:
        told = "all applied, and as their files are"
    return "\n".join([*lines, f"Verified  {counted(count, 'migration')} in {endpoint}: {told}"])


def _name(migration: "Status | Finding") -> str:
    return migration.file or f"{migration.version} (no file)"


def _how(status: "Status") -> str:
    parts = []
    if status.applied_at is not None:
        parts.append(status.applied_at.astimezone().isoformat(sep=" ", timespec="seconds"))
    if status.milliseconds is not None:
        parts.append(f"{status.milliseconds:.0f} ms")
    if status.applied_by:
        parts.append(f"by {status.applied_by}")
    if status.under_way is not None:
        parts.append(f"at statement {status.under_way.statement} of {status.under_way.statements}")
    if status.state == "applied" and not status.is_checksum_known:
        parts.append("by another tool, without a checksum")
    return ", ".join(parts)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
