"""What the file of a stack of target `local` may say besides."""

from dataclasses import dataclass
from pathlib import Path

from infraops_core import reading
from infraops_core.settings.every_stack import Settings
from infraops_core.settings.setting import Setting


@dataclass(frozen=True)
class LocalSettings(Settings):
    """An embedded Postgres on this machine."""

    port: int | None
    postgres_bin: Path | None


LOCAL = (
    Setting("port", "port", reading.integer(1024, 65535)),
    Setting("postgresBin", "postgres_bin", reading.absolute_path),
)
