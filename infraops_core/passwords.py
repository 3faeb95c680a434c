"""Passwords that no human types."""

import secrets

_BYTES = 32


def generate() -> str:
    """43 characters that need no escaping in a URL, from 256 random bits."""
    return secrets.token_urlsafe(_BYTES)
