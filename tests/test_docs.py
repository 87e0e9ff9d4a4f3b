"""The documentation's examples do what they say."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from kharness.cli.names import ALIASES, MODULES
from kharness.engine.api import Engine
from kharness.plan.drift.changes import Drifted, ScanResult, judge
from kharness.plan.expect import declared
from kharness.report.drift import drift_lines
from kharness.settings.host import HostSettings, load_host_settings
from kharness.settings.load import parse_settings
from tests.hosts.readme import listed
from tests.plugin.conftest import temporary_project
from tests.projects import Project

ROOT = Path(__file__).parents[1]
BLOCKS = {kind: re.compile(rf"^```{kind}\n(.*?)^```$", re.DOTALL | re.MULTILINE) for kind in ("", "yaml", "toml")}
PLACES = {"NAME", "NAME...", "[NAME]", "[CMD...]", "CMD...", "KEY", "SIGNAL", "OLD", "NEW", "FILE"}
"""What stands for something else in a command's line."""
BLOCK = re.compile(r"```python\n# (\S+)\n(.*?)```", re.DOTALL)


@pytest.fixture
def project(tmp_path: Path, engine: Engine) -> Iterator[Project]:
    with temporary_project(tmp_path, engine) as found:
        yield found


def examples(page: str, *, image: str) -> dict[str, str]:
    """Return the code blocks of a page by the file name in their first line."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return {name: code.replace("IMAGE", image) for name, code in BLOCK.findall(text)}


def test_the_library_page_does_what_it_says(project: Project, busybox: str) -> None:
    found = examples("library.md", image=busybox)
    assert found.keys() == {"test_web.py", "script.py"}
    for name, code in found.items():
        (project.path / name).write_text(code)
    tests = project.pytest("test_web.py")
    assert tests.status == 0, tests.output
    assert tests.outcomes() == {"passed": 2}
    script = project.run(sys.executable, "script.py")
    assert script.status == 0, script.output
    assert script.output.strip() == "green"


def test_a_failing_test_of_the_library_has_the_bundle(project: Project, busybox: str) -> None:
    code = examples("library.md", image=busybox)["test_web.py"].replace('"hello\\n"', '"goodbye\\n"')
    (project.path / "test_web.py").write_text(code)
    result = project.pytest("test_web.py")
    assert result.status == 1
    for heading in ("log of test-", "state of test-", "was launched as"):
        assert heading in result.output


def test_the_page_of_expectations_lists_the_tests_that_its_example_makes() -> None:
    text = (ROOT / "docs/expectations.md").read_text(encoding="utf-8")
    first, *others = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    example = parse_settings(first.encode(), file=Path("containers/hub/settings.yaml"), has_dockerfile=False)
    listed = re.findall(r"^containers/hub/settings\.yaml::(.+)$", text, re.MULTILINE)
    assert [each.name for each in declared(example.expect)] == listed
    for other in others:
        parse_settings(other.encode(), file=Path("containers/hub/settings.yaml"), has_dockerfile=True)


def test_settings_of_the_pages_of_containers_and_checks_are_accepted() -> None:
    first, expect = BLOCKS["yaml"].findall((ROOT / "docs/containers.md").read_text(encoding="utf-8"))
    hub = parse_settings(f"{first}{expect}".encode(), file=Path("containers/hub/settings.yaml"), has_dockerfile=False)
    assert [each.name.split()[0] for each in declared(hub.expect)] == ["http", "process", "log"]
    (policy,) = BLOCKS["yaml"].findall((ROOT / "docs/checks.md").read_text(encoding="utf-8"))
    assert parse_settings(policy.encode(), file=Path("x"), has_dockerfile=True).policy.waive.keys() == {"KH110"}


def test_the_page_about_the_host_has_every_key_and_an_example_that_is_accepted(tmp_path: Path) -> None:
    text = (ROOT / "docs/host.md").read_text(encoding="utf-8")
    keys = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert sorted(keys) == sorted(HostSettings.model_fields)
    (tmp_path / "config.toml").write_text(*BLOCKS["toml"].findall(text))
    read = load_host_settings(project=None, environ={}, user_file=tmp_path / "config.toml")
    assert read.networks["lan"].options == {"com.docker.network.bridge.name": "lan0"}


def test_the_page_about_drift_shows_what_is_printed() -> None:
    text = (ROOT / "docs" / "drift.md").read_text(encoding="utf-8")
    left = (
        Drifted(path="/srv/www", kind="mode", type="directory", mode=0o777, what="mode 755 -> 777"),
        Drifted(path="/etc/passwd", kind="changed", type="file", mode=0o644, uid=0, gid=0, size=1100),
        Drifted(path="/usr/bin/.x", kind="added", type="file", mode=0o4755, uid=0, gid=0, size=14200),
    )
    pid = Drifted(path="/run/nginx.pid", kind="added", type="file", mode=0o644, uid=0, gid=0, size=3)
    settings = parse_settings(BLOCKS["yaml"].findall(text)[0].encode(), file=Path("x"), has_dockerfile=False)
    verdict = judge((*left, pid), settings.drift.expect, today=date(2027, 1, 1))
    found = ScanResult(name="web", container="web", id="1", by="layer", verdict=verdict)
    printed = "".join(f"{line.text}\n" for line in drift_lines((found,), most=None))
    assert BLOCKS[""].findall(text) == [printed]


@pytest.mark.parametrize(
    "page",
    ["README.md", "CONTRIBUTING.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md")))],
)
def test_every_link_leads_somewhere(page: str) -> None:
    path = ROOT / page
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text(encoding="utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_the_readme_leads_to_every_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").iterdir() if page.suffix in {".md", ".yaml"}}
    assert pages <= set(re.findall(r"\]\(([^)#]+)\)", text))


def test_the_readme_types_what_the_page_of_commands_lists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    scripts = re.findall(r"^ {4}sh (scripts/\w+)$", text, re.MULTILINE)
    assert sorted(scripts) == ["scripts/test", "scripts/try"]
    assert all((ROOT / script).exists() for script in scripts)
    typed = [
        line.partition("#")[0].strip() for line in re.findall(r"^ {4}((?:pytest|kharness) .+)$", text, re.MULTILINE)
    ]
    assert len(typed) == 5
    assert set(typed) <= set(listed())


def test_the_page_of_commands_names_commands_that_are_there_and_every_short_form() -> None:
    rows = re.findall(r"^\| `(.*?)` \|([^|]*)\|", (ROOT / "docs/commands.md").read_text(encoding="utf-8"), re.MULTILINE)
    said: dict[str, tuple[str, ...]] = {}
    for command, short in rows:
        words = tuple(word for word in command.partition("`")[0].split() if word not in PLACES)
        assert words[0] in MODULES, command
        said |= {alias.split()[0]: words for alias in re.findall(r"`(.+?)`", short)}
    assert said == ALIASES


def test_the_page_of_commands_has_every_command_in_a_table() -> None:
    text = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    named = {word for row in re.findall(r"^\|.*\|$", text, re.MULTILINE) for word in re.findall(r"`([\w-]+)", row)}
    assert {*MODULES} <= named, "each command has a row in docs/commands.md, or is named in that of its neighbour"
