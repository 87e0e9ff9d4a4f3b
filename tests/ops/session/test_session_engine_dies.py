"""An engine that dies under a test session: the session says so, and the next one removes what is left."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kharness.errors import KharnessError
from kharness.host.session.owner import current_owner
from kharness.ops.launch.subject import instance_subject
from kharness.ops.session.reap import reap
from kharness.ops.session.session import TestSession
from kharness.plan import labels
from kharness.plan.session.modes import Mode
from tests.engine.daemons import private_daemon, why_not
from tests.ops.site import Site
from tests.rootfs import archive


@pytest.mark.usefixtures("engine")
def test_what_an_engine_that_died_could_not_remove_goes_with_the_next_session(tmp_path: Path, prefix: str) -> None:
    if reason := why_not():
        pytest.skip(reason)
    with private_daemon() as daemon:
        daemon.start()
        found = daemon.connect()
        busybox = f"{prefix}/busybox:1"
        program = Path(shutil.which("busybox") or "/bin/busybox")
        found.import_image([archive(program)], busybox, changes=['CMD ["sleep", "600"]'])
        site = Site(tmp_path / "site", found, busybox, prefix, place=secrets.randbelow(256))
        site.path.mkdir()
        directory = site.add("web", f"image: {busybox}\nvolumes: [data:/data]\ntest: {{egress: true}}\n")
        image = found.image(busybox)
        assert image is not None

        # A process that is over by the time that the next session begins.
        over = subprocess.Popen([sys.executable, "-c", ""])
        over.wait()
        harness = replace(site.harness(), owner=replace(current_owner(), pid=over.pid, start=1))
        session = TestSession(harness, session="s1", mode=Mode.STANDALONE)
        session.launch(instance_subject(directory, harness.settings(directory), image))
        daemon.kill()
        with pytest.raises(KharnessError, match="does not answer"):
            session.close()

        daemon.start()
        removed = {leftover.kind for leftover in reap(site.harness())}
        assert {"container", "network", "volume"} <= removed
        assert not found.containers(labels={labels.ROLE: labels.ROLE_TEST})
        assert not found.networks(labels={labels.ROLE: labels.ROLE_TEST})
        assert not found.volumes(labels={labels.ROLE: labels.ROLE_TEST})
        site.remove()
        found.close()
