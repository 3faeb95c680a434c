"""How often a test repeats itself: a few times each time, and many times in `make test-full`."""

import os


def times(usual: int, campaign: int) -> int:
    """`campaign` in `make test-full`, else `usual`."""
    return campaign if os.environ.get("TEST_CAMPAIGN") else usual
