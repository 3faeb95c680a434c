"""Environment variables as they are meant: a value may stand in spaces, end with a line end or be in quotes."""

_QUOTES = ('"', "'")


def plain(text: str) -> str:
    """A value without the spaces, line ends and quotes around it."""
    bare = text.strip()
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in _QUOTES:
        return bare[1:-1].strip()
    return bare
