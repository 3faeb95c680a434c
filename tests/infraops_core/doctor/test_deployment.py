"""What is read out of a stack's state."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infraops_core.doctor.deployment import read

SIGNATURE = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
OURS = "pulumi-python:dynamic/infraops:"


def exported(outputs: dict[str, Any], *resources: dict[str, Any]) -> dict[str, Any]:
    stack = {"urn": "urn:pulumi:s::p::pulumi:pulumi:Stack::p-s", "type": "pulumi:pulumi:Stack", "outputs": outputs}
    return {"version": 3, "deployment": {"resources": [stack, *resources]}}


def ours(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"urn": f"urn:pulumi:s::p::{OURS}{kind}::{name}", "type": OURS + kind} | more


def test_outputs_with_their_secrets_in_clear_and_none_of_it_in_a_repr() -> None:
    secret = SIGNATURE | {"plaintext": json.dumps("postgresql://u:hidden-word@h/d")}
    found = read(exported({"DATABASE_URL": secret, "environment": "dev", "smoke_insert_ms": 1.5}))
    assert found.outputs == {"DATABASE_URL": "postgresql://u:hidden-word@h/d", "environment": "dev", "smoke_insert_ms": 1.5}
    assert found.has_all_secrets
    assert "hidden-word" not in repr(found)


def test_a_secret_that_was_not_decrypted_is_noted() -> None:
    found = read(exported({"DATABASE_URL": SIGNATURE | {"ciphertext": "v1:x"}}))
    assert not found.has_all_secrets
    assert found.outputs == {"DATABASE_URL": None}


def test_when_a_resource_of_ours_was_made_and_what_it_holds_but_for_secrets() -> None:
    found = read(exported({}, ours("Passwords", "role-passwords", created="2026-11-22T08:36:40.605078971Z",
                                   outputs={"roles": ["a"], "password_a": SIGNATURE | {"plaintext": '"hidden-word"'}}),
                          ours("DataFolder", "data", outputs={"base": "/srv/data"})))  # fmt: skip
    [made] = found.of_type("Passwords")
    assert made.name == "role-passwords"
    assert made.created == datetime(2026, 11, 22, 8, 36, 40, 605078, UTC)
    assert made.outputs == {"roles": ["a"]}
    assert found.data_folder == Path("/srv/data")


@pytest.mark.parametrize("state", [{}, {"deployment": None}, {"deployment": {"resources": 1}}, {"deployment": {"resources": ["x"]}}, []])
def test_what_is_no_state_is_refused(state: Any) -> None:
    with pytest.raises(ValueError, match=r"deployment|resources"):
        read(state)


def test_an_empty_state_has_no_outputs() -> None:
    assert read({"deployment": {"manifest": {}}}).outputs == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["urn", "type", "outputs", "created", *SIGNATURE]), inner),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from(["urn", "type", "outputs", "created"]), JSON), max_size=3))
def test_whatever_a_resource_holds_nothing_breaks(resources: list[dict[str, Any]]) -> None:
    found = read({"deployment": {"resources": resources}})
    assert isinstance(found.outputs, dict)
