"""Which `sslmode` satisfies which rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infraops_core.tls import Tls

SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@pytest.mark.parametrize(
    ("rule", "accepted"),
    [
        (Tls.DISABLE, SSLMODES),
        (Tls.REQUIRE, ("require", "verify-ca", "verify-full")),
        (Tls.VERIFY_FULL, ("verify-full",)),
    ],
)
def test_a_rule_accepts_its_own_mode_and_the_stronger_ones(rule: Tls, accepted: tuple[str, ...]) -> None:
    assert tuple(mode for mode in SSLMODES if rule.accepts(mode)) == accepted


@pytest.mark.parametrize("rule", Tls)
@pytest.mark.parametrize("mode", ["", "REQUIRE", " require", "require\n", "on", "true", "verify_full", "none"])
def test_an_unknown_mode_is_never_accepted(rule: Tls, mode: str) -> None:
    assert not rule.accepts(mode)


@given(st.text())
def test_no_other_text_is_accepted(mode: str) -> None:
    assert mode in SSLMODES or not any(rule.accepts(mode) for rule in Tls)


@pytest.mark.parametrize("rule", Tls)
def test_a_rule_is_written_in_libpqs_words(rule: Tls) -> None:
    assert str(rule) in SSLMODES
    assert rule.accepts(str(rule))
