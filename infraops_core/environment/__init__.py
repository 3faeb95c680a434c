"""The environment variables that say which database an application and our commands use: read, and checked against one another.

`read` is for others, `VARIABLES` is the table that it, the documentation and `.env.example` are made from.
"""

from infraops_core.environment.described import DatabaseEnvironment, read
from infraops_core.environment.variables import VARIABLES, Variable

__all__ = ["VARIABLES", "DatabaseEnvironment", "Variable", "read"]
