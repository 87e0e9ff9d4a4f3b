"""Each form of a service's build, built by the engine, run, and its effect seen."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from kharness.ops.harness import Harness
from kharness.ops.image.build import Built
from kharness.plan.launch.runspec import RunSpec
from tests.conftest import no_engine
from tests.engine.daemons import private_daemon, why_not
from tests.ops.image import services
from tests.ops.site import Site
from tests.rootfs import archive

pytestmark = pytest.mark.engine


class Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@dataclass
class Shop:
    """Projects of a test, in a folder that they share, and their images."""

    site: Site
    folder: Path

    def project(self, text: str, files: Mapping[str, str]) -> Harness:
        text = text.replace("BASE", self.site.busybox)
        files = {name: said.replace("BASE", self.site.busybox) for name, said in files.items()}
        return services.services(self.site.harness(), self.folder, text, files, report=lambda _who, _what: None)

    def built(self, harness: Harness, name: str = "web", **how: Any) -> Built:
        found = services.built(harness, name, **how)
        self.site.built.append(found.image.id)
        return found

    def said(self, image: Built, path: str) -> str:
        """Return what a file of an image says."""
        engine = self.site.engine
        container = engine.create(RunSpec(name=self.site.name("read"), image=image.image.id, command=("true",)))
        try:
            return (engine.read_file(container, path) or b"").decode()
        finally:
            engine.remove(container)


@pytest.fixture
def shop(site: Site, tmp_path: Path) -> Shop:
    return Shop(site, tmp_path / "shop")


@pytest.fixture(scope="module")
def daemon_site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An engine of the test's own: BuildKit's cache would stay on a shared one."""
    reason = why_not()
    busybox = shutil.which("busybox")
    if reason or busybox is None:
        no_engine(request, reason or "needs busybox-static")
    with private_daemon() as daemon:
        daemon.start()
        engine = daemon.connect()
        engine.import_image([archive(Path(busybox))], BASE)
        yield Site(tmp_path_factory.mktemp("apart"), engine, BASE, "kharness-test-apart", place=1)
        engine.close()


@pytest.fixture
def apart(daemon_site: Site, tmp_path: Path) -> Shop:
    return Shop(daemon_site, tmp_path / "shop")


BASE = "kharness-test/base:live"
COPY = "FROM BASE\nCOPY . /c\nRUN cd /c && find . -type f | sort | tr '\\n' ' ' > /list\n"


def test_a_folder_arrives_as_its_ignore_file_leaves_it(shop: Shop) -> None:
    files = {"web/Dockerfile": COPY, "web/a": "", "web/b": "", "web/.dockerignore": "b\nDockerfile\n.dockerignore\n"}
    image = shop.built(shop.project("services: {web: {build: ./web}}", files))
    assert shop.said(image, "/list").split() == ["./a"]


def test_a_dockerfile_outside_and_one_in_the_file_leave_no_trace(shop: Shop) -> None:
    text = """
    services:
      web: {build: {context: ./web, dockerfile: ../other}}
      inline: {build: {context: ./web, dockerfile_inline: "FROM BASE\\nCOPY . /c\\nRUN ls -A /c > /list\\n"}}
    """
    harness = shop.project(text, {"web/a": "", "other": COPY})
    assert shop.said(shop.built(harness), "/list").split() == ["./a"]
    assert shop.said(shop.built(harness, "inline"), "/list").split() == ["a"]


def test_modes_and_times_of_the_folder_are_the_image_s(shop: Shop, tmp_path: Path) -> None:
    dockerfile = "FROM BASE\nCOPY . /c\nRUN stat -c '%a %Y' /c/run > /list; readlink /c/out >> /list\n"
    harness = shop.project("services: {web: {build: ./web}}", {"web/Dockerfile": dockerfile, "web/run": ""})
    run = tmp_path / "shop" / "web" / "run"
    run.chmod(0o751)
    (run.parent / "out").symlink_to("/etc/nowhere")
    assert shop.said(shop.built(harness), "/list").split() == ["751", str(int(run.stat().st_mtime)), "/etc/nowhere"]


