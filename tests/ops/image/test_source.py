"""Where a service's Dockerfile and context come from, and what its names mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from kharness.errors import HostError, KharnessError, SettingsError, UsageError
from kharness.host.image.context import ContextEntry
from kharness.ops.harness import Harness
from kharness.ops.image.build import bases_of
from kharness.ops.image.source import HIDDEN, final_dockerfile, idle_remarks
from tests.ops.image.services import built, recipe, services
from tests.ops.world import World

Project = Callable[..., Harness]
WEB = {"web/Dockerfile": "FROM scratch\nCOPY . /\n", "web/a": "1", "web/b": "2"}


@pytest.fixture
def project(world: World, tmp_path: Path) -> Project:
    def make(text: str, files: Mapping[str, str] = WEB) -> Harness:
        said = lambda who, what: world.told.append(f"{who}: {what}")  # noqa: E731
        return services(world.harness(), tmp_path / "shop", text, files, report=said)

    return make


def sent(harness: Harness, name: str = "web") -> dict[str, ContextEntry]:
    return {entry.arcname: entry for entry in recipe(harness, name).entries}


def test_a_service_s_context_is_its_folder_as_it_is(project: Project) -> None:
    harness = project("services: {web: {build: ./web}}")
    assert sent(harness).keys() == {"Dockerfile", "a", "b"}
    assert recipe(harness, "web").dockerfile == "Dockerfile"


def test_files_of_a_container_directory_mean_nothing_in_it(project: Project) -> None:
    harness = project("services: {web: {build: .}}", {"Dockerfile": "FROM scratch\n", "private.d/x": "", "files/y": ""})
    assert {"private.d/x", "files/y"} <= sent(harness).keys()


def test_an_ignored_dockerfile_arrives_under_a_name_that_no_copy_takes(project: Project) -> None:
    harness = project("services: {web: {build: ./web}}", {**WEB, "web/.dockerignore": "b\nDockerfile\n"})
    found = sent(harness)
    assert found.keys() == {"a", ".dockerignore", HIDDEN}
    assert (found[".dockerignore"].content or b"").split() == [b"b", b"Dockerfile", HIDDEN.encode()]
    assert recipe(harness, "web").dockerfile == HIDDEN


def test_a_dockerfile_may_be_outside_of_the_context_or_in_the_file(project: Project) -> None:
    text = """
    services:
      web: {build: {context: ./web, dockerfile: ../other/Dockerfile}}
      inline: {build: {context: ./web, dockerfile_inline: "FROM scratch\\nCOPY a /\\n"}}
    """
    harness = project(text, {"web/a": "", "other/Dockerfile": "FROM scratch\nCOPY a /b\n"})
    assert sent(harness)[HIDDEN].content == b"FROM scratch\nCOPY a /b\n"
    assert sent(harness, "inline")[HIDDEN].content == b"FROM scratch\nCOPY a /\n"


def test_buildkit_gets_no_ignore_file_that_was_not_there(project: Project) -> None:
    inline = "FROM scratch\\nCOPY --chmod=755 a /\\n"
    harness = project(f'services: {{web: {{build: {{context: ./web, dockerfile_inline: "{inline}"}}}}}}')
    assert ".dockerignore" not in sent(harness)
    assert recipe(harness, "web").buildkit


def test_names_of_other_services_mean_their_images(project: Project) -> None:
    text = """
    services:
      base: {image: acme/base, build: ./web}
      web: {build: {context: ./web, dockerfile_inline: "FROM acme/base:latest\\nCOPY --from=tools / /\\n",
                    additional_contexts: {tools: "service:base", alpine: "docker-image://alpine:3.20"}}}
    """
    harness = project(text)
    directory = harness.catalog.select("web", prefix=False)
    settings = harness.settings(directory)
    live = harness.tags("base").live
    assert final_dockerfile(harness, directory, settings) == f"FROM {live}\nCOPY --from={live} / /\n"
    assert bases_of(harness, directory, settings) == {"base"}
    with pytest.raises(UsageError, match="promote base first"):
        built(harness, "web")
    base = built(harness, "base")
    assert built(harness, "web", candidates={"base": base.image.id}).fresh


def test_a_folder_is_an_image_for_the_time_of_the_build(project: Project, world: World) -> None:
    text = """
    services:
      web: {build: {context: ./web, dockerfile_inline: "FROM scratch\\nCOPY --from=more x /\\n",
                    additional_contexts: {more: ./more}}}
    """
    files = {**WEB, "more/x": "1"}
    first = built(project(text, files), "web")
    assert [call.args[1] for call in world.engine.calls if call.name == "import_image"] == [
        "kharness-context/kgshop-web:0"
    ]
    assert world.engine.image("kharness-context/kgshop-web:0") is None
    assert not built(project(text, files), "web").fresh
    assert built(project(text, {**files, "more/x": "2"}), "web").digest != first.digest


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ({"context": "./none"}, r"build.context \(line 1\): should be a folder"),
        (
            {"context": "./web", "additional_contexts": {"x": "./none"}},
            r"additional_contexts.x \(line 1\): should be a folder",
        ),
        ({"context": "./web", "additional_contexts": {"x": "service:none"}}, "names the service 'none'"),
        ({"context": "./web", "additional_contexts": {"x": "https://example.org/x.git"}}, "fetches no other"),
        ({"context": "./web", "dockerfile": "None"}, "None: cannot be read"),
        ({"context": "./web", "dockerfile": "a", "dockerfile_inline": "b"}, "either dockerfile or dockerfile_inline"),
        ({"context": "./web", "secrets": [{"source": "x"}]}, r"build.secrets \(line 1\): is a Compose key"),
        ({"context": "./web", "ssh": ["default"]}, r"build.ssh \(line 1\): is a Compose key"),
    ],
)
def test_what_cannot_be_built_is_one_clear_error(project: Project, build: dict[str, Any], message: str) -> None:
    with pytest.raises(KharnessError, match=message) as caught:
        built(project(f"services: {{web: {{build: {build!r}}}}}"), "web")
    assert isinstance(caught.value, SettingsError | HostError)


def test_keys_without_effect_are_remarked_and_build(project: Project, world: World) -> None:
    text = "services: {web: {build: {context: ./web, sbom: true, tags: [x/y], provenance: false, x-own: 1}}}"
    harness = project(text)
    remarks = idle_remarks(harness, harness.catalog.select("web", prefix=False))
    places = [remark.partition(": has no effect here")[0] for remark in remarks]
    assert [place.rpartition(".")[2].split()[0] for place in places] == ["sbom", "tags"]
    built(harness, "web")
    assert [line for line in world.told if "has no effect" in line and "sbom" in line]
