"""Database URLs: build, parse, check against a TLS rule, show without the password.

For others: `parse`, `build`, `redact`, and `told` of what `parse` refused. What is read and what is refused: docs/database-url.md.
"""

from infraops_core.database_url.parsing import parse
from infraops_core.database_url.redaction import redact
from infraops_core.database_url.refusal import told
from infraops_core.database_url.url import DatabaseUrl, Place, build

__all__ = ["DatabaseUrl", "Place", "build", "parse", "redact", "told"]
