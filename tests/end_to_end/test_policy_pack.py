"""A policy pack, which the engine has our language host run."""

from tests.fix_project import Project

PACK = """
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy


def no_smoke_test(args, report_violation):
    if args.resource_type.endswith(":SmokeTest"):
        report_violation("a rule of this test forbids smoke tests")


PolicyPack(
    name="rules",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[ResourceValidationPolicy(name="no-smoke-test", description="For a test.", validate=no_smoke_test)],
)
"""


def test_a_mandatory_rule_stops_an_update(project: Project) -> None:
    pack = project.root / "pack"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text("runtime: python\n")
    (pack / "__main__.py").write_text(PACK)
    assert project.pulumi("stack", "init", "local").code == 0

    refused = project.pulumi("preview", "--stack", "local", "--policy-pack", str(pack))
    assert refused.code != 0, refused.text
    assert "a rule of this test forbids smoke tests" in refused.text

    (pack / "__main__.py").write_text(PACK.replace(":SmokeTest", ":NoSuchType"))
    allowed = project.pulumi("preview", "--stack", "local", "--policy-pack", str(pack))
    assert allowed.code == 0, allowed.text
