"""What a stack file may say: a mapping in, frozen dataclasses out, every mistake of the file at once.

One function is for others: `parse`. Values come as YAML scalars (read from the file) or as text (read from
Pulumi, which hands over every value as text); both are understood.
"""

from infraops_core.settings.docker import DockerSettings
from infraops_core.settings.every_stack import NAMESPACE, Environment, SchemaMode, Settings, Target
from infraops_core.settings.external import ExternalSettings, RolesFrom
from infraops_core.settings.local import LocalSettings
from infraops_core.settings.parsing import every_setting, parse, secret_settings

__all__ = [
    "NAMESPACE", "DockerSettings", "Environment", "ExternalSettings", "LocalSettings", "RolesFrom", "SchemaMode", "Settings", "Target",
    "every_setting", "parse", "secret_settings",
]  # fmt: skip
