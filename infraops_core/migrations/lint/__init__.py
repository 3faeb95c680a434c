"""Check migrations before they go anywhere: squawk's rules, our portability rules, and waivers of both.

`check` is for others. docs/migrations-rules.md has every rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from infraops_core.migrations.files import Migration
from infraops_core.migrations.lint import portability, squawk, waivers
from infraops_core.migrations.lint.findings import Finding, in_order
from infraops_core.servers import scratch
from infraops_core.servers.embedded.binaries import Binaries


@dataclass(frozen=True)
class Checked:
    """What was found, and what of it the files let through; each in the order of the files."""

    findings: list[Finding]
    waived: list[Finding]


def check(migrations: Sequence[Migration], judged: Sequence[Migration], binaries: Binaries) -> Checked:
    """The findings in `judged`, which are among `migrations`.

    :param migrations: all of them, oldest first, for the later build on the earlier.
    :param binaries: Postgres' programs, of the version that the database runs.
    :raises UserError: when squawk is not there, or no scratch server can be made.
    """
    if not judged:
        return Checked([], [])
    found = squawk.check(judged, binaries.version)
    with scratch.server(binaries) as server:
        found += portability.check(migrations, judged, server)
    stay: list[Finding] = []
    waived: list[Finding] = []
    for migration in judged:
        read, wrong = waivers.read(migration)
        of_it = [finding for finding in found if finding.migration is migration]
        kept, let_through = waivers.judge(migration, of_it, read, squawk.is_rule)
        stay += [*kept, *wrong]
        waived += let_through
    return Checked(in_order(stay), in_order(waived))
