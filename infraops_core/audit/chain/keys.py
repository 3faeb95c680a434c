"""Ed25519 keys that sign chain heads: PEM files, as `openssl genpkey -algorithm ed25519` writes them."""

import base64
import hashlib
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from infraops_core.errors import UserError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_MAKE = "openssl genpkey -algorithm ed25519 -out KEY.pem; chmod 600 KEY.pem"


def private_key(path: Path) -> "Ed25519PrivateKey":
    """The key that signs.

    :raises UserError: for a file that can't be read, that others may read, or that holds no Ed25519 private key in clear.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    text = _read(path)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UserError("others than its owner may read the signing key", where=str(path), next=f"chmod 600 {path}")
    try:
        key = load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
        raise _not_a_key(path, "private") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _not_a_key(path, "private")
    return key


def public_key(path: Path) -> "Ed25519PublicKey":
    """The key that checks.

    :raises UserError: for a file that can't be read or holds no Ed25519 public key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm):
        raise _not_a_key(path, "public") from None
    if not isinstance(key, Ed25519PublicKey):
        raise _not_a_key(path, "public")
    return key


def raw(key: "Ed25519PublicKey") -> bytes:
    """A public key's 32 bytes (RFC 8032)."""
    return key.public_bytes_raw()


def fingerprint(public: bytes) -> str:
    """A short name for a public key, in the form OpenSSH uses: `SHA256:` and base64 of the hash."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(public).digest()).decode().rstrip("=")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"the key cannot be read: {error.strerror}", where=str(path), next=f"make one: {_MAKE}") from None


def _not_a_key(path: Path, half: str) -> UserError:
    remedy = _MAKE if half == "private" else "openssl pkey -in KEY.pem -pubout -out KEY.pub.pem"
    return UserError(f"the file holds no unencrypted Ed25519 {half} key in PEM form", where=str(path), next=f"make one: {remedy}")
