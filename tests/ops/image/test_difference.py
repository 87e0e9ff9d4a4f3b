"""What would change in production if the newest image became live."""

from __future__ import annotations

from typing import Any

import pytest

from kharness.errors import EngineError, UsageError
from kharness.ops.image.difference import ImageDifference, compare
from kharness.plan.image.difference import DPKG, ImageChange
from tests.ops.releases import SETTINGS, Production

STATUS = "Package: web\nStatus: install ok installed\nVersion: {}\n"


def released(web: Production, version: str, **more: Any) -> None:
    files = {"/etc/passwd": b"", "/etc/group": b"", f"/{DPKG}": STATUS.format(version).encode(), "/app": b"1"}
    image = web.image(version, files={**files, **more.pop("files", {})}, **more)
    web.engine.tag(image.id, "ktools/web:latest")


def difference(web: Production) -> ImageDifference:
    return compare(web.world.harness(), web.world.directory("web"))


@pytest.fixture
def live(web: Production) -> Production:
    released(web, "1", user="web")
    found = web.engine.image("ktools/web:latest")
    assert found is not None
    assert web.launch(found).ok
    return web


def test_configuration_packages_and_files_are_compared(live: Production) -> None:
    released(live, "2", files={"/app": b"2", "/new": b""})
    found = difference(live)
    assert found.configuration == (ImageChange(what="user", before="web", after=None),)
    assert found.packages == (ImageChange(what="web", before="1", after="2"),)
    assert [each.what for each in found.files] == ["/app", "/new", f"/{DPKG}"]
    assert found.settings == ()


def test_nothing_is_left_of_the_comparison(live: Production) -> None:
    released(live, "2")
    before = set(live.engine.boxes)
    difference(live)
    live.engine.fail_on["export"] = EngineError("no space left on device")
    with pytest.raises(EngineError, match="no space"):
        difference(live)
    assert set(live.engine.boxes) == before


def test_settings_that_production_does_not_have_yet_are_noticed(live: Production) -> None:
    live.world.add("web", SETTINGS.replace("8080:80", "8081:80"))
    found = difference(live)
    assert found.settings == (
        ImageChange(what="--publish 8080:80/tcp", before="", after=None),
        ImageChange(what="--publish 8081:80/tcp", before=None, after=""),
    )
    assert found.files == ()


def test_what_is_missing_is_told(web: Production) -> None:
    with pytest.raises(UsageError, match="nothing is live yet"):
        difference(web)
    web.launch(web.image("1"))
    with pytest.raises(UsageError, match="there is no ktools/web:latest; 'kharness build web' makes it"):
        difference(web)