def test_what_needs_buildkit_is_built_by_it(apart: Shop) -> None:
    dockerfile = (
        "FROM BASE\nARG TARGETARCH\nCOPY --chmod=700 a /a\n"
        "RUN --mount=type=cache,target=/v touch /v/x && stat -c %a /a > /list && echo $TARGETARCH >> /list\n"
    )
    image = apart.built(apart.project("services: {web: {build: ./web}}", {"web/Dockerfile": dockerfile, "web/a": ""}))
    mode, arch = apart.said(image, "/list").split()
    assert (mode, bool(arch)) == ("700", True)


def holds_contexts(shop: Shop, step: str) -> None:
    text = f"""
    services:
      base: {{image: acme/base, build: {{context: ./web, dockerfile_inline: "FROM BASE\\nRUN echo base > /base\\n"}}}}
      web:
        build:
          context: ./web
          dockerfile_inline: |
            FROM acme/base
            {step}
            COPY --from=same /base /same
            COPY --from=img /bin/busybox /i
            RUN ls /i >> /same
          additional_contexts: {{more: ./more, same: "service:base", img: "docker-image://BASE"}}
    """
    harness = shop.project(text, {"web/a": "", "more/x": "more"})
    base = shop.built(harness, "base")
    image = shop.built(harness, candidates={"base": base.image.id})
    assert (shop.said(image, "/list"), shop.said(image, "/same"), shop.said(image, "/base")) == (
        "more",
        "base\n/i\n",
        "base\n",
    )
    assert shop.site.engine.image("kharness-context/kgshop-web:0") is None


def test_contexts_are_folders_images_and_services(shop: Shop) -> None:
    holds_contexts(shop, "COPY --from=more x /list")


def test_contexts_are_mounted_by_buildkit(apart: Shop) -> None:
    holds_contexts(apart, "RUN --mount=from=more,target=/m cat /m/x > /list")


def test_arguments_target_labels_and_hosts_are_obeyed(shop: Shop) -> None:
    dockerfile = "FROM BASE AS one\nARG A\nRUN echo $A > /list; cat /etc/hosts >> /list\nFROM BASE\nRUN touch /two\n"
    text = """
    services:
      web:
        build: {context: ./web, target: one, args: {A: hello}, labels: {x.y: z}, extra_hosts: ["far=192.0.2.7"],
                network: none, shm_size: 16m, ulimits: {nofile: 99}}
    """
    image = shop.built(shop.project(text, {"web/Dockerfile": dockerfile}))
    assert shop.said(image, "/list").startswith("hello\n")
    assert "192.0.2.7\tfar" in shop.said(image, "/list")
    assert image.image.labels["x.y"] == "z"


def test_an_archive_at_an_address_is_a_context_whose_change_is_seen(shop: Shop, tmp_path: Path) -> None:
    folder = services.write(tmp_path / "remote", {"Dockerfile": f"FROM {shop.site.busybox}\nCOPY x /x\n", "x": "1"})

    def pack() -> None:
        with tarfile.open(tmp_path / "context.tar", "w") as archive:
            archive.add(folder, arcname=".")

    pack()
    with serving(tmp_path) as address:
        harness = shop.project(f"services: {{web: {{build: '{address}/context.tar'}}}}", {})
        first = shop.built(harness)
        assert shop.said(first, "/x") == "1"
        assert shop.built(harness).digest == first.digest == services.recipe(harness, "web").digest
        (folder / "x").write_text("2")
        pack()
        second = shop.built(harness)
    assert shop.said(second, "/x") == "2"
    assert second.digest != first.digest


def test_two_thousand_files_are_built(shop: Shop) -> None:
    files = {f"web/d{number % 40}/f{number}": str(number) for number in range(2000)}
    dockerfile = "FROM BASE\nCOPY . /c\nRUN find /c -type f | wc -l > /list\n"
    image = shop.built(shop.project("services: {web: {build: ./web}}", {**files, "web/Dockerfile": dockerfile}))
    assert int(shop.said(image, "/list")) == 2001
