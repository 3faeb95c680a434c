"""Checks of the way to the server: the environment that names it, its name, its port, and whether Postgres answers there.

Each of the last three looks at every place that a URL names. A place of a URL with several is a warning while another one works.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from infraops_core import environment
from infraops_core.access import Access
from infraops_core.doctor.check import Found, Unchecked, Verdict, failed, passed
from infraops_core.doctor.subject import STEP_SECONDS, Endpoint, Role, Subject

Look = Callable[[Subject, Endpoint], Found | None]

_SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)  # PostgreSQL documentation, "Message Formats", SSLRequest


def variables(subject: Subject) -> Found:
    """What the environment, or the stack's outputs, say of the database goes together."""
    said = environment.read(subject.variables)
    subject.provider = said.provider
    urls = {Role.APP: said.url, Role.OWNER: said.direct_url, Role.READONLY: said.readonly_url, Role.ADMIN: said.admin_url}
    subject.ways = {role: Access(url, said.rule(url)) for role, url in urls.items() if url is not None}
    subject.endpoints()  # a hosts file that is wrong is told here, once
    return passed(f"{said.provider.title}: {', '.join(role.variable for role in subject.ways)}")


def resolves(subject: Subject) -> Found:
    """Every host has an address, or is one."""
    return over_places(subject, "dns.resolves", _resolve)


def connects(subject: Subject) -> Found:
    """Every port takes a connection."""
    return over_places(subject, "tcp.connects", _connect)


def answers(subject: Subject) -> Found:
    """What listens there speaks Postgres' protocol: it answers a request for TLS with one letter."""
    return over_places(subject, "server.answers", _answer)


def over_places(subject: Subject, check: str, look: Look, *, stops: Callable[[Endpoint], bool] = lambda _: True) -> Found:
    """What `look` finds at every place that nothing is wrong with so far, as one.

    :param look: None where there is nothing to look at.
    :param stops: whether nobody can log in at a place where it fails; noted for the checks after this one.
    :raises Unchecked: where no place is left to look at.
    """
    found = {endpoint: one for endpoint in subject.endpoints() if endpoint not in subject.troubles and (one := look(subject, endpoint))}
    if not found:
        raise Unchecked(next((f"{name} failed" for name in subject.troubles.values()), "no TLS is used: it is this machine"))
    failures = {endpoint: one for endpoint, one in found.items() if one.verdict is Verdict.FAIL}
    doubts = [one for one in found.values() if one.verdict is Verdict.WARN]
    verdict = Verdict.WARN if failures or doubts else Verdict.PASS
    lost = failures.keys() | subject.troubles.keys()
    for way in subject.ways.values():
        ends = set(subject.endpoints(way.url))
        if ends <= lost and ends & failures.keys():
            verdict = Verdict.FAIL
    subject.troubles |= {endpoint: check for endpoint in failures if stops(endpoint)}
    following = next((one.next for one in (*failures.values(), *doubts)), "")
    return Found(verdict, "; ".join(dict.fromkeys(one.text for one in found.values())), following)


def _resolve(subject: Subject, endpoint: Endpoint) -> Found:
    host, seconds = endpoint.place.host, subject.within(STEP_SECONDS)
    if endpoint.address:
        subject.addresses[endpoint] = [endpoint.address]
        return passed(f"{host} is to be reached at {endpoint.address}")
    started = time.perf_counter()
    try:
        found = _in_time(lambda: socket.getaddrinfo(host, endpoint.place.port, proto=socket.IPPROTO_TCP, type=socket.SOCK_STREAM), seconds)
    except TimeoutError:
        return failed(f"no name server told the address of {host} within {seconds:.3g} s", "see that this machine's name servers answer")
    except (OSError, UnicodeError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        return failed(f"{host} has no address: {said}", "see that the host is spelt right, and that this machine's name servers know it")
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    subject.addresses[endpoint] = addresses
    if addresses == [host]:
        return passed(f"{host} is an address")
    return passed(f"{host} is {', '.join(addresses)} ({_ms(started)})")


def _connect(subject: Subject, endpoint: Endpoint) -> Found:
    problems: list[str] = []
    for address in list(subject.addresses[endpoint]):
        seconds, started = subject.within(STEP_SECONDS), time.perf_counter()
        try:
            with socket.create_connection((address, endpoint.place.port), timeout=seconds):
                taken = _ms(started)
        except TimeoutError:
            problems.append(f"{address} gave no answer within {seconds:.3g} s")
        except OSError as error:
            problems.append(f"{address}: {os.strerror(error.errno) if error.errno else error}")
        else:
            subject.addresses[endpoint] = [address]  # the one that the checks after this use
            return passed(f"{endpoint} in {taken}")
    return failed(f"{endpoint} cannot be reached: {'; '.join(problems)}", _way_to(subject, endpoint))


def _answer(subject: Subject, endpoint: Endpoint) -> Found:
    [address], seconds = subject.addresses[endpoint][:1], subject.within(STEP_SECONDS)
    started = time.perf_counter()
    try:
        with socket.create_connection((address, endpoint.place.port), timeout=seconds) as connection:
            connection.sendall(_SSL_REQUEST)
            letter = connection.recv(1)
    except TimeoutError:
        return failed(f"{endpoint} takes connections, and says nothing within {seconds:.3g} s", "see that the server is not overloaded")
    except OSError as error:
        return failed(f"{endpoint} ended the connection: {os.strerror(error.errno) if error.errno else error}", _ended())
    if not letter:
        return failed(f"{endpoint} ended the connection without a word", _ended())
    if letter not in (b"S", b"N"):
        return failed(f"{endpoint} is no Postgres: it answers a request for TLS with {letter!r}", "see that the port is the database's")
    return passed(f"{endpoint} {'has TLS' if letter == b'S' else 'has no TLS'}, in {_ms(started)}")


def _in_time(call: Callable[[], Any], seconds: float) -> Any:
    """What `call` gives, which nothing can interrupt, so its thread is left behind when the time is up."""
    results: list[Any] = []

    def note() -> None:
        try:
            results.append((call(), None))
        except (OSError, UnicodeError) as error:
            results.append((None, error))

    thread = threading.Thread(target=note, daemon=True)
    thread.start()
    thread.join(seconds)
    if not results:
        raise TimeoutError
    value, error = results[0]
    if error is not None:
        raise error
    return value


def _way_to(subject: Subject, endpoint: Endpoint) -> str:
    if subject.stack is not None and subject.users(endpoint)[0].url.is_loopback:
        return f"infraops up {subject.stack.name}"
    return "see that the server runs, that the URL's port is right, and that no firewall is between"


def _ended() -> str:
    return "see the server's log, and that no firewall or proxy between cuts connections"


def _ms(started: float) -> str:
    return f"{(time.perf_counter() - started) * 1000:.1f} ms"
