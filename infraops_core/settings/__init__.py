"""What a stack file may say: a mapping in, frozen dataclasses out, every mistake of the file at once.

One function is for others: `parse`. Values come as YAML scalars (read from the file) or as text (read from
Pulumi, which hands over every value as text); both are understood.
"""

from infraops_core.settings.every_stack import NAMESPACE, Environment, SchemaMode, Settings, Target
from infraops_core.settings.local import LocalSettings
from infraops_core.settings.parsing import every_setting, parse

__all__ = ["NAMESPACE", "Environment", "LocalSettings", "SchemaMode", "Settings", "Target", "every_setting", "parse"]
