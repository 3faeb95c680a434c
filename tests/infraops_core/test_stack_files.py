"""Stack files on disk: which there are, what one says, and what is said of a broken one."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infraops_core import stack_files
from infraops_core.errors import UserError
from infraops_core.settings import LocalSettings, SchemaMode, parse, secret_settings

BOUNDED = settings(max_examples=100, deadline=None)


def read(folder: Path, content: str | bytes, stack: str = "local") -> LocalSettings:
    (folder / f"Pulumi.{stack}.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    made = stack_files.read(folder, stack)
    assert isinstance(made, LocalSettings)
    return made


def of_local(line: str) -> str:
    return f"config:\n  infraops:target: local\n  {line}\n"


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("infraops:schema: off", "schema", SchemaMode.OFF),
        ("infraops:schema: 'off'", "schema", SchemaMode.OFF),
        ("infraops:protect: true", "protect", True),
        ("infraops:protect: True", "protect", True),
        ('infraops:protect: "true"', "protect", True),
        ("infraops:port: 5433", "port", 5433),
        ('infraops:port: "5433"', "port", 5433),
        ("infraops:tenant: no", "tenant", "no"),
        ("infraops:tenant: 007", "tenant", "007"),
        ("infraops:rehearsal: 12:30", "rehearsal", "12:30"),
        ("infraops:rehearsal: 2026-12-01", "rehearsal", "2026-12-01"),
        ("infraops:rehearsal: 2026-13-45", "rehearsal", "2026-13-45"),
        ("infraops:rehearsal: 1.50", "rehearsal", "1.50"),
        ("infraops:rehearsal: true", "rehearsal", "true"),
        ("infraops:rehearsal: !!int x", "rehearsal", "x"),
        ("infraops:rehearsal: !!timestamp x", "rehearsal", "x"),
        ("port: 5433", "port", 5433),
        ("aws:region: eu-central-1", "port", None),
    ],
)
def test_a_value_means_what_it_means_to_pulumi(tmp_path: Path, line: str, field: str, value: Any) -> None:
    assert getattr(read(tmp_path, of_local(line)), field) == value


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("infraops:protect: yes", '"yes"  true or false'),
        ("infraops:protect: on", '"on"  true or false'),
        ("infraops:port: 0x1F90", '"0x1F90"  a whole number'),
        ("infraops:port:", "null  a whole number"),
        ("infraops:tenant: null", "null  letters"),
        ("infraops:port: {secure: AAABAKciphertext}", "(encrypted)  a whole number"),
        ("infraops:port: !!python/object:os.system x", '"x"  a whole number'),
        ("infraops:port: !!python/object/new:os.system [x]", "(a list)  a whole number"),
        ("infraops:port: &port [*port]", "(a list)  a whole number"),
        ("ports: 5433", "did you mean infraops:port?"),
        ("17: x", "infraops:17  "),
        ("null: x", "infraops:None  "),
        ("infraops:a:b: x", "infraops:a:b  "),
    ],
)
def test_a_mistake_is_told_as_it_stands_there(tmp_path: Path, line: str, shown: str) -> None:
    with pytest.raises(UserError) as refused:
        read(tmp_path, of_local(line))
    assert shown in str(refused.value)
    assert str(refused.value).startswith("Pulumi.local.yaml: 1 problem\n")


@pytest.mark.parametrize(
    "content",
    [
        "{config: {infraops:target: local}}",
        '{"config": {"infraops:target": "local"}}',
        "config:\n  target: local\n",
        "config:\r\n  infraops:target: local\r\n",
        "\ufeffconfig:\n  infraops:target: local\n",
        "encryptionsalt: v1:abc\nconfig:\n  infraops:target: local\n",
        "shared: &shared\n  infraops:target: local\nconfig:\n  <<: *shared\n  infraops:port: 5433\n",
        "shared: &shared\n  infraops:target: none\nconfig:\n  <<: *shared\n  infraops:target: local\n",
        "---\nconfig:\n  infraops:target: local\n...\n",
        "# comment\nconfig:  # comment\n  infraops:target: local  # comment\n",
    ],
)
def test_ways_to_write_a_file(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content).target == "local"


@pytest.mark.parametrize("content", ["", "# nothing\n", "{}", "config:\n", "config: {}\n", "config: null\nencryptionsalt: v1:abc\n"])
def test_an_empty_file_lacks_its_target(tmp_path: Path, content: str) -> None:
    with pytest.raises(UserError, match="infraops:target    is missing; one of: local"):
        read(tmp_path, content)


@pytest.mark.parametrize("content", ["config: 1", "config: x", "config: [a]", "[a]", "text", "config:\n  - infraops:target: local\n"])
def test_a_file_needs_a_mapping(tmp_path: Path, content: str) -> None:
    with pytest.raises(UserError, match=r"Pulumi\.local\.yaml has no mapping under config:"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "problem", "where"),
    [
        ("config:\n  infraops:target: @local\n", "found character '@' that cannot start any token", "Pulumi.local.yaml:2"),
        ("config:\n\tinfraops:target: local\n", "found character '\\t'", "Pulumi.local.yaml:2"),
        ("config: {", "expected the node content", "Pulumi.local.yaml:1"),
        ("config:\n  a: *nothing\n", "found undefined alias", "Pulumi.local.yaml:2"),
        ("config: {? [a] : b}", "found unhashable key", "Pulumi.local.yaml:1"),
        ("a: 1\n---\nb: 1\n", "but found another document", "Pulumi.local.yaml:2"),
        ("config:\n  infraops:target: local\n  infraops:target: local\n", "infraops:target is given twice", "Pulumi.local.yaml:3"),
        ("config: {}\nconfig: {}\n", "config is given twice", "Pulumi.local.yaml:2"),
        ("config: !!map text", "expected a mapping node", "Pulumi.local.yaml:1"),
        ("config: \x01", "special characters are not allowed", "Pulumi.local.yaml"),
        (b"config: \xff", "it is not UTF-8", "Pulumi.local.yaml"),
        ("config: " + "[" * 900 + "]" * 900, "it is nested too deep", "Pulumi.local.yaml"),
    ],
)
def test_a_broken_file_is_told_with_its_line(tmp_path: Path, content: str | bytes, problem: str, where: str) -> None:
    with pytest.raises(UserError) as refused:
        read(tmp_path, content)
    assert refused.value.what.startswith("Pulumi.local.yaml is not YAML: ")
    assert problem in refused.value.what
    assert refused.value.where == where
    assert refused.value.next == "fix the file, then: pulumi preview --stack local"


def test_a_stack_without_a_file_is_told_what_there_is(tmp_path: Path) -> None:
    for name in ("local", "neon-prod"):
        (tmp_path / f"Pulumi.{name}.yaml").touch()
    with pytest.raises(UserError) as refused:
        stack_files.read(tmp_path, "rds")
    assert "Pulumi.rds.yaml does not exist" in refused.value.what
    assert refused.value.where == str(tmp_path)
    assert refused.value.next == "take one of local, neon-prod, or write Pulumi.rds.yaml (docs/settings.md)"


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to(path)])
def test_what_is_no_readable_file_is_a_users_mistake(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "Pulumi.local.yaml")
    with pytest.raises(UserError, match=r"Pulumi\.local\.yaml cannot be read: "):
        stack_files.read(tmp_path, "local")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../other", "a/b", "/etc/passwd", "a b", "-x", ".hidden", "a\n", "a\x00", "*", "é", "x" * 101, "\ud800"]
)
def test_a_name_that_is_none_is_refused_before_the_disk_is_touched(tmp_path: Path, name: str) -> None:
    (tmp_path / "Pulumi.local.yaml").touch()
    with pytest.raises(UserError, match="is no name for a stack") as refused:
        stack_files.read(tmp_path, name)
    assert refused.value.next == "take one of local"


def test_the_stacks_there_are(tmp_path: Path) -> None:
    assert stack_files.known(tmp_path) == []
    for name in ("Pulumi.yaml", "Pulumi.rds.yaml", "Pulumi.local.yaml", "Pulumi..yaml", "Pulumi.a b.yaml", "Pulumi.x.yml", "pulumi.y.yaml"):
        (tmp_path / name).touch()
    assert stack_files.known(tmp_path) == ["local", "rds"]


def test_every_committed_file_can_be_read() -> None:
    root = Path(__file__).resolve().parents[2]
    assert "local" in stack_files.known(root)
    for stack in stack_files.known(root):
        config = stack_files.config(root, stack)
        secrets = secret_settings(config["infraops:target"])  # which nobody commits without a key of their own
        given: dict[str, Any] = {f"infraops:{key}": {"secure": ""} for key, setting in secrets.items() if setting.required}
        assert parse(stack, given | dict(config)).stack == stack


# Whatever is in the file

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.datetimes() | st.binary(max_size=10)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3), max_leaves=8)
documents = st.fixed_dictionaries(
    {"config": st.dictionaries(st.sampled_from(["infraops:target", "port", "infraops:schema"]) | scalars, values)}
)
contents = (
    st.binary()
    | st.text(st.characters(codec="utf-8")).map(str.encode)
    | st.text("config: infraops:target local\n\t-[]{}&*!|>'\"%@#,?~0", max_size=80).map(str.encode)
    | documents.map(lambda document: yaml.safe_dump(document).encode())
)


@BOUNDED
@given(contents)
@example(b"config: {infraops:port: " + b"9" * 5000 + b"}")
@example(b"a: &a [x, x]\nb: &b [*a, *a, *a, *a]\nconfig: {infraops:target: [*b, *b, *b, *b]}")
def test_any_file_is_settings_or_a_users_mistake(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            read(Path(folder), content)
        except UserError as error:
            assert "Pulumi.local.yaml" in str(error)  # noqa: PT017  # either end is right
