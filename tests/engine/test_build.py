"""Builds by both builders, on daemons of the tests' own: BuildKit's cache would stay on a shared one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import ANY

import pytest

from kharness.engine.api import BuildRequest
from kharness.engine.docker import DockerEngine
from kharness.errors import BuildError
from kharness.plan.image.hardening import Hardening, chains, is_report, read_report
from kharness.plan.launch.runspec import RunSpec
from tests.conftest import no_engine
from tests.engine.daemons import private_daemon, why_not
from tests.rootfs import archive, context

pytestmark = pytest.mark.engine

PREP = Path(__file__).parents[2] / "containers" / "kcore-baseline" / "files" / "prep"
BASE = "kharness-test/base:live"
LOOP = "RUN for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22; do echo line $n; done; exit 7"


@pytest.fixture(scope="module", params=["classic", "buildkit"])
def builder(request: pytest.FixtureRequest) -> Iterator[DockerEngine]:
    """An engine that recommends the one builder or the other, with a base image that no registry has."""
    reason = why_not()
    busybox = shutil.which("busybox")
    if reason or busybox is None:
        no_engine(request, reason or "needs busybox-static")
    with private_daemon() as daemon:
        daemon.start(features={"buildkit": request.param == "buildkit"})
        engine = daemon.connect()
        assert engine._uses_buildkit() is (request.param == "buildkit")
        engine.import_image([archive(Path(busybox))], BASE)
        yield engine
        engine.close()


def build(engine: DockerEngine, dockerfile: str, files: dict[str, bytes] | None = None, **request: str) -> str:
    made = BuildRequest(tag="kharness-test/made:1", args=dict(request))
    return engine.build([context(dockerfile, files)], made).id


def failure(engine: DockerEngine, dockerfile: str) -> BuildError:
    with pytest.raises(BuildError) as caught:
        build(engine, dockerfile)
    return caught.value


def test_a_base_that_exists_here_alone_is_built_upon(builder: DockerEngine) -> None:
    base = builder.image(BASE)
    made = builder.image(build(builder, f"FROM {BASE}\nRUN echo hi > /x\n"))
    assert base is not None
    assert made is not None
    assert made.layers[:-1] == base.layers


def test_a_base_that_has_moved_is_noticed(builder: DockerEngine) -> None:
    builder.tag(BASE, "kharness-test/moving:live")
    dockerfile = "FROM kharness-test/moving:live\nRUN echo hi > /y\n"
    first = build(builder, dockerfile)
    builder.build([context(f"FROM {BASE}\nRUN echo > /z\n")], BuildRequest(tag="kharness-test/moving:live"))
    assert build(builder, dockerfile) != first


def test_an_image_on_a_base_of_another_platform_is_refused_or_tells_its_own(builder: DockerEngine) -> None:
    base = builder.image(BASE)
    assert base is not None
    made = BuildRequest(tag="kharness-test/made:1", platform=base.platform)
    assert builder.build([context(f"FROM {BASE}\nRUN echo own > /x\n")], made).platform == base.platform
    far = BuildRequest(tag="kharness-test/made:1", platform="linux/s390x")
    try:
        image = builder.build([context(f"FROM {BASE}\nRUN echo far > /x\n")], far)
    except BuildError:
        return
    # The classic builder builds on it all the same.
    assert not image.fits("linux/s390x")


def test_what_is_in_the_context_is_in_the_image(builder: DockerEngine) -> None:
    image = build(builder, f"FROM {BASE}\nCOPY files/ /\n", {"files/root/x": b"hi", "files/root/y": b""})
    container = builder.create(RunSpec(name="kharness-test-copied", image=image, command=("true",)))
    assert builder.read_file(container, "/root/x") == b"hi"
    builder.remove(container)


def test_arguments_and_target_are_obeyed(builder: DockerEngine) -> None:
    dockerfile = f"FROM {BASE} AS one\nARG A\nENV B=$A\nFROM {BASE} AS two\nENV B=two\n"
    made = BuildRequest(tag="kharness-test/made:1", args={"A": "one"}, target="one")
    assert "B=one" in builder.build([context(dockerfile)], made).environment


def test_a_build_without_changes_is_the_same_image_and_without_its_cache_is_not(builder: DockerEngine) -> None:
    data = context(f"FROM {BASE}\nRUN cat /proc/sys/kernel/random/uuid > /uuid\n")
    request = BuildRequest(tag="kharness-test/made:1")
    first = builder.build([data], request)
    assert builder.build([data], request) == first
    again = BuildRequest(tag="kharness-test/made:1", no_cache=True)
    assert builder.build([data], again).layers != first.layers


def test_steps_and_their_output_are_progress(builder: DockerEngine) -> None:
    lines: list[str] = []
    data = context(f"FROM {BASE}\nRUN echo one; echo two >&2; printf three\nUSER 5\n")
    builder.build([data], BuildRequest(tag="kharness-test/made:1", no_cache=True), progress=lines.append)
    assert {"one", "two"} <= {line.replace("three", "") for line in lines}
    assert sum("RUN echo one" in line for line in lines) == 1
    assert not any("Running in" in line or "Removing" in line or "internal" in line for line in lines)


def test_what_hardening_tells_arrives_whole_and_its_layers_are_known_again(builder: DockerEngine) -> None:
    steps = f"FROM {BASE}\nCOPY files/ /\nRUN echo 3 >/etc/alpine-release && chmod 666 '/é x' && sh /prep\n"

    def hardened(more: str) -> tuple[tuple[str, ...], Hardening | None]:
        lines: list[str] = []
        data = context(steps + more, {"files/prep": PREP.read_bytes(), "files/é x": b""})
        image = builder.build([data], BuildRequest(tag="kharness-test/made:1"), progress=lines.append)
        return chains(image), read_report(filter(is_report, lines))

    layers, said = hardened("ENV A=1\n")
    assert said is not None
    assert said.whole
    assert {"/root/", "/bin/chmod", "/prep", "root", "/é x"} <= {name for deed in said.done for name in deed.names}
    # The step's output is not told again where it comes from the cache, whatever comes after it.
    assert hardened("ENV A=2\nUSER 5\n") == (layers, None)
    assert hardened("COPY files/ /more\n") == ((ANY, *layers), None)


def test_a_failing_step_shows_its_last_twenty_lines(builder: DockerEngine) -> None:
    error = failure(builder, f"FROM {BASE}\nRUN echo other\n{LOOP}\n")
    assert str(error).splitlines()[0] == f'image kharness-test/made:1 cannot be built: "{LOOP}" exited with 7'
    assert error.tail == tuple(f"line {number}" for number in range(3, 23))


@pytest.mark.parametrize(
    ("dockerfile", "text"),
    [
        (f"FROM {BASE}\nCOPY never /x\n", '"COPY never /x": .*never'),
        (f"FROM {BASE}\nRUNN x\n", "unknown instruction: RUNN"),
        ("FROM 127.0.0.1:1/never:1\n", "127.0.0.1:1"),
        (f"FROM {BASE}\nRUN never\n", '"RUN never" exited with 127'),
        ("", "Dockerfile.*empty|no build stage|no instructions"),
    ],
)
def test_other_failures_say_what_is_wrong(builder: DockerEngine, dockerfile: str, text: str) -> None:
    error = failure(builder, dockerfile)
    assert str(error).startswith("image kharness-test/made:1 cannot be built: ")
    assert re.search(text, str(error))


def test_a_large_context_that_is_refused_is_a_build_error(builder: DockerEngine) -> None:
    with pytest.raises(BuildError, match="unknown instruction"):
        build(builder, "RUNN\n", {"files/big": b"\0" * 50_000_000})


def test_no_container_of_a_build_stays(builder: DockerEngine) -> None:
    build(builder, f"FROM {BASE}\nRUN true\nRUN echo\n")
    failure(builder, f"FROM {BASE}\nRUN echo\nRUN false\n")
    assert builder.containers() == ()


def test_hosts_and_labels_of_a_request_are_applied_by_both_builders(builder: DockerEngine) -> None:
    hosts = (("one.example", "192.0.2.1"), ("two.example", "192.0.2.2"))
    request = BuildRequest(
        tag="kharness-test/made:1", extra_hosts=hosts, network="none", labels={"a": "b"}, no_cache=True
    )
    lines: list[str] = []
    image = builder.build(
        [context(f"FROM {BASE}\nRUN cat /etc/hosts; ls /sys/class/net\n")], request, progress=lines.append
    )
    assert image.labels["a"] == "b"
    said = " ".join("\n".join(lines).split())
    assert "192.0.2.1 one.example" in said
    assert "192.0.2.2 two.example" in said
    assert "eth0" not in said


def test_the_classic_builder_applies_shared_memory_and_limits(builder: DockerEngine) -> None:
    request = BuildRequest(tag="kharness-test/made:1", shm_size=8 << 20, ulimits={"nofile": (123, 456)}, no_cache=True)
    lines: list[str] = []
    data = [context(f"FROM {BASE}\nRUN echo soft $(ulimit -Sn) hard $(ulimit -Hn); df -k /dev/shm\n")]
    assert builder.build(data, request, progress=lines.append).id
    if not builder._uses_buildkit():
        # BuildKit takes them, and not every version applies them.
        assert "soft 123 hard 456" in lines
        assert any(line.startswith("shm") and "8192" in line for line in lines)


def test_buildkit_builds_where_it_is_asked_for(builder: DockerEngine) -> None:
    request = BuildRequest(tag="kharness-test/made:1", buildkit=True)
    image = builder.build([context(f"FROM {BASE}\nRUN --mount=type=cache,target=/v echo hi > /v/x\n")], request)
    assert builder.image("kharness-test/made:1") == image
