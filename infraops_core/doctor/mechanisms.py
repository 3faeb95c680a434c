"""Which ways to log in a server offers a role, by asking for one and going no further.

Sources: PostgreSQL documentation, "Message Formats" (SSLRequest, StartupMessage, AuthenticationSASL, ErrorResponse) and
"SASL Authentication".
"""

import socket
import ssl
import struct
import time
from typing import TYPE_CHECKING

from infraops_core.database_url import Place
from infraops_core.doctor.check import Unchecked

if TYPE_CHECKING:
    from collections.abc import Callable

BOUND = "SCRAM-SHA-256-PLUS"

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_PROTOCOL = 196608  # 3.0
_LONGEST_MESSAGE = 10_000
_OTHERS = {0: "trust", 3: "a password in clear", 5: "md5"}
_SASL = 10


def offered(place: Place, address: str, user: str, database: str, *, seconds: float) -> list[str]:
    """The SASL mechanisms, or the other way in that the server asks for; over TLS, whoever the server is.

    :raises Unchecked: where it gives no answer in time, or another one.
    """
    deadline = time.monotonic() + seconds
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # no secret is sent
    try:
        with socket.create_connection((address, place.port), timeout=seconds) as plain:
            plain.sendall(_SSL_REQUEST)
            if plain.recv(1) != b"S":
                raise Unchecked(f"{place} has no TLS")
            with context.wrap_socket(plain, server_hostname=place.host.rstrip(".")) as secured:
                secured.sendall(_startup(user, database))
                return read(lambda count: _exactly(secured, count, deadline))
    except TimeoutError:
        raise Unchecked(f"{place} gave no answer within {seconds:.3g} s") from None
    except OSError as error:
        raise Unchecked(f"{place} ended the connection: {error.strerror or error}") from None


def read(receive: "Callable[[int], bytes]") -> list[str]:
    """What the server's first message offers.

    :param receive: gives exactly as many bytes as it is asked for.
    :raises Unchecked: for an error, or for what is no such message.
    """
    kind, length = struct.unpack("!ci", receive(5))
    if kind not in (b"R", b"E") or not 8 <= length <= _LONGEST_MESSAGE:
        raise Unchecked("the server does not speak as Postgres does")
    body = receive(length - 4)
    if kind == b"E":
        fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
        raise Unchecked(f"the server refuses before any log-in: {fields.get(b'M', 'it does not say why')}")
    (code,) = struct.unpack_from("!i", body)
    if code == _SASL:
        return [name.decode(errors="replace") for name in body[4:].split(b"\0") if name]
    return [_OTHERS.get(code, f"way {code}")]


def _startup(user: str, database: str) -> bytes:
    pairs = b"".join(part.encode() + b"\0" for part in ("user", user, "database", database)) + b"\0"
    return struct.pack("!ii", 8 + len(pairs), _PROTOCOL) + pairs


def _exactly(connection: ssl.SSLSocket, count: int, deadline: float) -> bytes:
    data = b""
    while len(data) < count:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        part = connection.recv(count - len(data))
        if not part:
            raise Unchecked("the server ended the connection before it asked for a password")
        data += part
    return data
