"""What a database demands of the connection's encryption, in libpq's words.

Source: PostgreSQL documentation, "SSL Support", section "Protection Provided in Different Modes".
"""

from enum import StrEnum

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
"""libpq's values of `sslmode`, from weakest to strongest."""


class Tls(StrEnum):
    """The weakest `sslmode` a target accepts."""

    DISABLE = "disable"
    REQUIRE = "require"
    VERIFY_FULL = "verify-full"

    def accepts(self, sslmode: str) -> bool:
        """Whether a URL with this `sslmode` is strong enough; an unknown mode never is."""
        return sslmode in MODES and MODES.index(sslmode) >= MODES.index(self)
