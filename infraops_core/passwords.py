"""Passwords that no human types, and what a server keeps of them."""

import base64
import hashlib
import hmac
import re
import secrets

_BYTES = 32
_VERIFIER = re.compile(r"SCRAM-SHA-256\$(?P<iterations>[0-9]{1,9}):(?P<salt>[A-Za-z0-9+/=]+)\$(?P<stored>[A-Za-z0-9+/=]+):[A-Za-z0-9+/=]+")


def generate() -> str:
    """43 characters that need no escaping in a URL, from 256 random bits."""
    return secrets.token_urlsafe(_BYTES)


def fits(password: str, verifier: str) -> bool:
    """Whether a server that keeps `verifier` lets this password in. Only for passwords of ASCII, as ours are.

    Source: PostgreSQL documentation, "pg_authid", and RFC 5802, section 3: StoredKey is the hash of the client key.
    """
    parts = _VERIFIER.fullmatch(verifier)
    if parts is None:
        return False
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(parts["salt"]), int(parts["iterations"]))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), base64.b64decode(parts["stored"]))
