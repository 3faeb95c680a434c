"""What has become of a data folder since it was recorded: in place, moved, or gone."""

from enum import Enum
from pathlib import Path

from infraops_core.errors import UserError
from infraops_core.servers.content import Content
from infraops_core.servers.embedded.folder import ServerFolder


class Move(Enum):
    """How the folder that is recorded and the one that is asked for relate."""

    NONE = "in place"
    FOLLOWED = "it was moved by hand, and is where it is asked for"
    GONE = "gone"


def look(recorded: Path, asked: Path) -> Move:
    """Compare the two; an existing folder is never given up for another path.

    :raises UserError: when the recorded folder exists and another is asked for.
    """
    if recorded == asked:
        return Move.NONE if asked.exists() else Move.GONE
    if recorded.exists():
        raise UserError(
            f"this stack's data are in {recorded}, and this run asks for {asked}: nothing moves or deletes them by itself",
            where=str(recorded),
            next="run with the INFRAOPS_STATE and the checkout it was made with, or stop the server and move the folder yourself",
        )
    return Move.FOLLOWED if ServerFolder(asked).content() is Content.COMPLETE else Move.GONE


def check_loss(folder: ServerFolder, stack: str, *, protected: bool) -> None:
    """Say that the data are gone; for a protected stack, refuse to begin again without them.

    :raises UserError: for a protected stack.
    """
    if protected:
        raise UserError(
            f"the data of the protected stack {stack} are gone",
            where=str(folder.data),
            next=f"bring them back (is a disk not mounted?), or say infraops:protect: false in Pulumi.{stack}.yaml to begin anew",
        )
    print(f"warning: {folder.data} is gone: an empty database will be made")
