"""Where a pooler is to listen, and with which certificate."""

import ipaddress
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from infraops_core.database_url import Place
from infraops_core.errors import UserError

EVERYWHERE = ("*", "0.0.0.0", "::")  # noqa: S104 - what a user may say, not what we listen on


@dataclass(frozen=True)
class Listening:
    """An address and port, and the certificate shown there; none on loopback.

    :param name: what clients call it: the certificate's first name, or the address.
    """

    place: Place
    name: str
    certificate: Path | None = None
    key: Path | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can come in."""
        return self.place.host not in EVERYWHERE and ipaddress.ip_address(self.place.host).is_loopback


def at(text: str, certificate: Path | None, key: Path | None) -> Listening:
    """`ADDRESS:PORT` and the files of a certificate and its key.

    :raises UserError: for what is no address, for one that others can reach without a certificate, for files that
        can't be read or don't belong together.
    """
    place = _place(text)
    if (certificate is None) != (key is None):
        raise UserError("a certificate goes with its key", where="--tls-cert, --tls-key", next="name both files, or neither")
    if certificate is None or key is None:
        listening = Listening(place, place.host)
        if not listening.is_loopback:
            raise UserError(
                f"{place.host} can be reached from other machines, and passwords and rows would pass in clear",
                where="--listen",
                next="name a certificate (--tls-cert FILE --tls-key FILE), or listen on 127.0.0.1",
            )
        return listening
    _check_pair(certificate, key)
    name = _first_name(certificate)
    if not name and place.host in EVERYWHERE:
        raise UserError("the certificate names no host, and clients need one to come to", where=str(certificate),
                        next="name a certificate with a host's name, or one address to listen on (--listen)")  # fmt: skip
    return Listening(place, name or place.host, certificate.absolute(), key.absolute())


def _place(text: str) -> Place:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not re.fullmatch("[0-9]{1,5}", port) or not 1 <= int(port) <= 65535 or not _is_address(host):
        raise UserError(
            f"{text!r} is no address with a port", where="--listen", next="for example 127.0.0.1:6432, [::1]:6432, 0.0.0.0:6432"
        )
    return Place(host, int(port))


def _is_address(host: str) -> bool:
    try:
        return host in EVERYWHERE or bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _check_pair(certificate: Path, key: Path) -> None:
    def locked() -> str:
        raise UserError("the key is locked by a passphrase, which PgBouncer can't ask for", where=str(key), next="name a key without one")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=locked)
    except (ssl.SSLError, OSError) as error:
        said = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else getattr(error, "reason", error)
        raise UserError(
            f"the certificate and its key can't be used: {said}",
            where=f"{certificate}, {key}",
            next="name a certificate and its key, as PEM",
        ) from None


def _first_name(certificate: Path) -> str:
    """The first name a client could check, without a wildcard; empty where it has none."""
    from cryptography import x509  # here, for it takes its time to load

    try:
        names = x509.load_pem_x509_certificate(certificate.read_bytes()).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return ""
    return next((name for name in names.value.get_values_for_type(x509.DNSName) if "*" not in name), "")
