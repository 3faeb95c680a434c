"""The entry point of the `infraops` command."""

import sys

from infraops_cli.commands import app
from infraops_cli.exits import code_of


def main() -> None:
    """Run the command line and leave with one of the documented exit codes."""
    sys.exit(code_of(lambda: app(standalone_mode=False)))
