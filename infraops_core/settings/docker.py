"""What the file of a stack of target `docker` may say besides."""

import re
from dataclasses import dataclass
from typing import Any

from infraops_core import reading
from infraops_core.settings.every_stack import Settings
from infraops_core.settings.setting import Setting

DEFAULT_MAJOR = 17

_UNITS = {"m": 2**20, "g": 2**30}
_LEAST_MEMORY = 128 * 2**20  # a new server takes some 100 MiB; with less it is ended before it answers
_MOST_MEMORY = 4096 * 2**30
_LEAST_CPUS, _MOST_CPUS = 0.05, 1024
# A name as Docker's reference grammar has it (github.com/distribution/reference, reference.go), without a digest.
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(rf"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?{_PART}(?:/{_PART})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_VOLUME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,99}")


@dataclass(frozen=True)
class DockerSettings(Settings):
    """A Postgres in a container of this machine's Docker engine.

    :param memory: bytes.
    """

    image: str | None
    digest: str | None
    port: int | None
    volume: str | None
    memory: int | None
    cpus: float | None


def _memory(value: Any) -> tuple[Any, str]:
    found = re.fullmatch(r"([1-9][0-9]{0,6})([mg])", value) if isinstance(value, str) else None
    amount = int(found[1]) * _UNITS[found[2]] if found else 0
    if not _LEAST_MEMORY <= amount <= _MOST_MEMORY:
        return None, "from 128m to 4096g: a whole number, then m (MiB) or g (GiB)"
    return amount, ""


def _cpus(value: Any) -> tuple[Any, str]:
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,2})?", text) or not _LEAST_CPUS <= float(text) <= _MOST_CPUS:
        return None, "a number from 0.05 to 1024, with at most two decimals"
    return float(text), ""


DOCKER = (
    Setting("image", "image", reading.pattern(_IMAGE, "an image's name and tag, such as postgres:17; a digest goes to infraops:digest")),
    Setting("digest", "digest", reading.pattern(_DIGEST, "sha256: and 64 hexadecimal digits")),
    Setting("port", "port", reading.integer(1024, 65535)),
    Setting("volume", "volume", reading.pattern(_VOLUME, "letters, digits, _ . -, from 2 to 100, the first a letter or digit")),
    Setting("memory", "memory", _memory),
    Setting("cpus", "cpus", _cpus),
)
