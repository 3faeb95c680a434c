"""What a database demands of the connection's encryption, in libpq's words.

Source: PostgreSQL documentation, "SSL Support", section "Protection Provided in Different Modes".
"""

from enum import StrEnum

_STRENGTH = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]


class Tls(StrEnum):
    """The weakest `sslmode` a target accepts."""

    DISABLE = "disable"
    REQUIRE = "require"
    VERIFY_FULL = "verify-full"

    def accepts(self, sslmode: str) -> bool:
        """Whether a URL with this `sslmode` is strong enough; an unknown mode never is."""
        return sslmode in _STRENGTH and _STRENGTH.index(sslmode) >= _STRENGTH.index(self)
