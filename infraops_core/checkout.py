"""Where this checkout is, and where it keeps what it makes.

The packages are installed in editable mode, so this file lies in the checkout it speaks of.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from infraops_core.quoting import plain

ROOT = Path(__file__).resolve().parents[1]
AUDIT_SCHEMA = ROOT / "audit-schema"
OWN_FOLDER = ROOT / ".infraops"


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder for Pulumi's state, the passphrase and local servers: `INFRAOPS_STATE`, or the checkout's own."""
    named = plain(environment.get("INFRAOPS_STATE", ""))
    return Path(named).absolute() if named else OWN_FOLDER
