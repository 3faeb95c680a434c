"""Fixtures of every test, and a header with the versions a run met."""

import subprocess

import psutil

from infraops_cli.engine import cli
from infraops_core.servers.embedded import binaries

pytest_plugins = ["tests.fix_postgres", "tests.fix_project", "tests.fix_pgbouncer", "tests.fix_audit", "tests.fix_another_postgres",
                  "tests.fix_tls", "tests.fix_docker"]  # fmt: skip


def pytest_report_header() -> list[str]:
    try:
        postgres = binaries.find([17], None).version
    except Exception as error:  # a header must not end a run
        postgres = f"none ({error})"
    engine = cli.look_at(cli.on_path() or cli.FOLDER / "bin" / "pulumi")
    docker = subprocess.run(
        ["sh", "-c", "docker version --format '{{.Server.Version}}' 2>/dev/null || PATH=$PATH:/usr/sbin dockerd --version"],
        capture_output=True,
        text=True,
        check=False,
    )
    return [
        f"postgres {postgres}, pulumi {engine.version if engine else 'not set up'}, docker {docker.stdout.strip() or 'none'}, "
        f"{psutil.cpu_count()} cores"
    ]
