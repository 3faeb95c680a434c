"""What a data folder holds, wherever it is."""

from enum import Enum


class Content(Enum):
    """What a data folder turns out to be."""

    NOTHING = "nothing"
    COMPLETE = "complete"
    BROKEN = "broken"
