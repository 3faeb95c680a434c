"""A server's certificate, looked at before anybody logs in: by Postgres' own SSLRequest, then TLS.

libpq says that a certificate was refused, and little of why. Sources: PostgreSQL documentation, "Message Formats" (SSLRequest)
and "Frontend/Backend Protocol", section "SSL Session Encryption"; OpenSSL's manual, "X509_VERIFY_PARAM_set_flags" (check_time).
"""

import contextlib
import ipaddress
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from infraops_core.database_url import Place
from infraops_core.errors import UserError

if TYPE_CHECKING:
    from cryptography import x509

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: whether it is signed, and whether it is still valid, are two questions
_SYSTEM = "system"


@dataclass(frozen=True)
class Certificate:
    """What a server showed of itself.

    :param tls: the protocol's version, as `TLSv1.3`.
    :param names: the DNS names and addresses it is for; its common name where it has none.
    :param not_before: from when on it is valid, in UTC, as `not_after`.
    :param signature_hash: of its signature, which channel binding is made from; empty where the signature has none.
    :param trusted: whether it chains to the CA file; None where none was given.
    :param distrust: why it does not, in OpenSSL's words.
    """

    tls: str
    subject: str
    names: tuple[str, ...]
    issuer: str
    not_before: datetime
    not_after: datetime
    self_signed: bool
    signature_hash: str
    trusted: bool | None
    distrust: str = ""

    def is_for(self, host: str) -> bool:
        """Whether it is for this host, as libpq and OpenSSL see it: a `*` stands for one whole label, the first."""
        wanted = _comparable(host)
        return any(wanted == _comparable(name) or _covers(_comparable(name), wanted) for name in self.names)

    def faults(self, host: str, *, now: datetime | None = None) -> list[str]:
        """What is wrong with it for a client that comes to `host`, each in words that go on after `its certificate`.

        :param host: empty where the name does not matter, as for `sslmode=verify-ca`.
        """
        moment = now or datetime.now(UTC)
        faults = []
        if moment > self.not_after:
            faults.append(f"expired on {self.not_after:%Y-%m-%d %H:%M} UTC")
        if moment < self.not_before:
            faults.append(f"is valid from {self.not_before:%Y-%m-%d %H:%M} UTC on (this machine's clock may be behind)")
        if host and not self.is_for(host):
            faults.append(f"is for {', '.join(self.names) or 'no name at all'}, not for {host}")
        if self.trusted is False:
            signer = "itself" if self.self_signed else self.issuer
            faults.append(f"is signed by {signer}, which the CA file does not vouch for")
        return faults


def look(place: Place, address: str = "", *, ca: str = "", seconds: float = 3.0) -> Certificate:
    """The certificate of the server at `place`, whether it is good or not.

    :param address: where to connect; the host's own address unless given.
    :param ca: a file with the certificates of authorities, or `system` for this machine's; what `sslrootcert` says.
    :param seconds: that all of it takes at most, but for the name's resolution.
    :raises UserError: where there is no answer in time, no TLS, or no such file.
    """
    deadline = time.monotonic() + seconds
    where = f"{place}" + (f" ({address})" if address and address != place.host else "")
    trust = _context(ca) if ca else None
    with _failing(where, seconds):
        with _handshake(place, address, _context(""), deadline) as connection:
            shown = connection.getpeercert(binary_form=True)
            version = connection.version() or ""
        distrust = _distrust(place, address, trust, deadline) if trust is not None else ""
    assert shown is not None
    return _certificate(shown, version, None if trust is None else not distrust, distrust)


def _context(ca: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if not ca:
        context.verify_mode = ssl.CERT_NONE
        return context
    context.verify_flags |= _NO_CHECK_TIME
    if ca == _SYSTEM:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(ca)
    except (OSError, ssl.SSLError) as error:
        said = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise UserError(f"the CA file can't be used: {said}", where=str(Path(ca)), next="give a file of PEM certificates") from None
    return context


@contextlib.contextmanager
def _failing(where: str, seconds: float) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise UserError(f"there was no answer within {seconds:g} s", where=where, next="see what between here and there drops it") from None
    except ssl.SSLError as error:
        said = error.reason or str(error)
        raise UserError(f"TLS could not be agreed upon: {said}", where=where, next="see which versions of TLS the server allows") from None
    except (OSError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise UserError(f"the server can't be reached: {said}", where=where, next="check the host and the port") from None


@contextlib.contextmanager
def _handshake(place: Place, address: str, context: ssl.SSLContext, deadline: float) -> Iterator[ssl.SSLSocket]:
    with socket.create_connection((address or place.host, place.port), timeout=_left(deadline)) as plain:
        plain.settimeout(_left(deadline))
        plain.sendall(_SSL_REQUEST)
        plain.settimeout(_left(deadline))
        answer = plain.recv(1)
        if answer != b"S":
            said = "the server has TLS off" if answer == b"N" else "what listens there does not speak as Postgres does"
            raise UserError(said, where=str(place), next="turn TLS on at the server, or check the host and the port")
        plain.settimeout(_left(deadline))
        with context.wrap_socket(plain, server_hostname=place.host.rstrip(".")) as secured:
            yield secured


def _distrust(place: Place, address: str, trust: ssl.SSLContext, deadline: float) -> str:
    """Why the authorities don't vouch for the server; empty where they do."""
    try:
        with _handshake(place, address, trust, deadline):
            return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _certificate(shown: bytes, version: str, trusted: bool | None, distrust: str) -> Certificate:
    from cryptography import x509  # here, for it takes its time to import

    read = x509.load_der_x509_certificate(shown)
    hash_ = read.signature_hash_algorithm
    return Certificate(
        tls=version,
        subject=read.subject.rfc4514_string(),
        names=_names(read),
        issuer=_spoken(read.issuer),
        not_before=read.not_valid_before_utc,
        not_after=read.not_valid_after_utc,
        self_signed=read.issuer == read.subject,
        signature_hash=hash_.name if hash_ else "",
        trusted=trusted,
        distrust=distrust,
    )


def _names(read: "x509.Certificate") -> tuple[str, ...]:
    """The alternative names; without any, the common name, which libpq takes then."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        found = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return tuple(str(attribute.value) for attribute in read.subject.get_attributes_for_oid(NameOID.COMMON_NAME))
    return (*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress)))


def _spoken(name: "x509.Name") -> str:
    from cryptography.x509.oid import NameOID

    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string()


def _comparable(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower().rstrip(".")


def _covers(pattern: str, host: str) -> bool:
    first, _, rest = pattern.partition(".")
    return first == "*" and bool(rest) and bool(host.partition(".")[0]) and host.partition(".")[2] == rest
