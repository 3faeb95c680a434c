"""Print `.env.example`."""

import sys

from infraops_core.environment import example

sys.stdout.write(example.text())
