"""The host's defaults hold in sessions, and their problems are told once."""

from __future__ import annotations

from tests.projects import Project

CONFIGURED = """\
[tool.kharness]
source_paths = ["containers"]

[tool.kharness.defaults]
mem_limit = "48m"
environment = {{ SITE = "home", WHO = "default" }}
{more}
"""
TESTS = """\
    def test_defaults_hold(container):
        found = container.inspect()
        assert found["HostConfig"]["Memory"] == 48 << 20
        assert {"SITE=home", "WHO=me"} <= set(found["Config"]["Env"])
"""


def test_they_hold_in_a_test_instance_and_a_changed_one_is_tested_again(project: Project, busybox: str) -> None:
    text = f"image: {busybox}\ncommand: [sleep, '60']\ninit: true\nenvironment: {{WHO: me}}\n"
    project.add("web", {"settings.yaml": text, "test_web.py": TESTS})
    file = project.path / "pyproject.toml"
    file.write_text(CONFIGURED.format(more=""))
    assert project.pytest("containers", "--ready").outcomes() == {"passed": 1}
    file.write_text(CONFIGURED.format(more="cpus = 0.5"))
    assert project.pytest("containers", "--ready", "--if-changed").outcomes() == {"passed": 1}
    file.write_text(CONFIGURED.format(more='cpus = "many"\nports = [80]'))
    project.add("two", {"settings.yaml": text})
    broken = project.pytest("containers", "--ready")
    assert broken.status == 4
    assert broken.output.count("tool.kharness.defaults.cpus: should be a number above 0, such as 1.5, not 'many'") == 1
    assert broken.output.count(f"{file}: tool.kharness.defaults.ports: belongs to one container") == 1
