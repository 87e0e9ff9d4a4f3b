"""What the container may do, and what has been taken from its image. Nothing here writes where it could."""

from __future__ import annotations

import pytest

from kharness import Instance

pytestmark = [pytest.mark.standalone, pytest.mark.prod_ready, pytest.mark.in_prod]


def python(container: Instance, program: str) -> str:
    result = container.exec("python3", "-c", program)
    assert result.ok, result.stderr
    return result.stdout.strip()


def test_no_process_is_root(container: Instance) -> None:
    program = """
import pathlib, re
for status in pathlib.Path("/proc").glob("[0-9]*/status"):
    print(re.search(r"^Uid:\\t(.*)$", status.read_text(), re.M)[1])
"""
    assert set(python(container, program).splitlines()) == {"8080\t8080\t8080\t8080"}


def test_the_service_has_no_capability_and_can_get_none(container: Instance) -> None:
    status = python(container, "print(open('/proc/1/status').read())")
    assert "CapEff:\t0000000000000000" in status
    assert "CapBnd:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


@pytest.mark.parametrize("path", ["/", "/watched"])
def test_the_root_and_the_volume_are_read_only(container: Instance, path: str) -> None:
    assert python(container, f"import os; print(bool(os.statvfs({path!r}).f_flag & os.ST_RDONLY))") == "True"


def test_nothing_on_a_disk_is_writable_for_the_service(container: Instance) -> None:
    # Not even where the root were writable: no file or directory of the image belongs to it or to everyone.
    program = """
import os
# The kernel's own, and the volume, which belongs to whoever prepared it.
LEFT = ("/proc", "/sys", "/dev", "/watched")
for top, directories, files in os.walk("/"):
    directories[:] = [name for name in directories if os.path.join(top, name) not in LEFT]
    for name in [*directories, *files]:
        status = os.lstat(os.path.join(top, name))
        if not os.path.islink(os.path.join(top, name)):
            if status.st_uid == 8080 or (status.st_mode & 0o002 and not status.st_mode & 0o1000):
                print(os.path.join(top, name))
"""
    assert python(container, program) == ""


@pytest.mark.parametrize("name", ["su", "chmod", "chown", "apt-get", "apk", "dpkg", "mount", "adduser"])
def test_what_an_intruder_would_like_is_gone(container: Instance, name: str) -> None:
    assert python(container, f"import shutil; print(shutil.which({name!r}))") == "None"


def test_there_is_no_root_and_nobody_can_log_in(container: Instance) -> None:
    accounts = [line.split(":") for line in python(container, "print(open('/etc/passwd').read())").splitlines()]
    assert {account[0] for account in accounts} == {"filewatch", "nobody"}
    assert {account[-1] for account in accounts} == {"/sbin/nologin"}
