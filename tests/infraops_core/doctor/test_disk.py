"""The disk of the data: the folder of a server here, a volume of an engine here, and what can't be known."""

from pathlib import Path

import pytest
from docker import DockerClient

from infraops_core.doctor import upkeep
from infraops_core.doctor.check import Unchecked
from infraops_core.doctor.deployment import Deployment, Made
from infraops_core.doctor.subject import Subject


def subject(kind: str = "", **outputs: str) -> Subject:
    return Subject({}, deployment=Deployment({}, [(kind, Made("urn", "data", None, outputs))] if kind else [], True))


def test_the_folder_of_a_server_of_this_machine(tmp_path: Path) -> None:
    assert f"where {tmp_path} is" in upkeep.disk(subject("DataFolder", base=str(tmp_path))).text


def test_a_volume_of_an_engine_of_this_machine(docker_client: DockerClient) -> None:
    volume = docker_client.volumes.create()
    try:
        found = upkeep.disk(subject("Volume", volume=volume.name))
    finally:
        volume.remove()
    assert f"where {volume.attrs['Mountpoint']} is" in found.text


def test_a_volume_that_is_gone(docker_client: DockerClient) -> None:
    with pytest.raises(Unchecked, match="the Docker engine has no volume of-nobody"):
        upkeep.disk(subject("Volume", volume="of-nobody"))


def test_an_engine_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with pytest.raises(Unchecked, match="the Docker engine does not say"):
        upkeep.disk(subject("Volume", volume="data"))


@pytest.mark.parametrize("known", [subject(), subject("Volume"), Subject({})])
def test_what_no_stack_says_is_not_known(known: Subject) -> None:
    with pytest.raises(Unchecked, match="not known here"):
        upkeep.disk(known)


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(Unchecked, match="No such file or directory"):
        upkeep.disk(subject("DataFolder", base=str(tmp_path / "gone")))
