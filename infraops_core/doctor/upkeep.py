"""Checks of what somebody has to see to now and then: passwords, backups, disk."""

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

from infraops_core.doctor.check import Found, Unchecked, passed, warned
from infraops_core.doctor.subject import Role, Subject
from infraops_core.errors import UserError
from infraops_core.migrations import snapshot
from infraops_core.settings import Environment

PASSWORD_DAYS = 90
BACKUP_DAYS = 7
FREE_SHARE = 0.10
FREE_BYTES = 2**30

_DAY = 24 * 3600


def passwords(subject: Subject) -> Found:
    """The stack's passwords are not old."""
    if subject.deployment is None:
        raise Unchecked("when they were made is known of a stack's only")
    made = {one.name: one for one in subject.deployment.of_type("Passwords")}
    ages = {name: (datetime.now(UTC) - one.created).total_seconds() / _DAY for name, one in made.items() if one.created}
    if not ages:
        raise Unchecked("the stack made none, or its state does not say when")
    oldest = max(ages, key=lambda name: ages[name])
    text = f"the oldest, {oldest}, is {ages[oldest]:.0f} days old"
    if ages[oldest] <= PASSWORD_DAYS:
        return passed(text)
    assert subject.stack is not None
    urns = " ".join(f"--replace '{made[name].urn}'" for name, age in ages.items() if age > PASSWORD_DAYS)
    return warned(text, f"pulumi up --stack {subject.stack.name} {urns}")


def backup(subject: Subject) -> Found:
    """In prod, a copy of the database was taken not long ago; a provider's own are not seen from here."""
    assert subject.provider is not None
    by_provider = subject.provider.facts.backups
    told = f"; {subject.provider.title} keeps: {by_provider}" if subject.provider.hosted and by_provider.source else ""
    folder = snapshot.folder_of(subject.way(Role.OWNER))
    newest = max((path.stat().st_mtime for path in folder.glob("*.dump")), default=None)
    if newest is None:
        text, is_old = f"no snapshot in {folder}", True
    else:
        days = max(0.0, time.time() - newest) / _DAY
        text, is_old = f"the newest snapshot is {days:.1f} days old", days > BACKUP_DAYS
    if is_old and subject.environment is Environment.PROD and not told:
        return warned(text, "take one: pg_dump --format=custom, or by whoever runs the server")
    return passed(text + told)


def disk(subject: Subject) -> Found:
    """The disk that the data are on has room."""
    folder = _data_folder(subject)
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        raise Unchecked(f"{folder} cannot be looked at: {error.strerror}") from None
    return of_disk(usage.free, usage.total, folder)


def of_disk(free: int, total: int, folder: Path) -> Found:
    """What there is to say of a file system's bytes."""
    text = f"{free / 2**30:.1f} GiB of {total / 2**30:.1f} GiB free ({free / total:.0%}) where {folder} is"
    if free < FREE_BYTES or free < FREE_SHARE * total:
        return warned(text, "free some space there before the server stops")
    return passed(text)


def _data_folder(subject: Subject) -> Path:
    deployment = subject.deployment
    if deployment is not None and deployment.data_folder is not None:
        return deployment.data_folder
    if deployment is not None and deployment.volume:
        return _mountpoint(deployment.volume)
    raise Unchecked("not known here: the data are not this machine's, or no stack says where")


def _mountpoint(volume: str) -> Path:
    """Where an engine on this machine has the volume; one in a virtual machine names a folder that is not here."""
    from infraops_core.servers.docker import endpoint, engine, volumes

    try:
        with engine.connected() as client:
            found = volumes.find(client, volume)
        if not endpoint.find().url.startswith("unix://"):
            raise Unchecked("not known here: the Docker engine is another machine's")
    except UserError as error:
        raise Unchecked(f"the Docker engine does not say: {error.what}") from None
    if found is None or not found.attrs.get("Mountpoint"):
        raise Unchecked(f"the Docker engine has no volume {volume}")
    return Path(found.attrs["Mountpoint"])
