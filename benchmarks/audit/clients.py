"""Eight clients, each a process with a tenant of its own: stores against plain INSERTs by raw psycopg."""

import multiprocessing
import time
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

import psycopg

from benchmarks.audit.append import plain_insert
from benchmarks.audit.place import Place, events, report
from infraops_core.audit.postgres import PostgresAuditStore
from infraops_core.tls import Tls

_CLIENTS = 8
_ROUNDS = 21
_EACH = 150


def measure(place: Place) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(_CLIENTS + 1)
    ends, clients = [], []
    for number in range(_CLIENTS):
        ours, theirs = context.Pipe()
        client = context.Process(target=_client, args=(theirs, start, place.app, f"tenant-{number}"), daemon=True)
        client.start()
        ends.append(ours)
        clients.append(client)
    for _ in range(2):
        _rate(ends, start, "store"), _rate(ends, start, "plain")
    pairs = [(_rate(ends, start, "store"), _rate(ends, start, "plain")) for _ in range(_ROUNDS)]
    for end, client in zip(ends, clients, strict=True):
        end.send("")
        client.join(30)
    report(f"append, {_CLIENTS} clients on {_CLIENTS} tenants", "rows/s", *zip(*pairs, strict=True),
           against="plain INSERTs, raw psycopg, no chain", goal=0.7)  # fmt: skip


def _rate(ends: list[Connection], start: Barrier, which: str) -> float:
    """Rows a second of all clients together, from the moment all are ready."""
    for end in ends:
        end.send(which)
    start.wait(60)
    started = time.perf_counter()
    for end in ends:
        end.recv()
    return _CLIENTS * _EACH / (time.perf_counter() - started)


def _client(orders: Connection, start: Barrier, url: str, tenant: str) -> None:
    with (
        PostgresAuditStore(url, tenant=tenant, tls=Tls.DISABLE, writes_enabled=True) as store,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        appends = {"store": store.record_audit_event, "plain": plain_insert(connection, tenant)}
        while which := orders.recv():
            given = events(_EACH)
            start.wait(60)
            for event in given:
                appends[which](event)
            orders.send("done")
