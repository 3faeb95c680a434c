"""Our portability rules: apply migrations to a scratch server as their owner, and see what they leave that breaks one.

What a later statement mends again is no finding.
"""

from collections.abc import Sequence

from infraops_core import roles
from infraops_core.migrations.files import Migration
from infraops_core.migrations.lint.findings import Finding
from infraops_core.migrations.lint.rules import RULES
from infraops_core.migrations.lint.trial import Trial
from infraops_core.migrations.lint.waivers import finding_at, offset_of
from infraops_core.servers.scratch import Scratch

_SECONDS = 600


def check(migrations: Sequence[Migration], judged: Sequence[Migration], scratch: Scratch) -> list[Finding]:
    """What `judged`, the newest of `migrations`, leave behind that breaks a rule of ours.

    :param migrations: all of them, oldest first: the older ones are applied, but not judged again.
    """
    trial = Trial(scratch.admin, roles.DATABASE, list(judged))
    with scratch.owner().connect(seconds=_SECONDS) as connection:
        trial.run(connection, migrations)
    return trial.refused + _standing(trial)


def _standing(trial: Trial) -> list[Finding]:
    """What the catalogs said at the end, each at the statement that brought it, and not again what was told there before."""
    told = {(one.rule, one.migration.version, offset_of(one)) for one in trial.refused}
    return [
        finding_at(migration, start, rule, f"{subject}: {RULES[rule].why}")
        for (rule, subject), (migration, start) in trial.brought.items()
        if (rule, migration.version, start) not in told
    ]
