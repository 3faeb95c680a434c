"""Runs the measurements named, or all."""

import sys
from collections.abc import Callable

from benchmarks.audit import append, clients, listing, many, verification
from benchmarks.audit.place import Place, new_place

MEASUREMENTS: dict[str, Callable[[Place], None]] = {
    "append": append.measure,
    "clients": clients.measure,
    "many": many.measure,
    "list": listing.measure,
    "verify": verification.measure,
}


def main() -> None:
    names = sys.argv[1:] or list(MEASUREMENTS)
    if unknown := [name for name in names if name not in MEASUREMENTS]:
        sys.exit(f"there is no measurement {', '.join(unknown)}; there are: {', '.join(MEASUREMENTS)}")
    for name in names:
        with new_place() as place:
            MEASUREMENTS[name](place)


if __name__ == "__main__":
    main()
