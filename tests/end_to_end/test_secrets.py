"""No password is in clear in state, history, logs, reports or any process's arguments."""

import json
import subprocess
import threading
from pathlib import Path

import psutil

from tests.end_to_end.test_up_and_down import application_url
from tests.fix_project import Project


class ArgumentWatch(threading.Thread):
    """Collects the arguments of every process that appears while it runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[str] = set()
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.is_set():
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(process.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue


def literal_passwords(project: Project) -> set[str]:
    told = project.pulumi("stack", "export", "--stack", "local", "--show-secrets")
    resources = json.loads(told.out)["deployment"]["resources"]
    found = set()
    for resource in resources:
        for key, value in resource.get("outputs", {}).items():
            if key.startswith("password_"):
                found.add(json.loads(value["plaintext"]) if isinstance(value, dict) else value)
    assert len(found) == 4
    return found


def test_no_password_is_anywhere_in_clear(project: Project) -> None:
    watch = ArgumentWatch()
    watch.start()
    first = project.infraops("up", "local")
    by_hand = project.pulumi("up", "--yes", "--stack", "local", "--diff", "--refresh", "--config-file", "Pulumi.local.yaml")
    watch.done.set()
    watch.join()
    assert first.code == 0, first.text
    assert by_hand.code == 0, by_hand.out

    secrets = literal_passwords(project) | {(project.state / "passphrase").read_text()}
    told = {"infraops up": first.text, "pulumi up": by_hand.text, "arguments": "\n".join(watch.seen)}
    files = {str(path): path.read_text(errors="replace") for path in project.root.rglob("*") if path.is_file() and "data" not in path.parts}
    for name, text in (told | files).items():
        for secret in secrets:
            assert secret not in text or name.endswith("/passphrase"), f"a password is in {name}"
    assert any("backend" in name and "history" in name for name in files)
    assert len(watch.seen) > 5


def test_the_server_process_has_no_secret_in_its_environment(standing: Project) -> None:
    secrets = literal_passwords(standing) | {str(standing.state / "passphrase")}
    servers = [process for process in standing.processes() if process.name() == "postgres"]
    assert servers
    for server in servers:
        environment = Path(f"/proc/{server.pid}/environ").read_bytes().decode(errors="replace")
        assert not [secret for secret in secrets if secret in environment]
        assert not [secret for secret in secrets if secret in " ".join(psutil.Process(server.pid).cmdline())]


def test_a_dump_of_the_servers_files_holds_verifiers_only(standing: Project) -> None:
    password = application_url(standing)["DATABASE_URL"].split(":")[2].split("@")[0]
    ran = subprocess.run(["grep", "-rlF", password, str(standing.server().base)], capture_output=True, text=True, check=False)
    assert ran.stdout == ""
