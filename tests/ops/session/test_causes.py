"""What is seen to be wrong with a container that does not start, on the real engine."""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kharness.errors import LaunchError
from kharness.ops.session.causes import Taken, nothing_taken, with_causes
from kharness.ops.session.readiness import wait_ready
from kharness.plan.facts import ImageFacts
from kharness.plan.image.hardening import Deed, Hardening
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec
from kharness.plan.session.readiness import ByRunning
from tests.ops.site import Site

pytestmark = pytest.mark.engine

FILES = r"""
RUN printf '#!/bin/sh\r\nexec sleep 60\r\n' >/crlf.sh && chmod +x /crlf.sh && \
    printf '#!/usr/sbin/perl\n' >/perl.sh && chmod +x /perl.sh && mkdir -p -m 755 /run
"""
TOOK = Hardening(
    family="debian",
    done=(
        Deed(step="sbin", what="removed", names=("/usr/sbin/nginx", "/usr/sbin/perl")),
        Deed(step="perl", what="removed", names=("/usr/lib/perl/",)),
    ),
)


@pytest.fixture(scope="module")
def image(site: Site) -> ImageFacts:
    return site.image("causes", FILES)


def took(_image: ImageFacts) -> Hardening:
    return TOOK


def why(site: Site, image: ImageFacts, *, taken: Taken = nothing_taken, **more: Any) -> str:
    """Return what a failed start is told as."""
    spec = RunSpec(name=site.name(f"c{secrets.token_hex(3)}"), image=image.id, cap_drop=("ALL",), **more)
    container = site.engine.create(spec)
    try:
        site.engine.start(container)
        wait_ready(site.engine, container, ByRunning(), spec=spec, timeout=5.0, taken=taken)
    except LaunchError as error:
        found = str(error)
        return found if "hint: " in found else str(with_causes(site.engine, container, spec, error, taken=taken))
    finally:
        site.engine.remove(container, force=True)
    raise AssertionError("it started")


@pytest.mark.parametrize("init", [True, False])
def test_lines_that_end_as_on_windows_are_named(site: Site, image: ImageFacts, init: bool) -> None:  # noqa: FBT001
    said = why(site, image, command=("/crlf.sh",), init=init)
    assert "hint: /crlf.sh has lines that end with CR and LF, as on Windows" in said
    assert r"interpreter '/bin/sh\r'" in said
    assert said.count("hint: ") == 1


@pytest.mark.parametrize("command", [("nginx",), ("/usr/sbin/nginx",), ("sh", "-c", "nginx")])
@pytest.mark.parametrize("init", [True, False])
def test_a_program_that_prep_took_is_named_with_what_keeps_it(
    site: Site,
    image: ImageFacts,
    command: tuple[str, ...],
    init: bool,  # noqa: FBT001
) -> None:
    said = why(site, image, command=command, init=init, taken=took)
    assert "hint: /prep took /usr/sbin/nginx out of the image (step sbin)" in said
    assert 'a line KEEP_SBIN="$KEEP_SBIN nginx" in files/prep-local keeps it' in said


def test_a_program_that_was_never_there_and_an_interpreter_that_is_gone_are_told_apart(
    site: Site, image: ImageFacts
) -> None:
    assert "hint: the image has no nginx: it is in none of PATH's directories" in why(site, image, command=("nginx",))
    assert "hint: the image has no /nginx: it is not there" in why(site, image, command=("/nginx",), init=True)
    said = why(site, image, command=("/perl.sh",), init=True, taken=took)
    assert "hint: /perl.sh begins with #!/usr/sbin/perl: /prep took /usr/sbin/perl out of the image" in said


def test_a_tmpfs_that_has_the_image_s_mode_is_named_where_that_denies(site: Site, image: ImageFacts) -> None:
    tmpfs = Mount(kind=MountKind.TMPFS, source=None, target="/run", mode=0o1777)
    writes = ("sh", "-c", "touch /run/x && sleep 60")
    try:
        said = why(site, image, command=writes, user="1000", mounts=(tmpfs,))
    except AssertionError:
        # A runtime since 1.2 gives it the mode that was asked for, and nothing is denied.
        return
    assert "hint: /run should have mode 1777, and has the image's, 755" in said
    assert "RUN chmod 1777 /run" in said
    assert "CHOWN" not in said
    # What the message does not name is no cause.
    others = tuple(replace(tmpfs, target=each) for each in ("/run", "/usr"))
    assert "hint: /usr should" not in why(site, image, command=writes, user="1000", mounts=others)
    mended = site.image("mended", f"{FILES}RUN chmod 1777 /run\n")
    with pytest.raises(AssertionError, match="it started"):
        why(site, mended, command=writes, user="1000", mounts=(tmpfs,))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes directories of others")
def test_a_directory_of_another_owner_is_named_with_both_ids(site: Site, image: ImageFacts, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    os.chown(data, 1000, 1000)
    bind = Mount(kind=MountKind.BIND, source=str(data), target="/data")
    writes = ("sh", "-c", "touch /data/x && sleep 60")
    said = why(site, image, command=writes, user="6379", mounts=(bind,))
    assert "hint: /data belongs to 1000:1000 on this host, and the container's user is 6379:" in said
    assert f"sudo chown 6379:0 {data}, or user: '1000:1000' lets it run as the owner" in said
    assert "cap_add" not in said
    # Each of the two ways out leads out.
    with pytest.raises(AssertionError, match="it started"):
        why(site, image, command=writes, user="1000:1000", mounts=(bind,))
    (data / "x").unlink()
    os.chown(data, 6379, 0)
    with pytest.raises(AssertionError, match="it started"):
        why(site, image, command=writes, user="6379", mounts=(bind,))
