"""One scratch server for all tests of the folder that need one: each finds it as new."""

from collections.abc import Iterator

import pytest

from infraops_core.servers import scratch
from infraops_core.servers.embedded import binaries
from infraops_core.servers.scratch import Scratch


@pytest.fixture(scope="session")
def _scratch() -> Iterator[Scratch]:
    with scratch.server(binaries.find([17], None)) as server:
        yield server


@pytest.fixture
def server(_scratch: Scratch) -> Iterator[Scratch]:
    """A scratch server with no database and no role but its own."""
    yield _scratch
    with _scratch.admin.connect(seconds=60) as connection:
        made = "select datname from pg_database where datname not in ('postgres', 'template0', 'template1')"
        for (name,) in connection.execute(made.encode()).fetchall():
            connection.execute(f'drop database "{name}" with (force)'.encode())
        for (name,) in connection.execute("select rolname from pg_roles where rolname !~ '^pg_' and rolname <> current_user").fetchall():
            connection.execute(f'drop role "{name}"'.encode())
