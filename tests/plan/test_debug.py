"""The container that looks into another one, planned."""

from __future__ import annotations

import pytest

from kharness.plan.debug import plan_debug
from kharness.plan.facts import ContainerFacts, ImageFacts

TOOLS = ImageFacts(id="sha256:tools", labels={"traefik.enable": "true"})


def words(mode: str, *, nsenter: str | None = "/usr/bin/nsenter") -> tuple[str, ...]:
    found = ContainerFacts(
        id="abc",
        name="web",
        image_id="sha256:web",
        state="running",
        labels={"kharness.name": "web"},
        raw={"HostConfig": {"IpcMode": mode}},
    )
    return plan_debug(found, TOOLS, ("sh", "-l"), name="web-debug-1", owner={"o": "1"}, nsenter=nsenter, tty=True)


def test_it_joins_the_namespaces_with_few_rights_and_goes_with_its_shell() -> None:
    said = " ".join(words("private"))
    assert said.startswith("run --pid container:abc --name web-debug-1 ")
    for option in (
        *("--network container:abc", "--user 0:0", "--rm", "--tty", "--interactive", "--cap-drop ALL"),
        *("--cap-add SYS_PTRACE", "--cap-add SYS_ADMIN", "--security-opt no-new-privileges:true"),
        *("--label o=1", "--label kharness.name=web", "--label kharness.role=test", "--label traefik.enable= "),
    ):
        assert option in said
    assert "--publish" not in said
    assert "--volume" not in said


@pytest.mark.parametrize(
    ("mode", "nsenter", "begin", "end"),
    [
        ("private", "/usr/bin/nsenter", "--pid container:abc --name", "sha256:tools --target 1 --ipc -- sh -l"),
        ("private", None, "--pid container:abc --name", "sha256:tools -l"),
        ("shareable", "/usr/bin/nsenter", "--pid container:abc --ipc container:abc --name", "sha256:tools -l"),
    ],
)
def test_a_private_ipc_namespace_is_joined_from_inside(mode: str, nsenter: str | None, begin: str, end: str) -> None:
    said = " ".join(words(mode, nsenter=nsenter))
    assert said.startswith(f"run {begin} ")
    assert said.endswith(end)
