"""One key of a stack file."""

from dataclasses import dataclass
from typing import Any

from infraops_core.reading import Reader


@dataclass(frozen=True)
class Setting:
    """How a key is read, and what it is when absent.

    :param secret: whether the file holds it encrypted only; it is then read where Pulumi has decrypted it.
    """

    key: str
    field: str
    read: Reader
    default: Any = None
    required: bool = False
    secret: bool = False
