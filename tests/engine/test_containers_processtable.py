"""Which processes are a container's, on a /proc made of files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from kharness.engine.containers import processes_beside

HYBRID = "9:memory:{0}\n8:pids:{0}\n0::/\n"
UNIFIED = "0::{0}\n"


def process(proc: Path, pid: int, groups: str, *words: str, parent: int = 1, namespace: int = 1) -> None:
    place = proc / str(pid)
    (place / "ns").mkdir(parents=True)
    (place / "ns/pid").symlink_to(f"pid:[{namespace}]")
    (place / "cgroup").write_text(groups)
    (place / "status").write_text(f"Name:\tnginx: w\nPPid:\t{parent}\nUid:\t0\t101\t0\t0\n")
    (place / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))


def test_a_container_s_processes_are_in_its_groups_or_below(tmp_path: Path) -> None:
    for form, start in ((HYBRID, 0), (UNIFIED, 1000)):
        process(tmp_path, start + 10, form.format("/docker/ab"), "nginx", "-g", "daemon off;")
        process(tmp_path, start + 9, form.format("/docker/ab/system"), "sh", parent=start + 10)
        process(tmp_path, start + 11, form.format("/docker/abc"), "other")
        process(tmp_path, start + 12, form.format("/docker/ab"), parent=start + 10)
        process(tmp_path, start + 13, form.format("/"), "host")
        (tmp_path / str(start + 14)).mkdir()
        found = [(each.pid, each.ppid, each.uid, each.command) for each in processes_beside(start + 10, proc=tmp_path)]
        assert found == [
            (start + 9, start + 10, "101", "sh"),
            (start + 10, 1, "101", "nginx -g daemon off;"),
            (start + 12, start + 10, "101", "[nginx: w]"),
        ]


def test_where_groups_say_nothing_the_namespace_does(tmp_path: Path) -> None:
    process(tmp_path, 10, UNIFIED.format("/"), "web", namespace=2)
    process(tmp_path, 11, UNIFIED.format("/"), "its-child", namespace=2)
    process(tmp_path, 12, UNIFIED.format("/"), "host", namespace=1)
    assert [each.command for each in processes_beside(10, proc=tmp_path)] == ["web", "its-child"]


def test_one_that_has_ended_has_none_beside_it(tmp_path: Path) -> None:
    assert processes_beside(10, proc=tmp_path) == ()


def test_this_process_is_beside_itself() -> None:
    [own] = [each for each in processes_beside(os.getpid()) if each.pid == os.getpid()]
    said = subprocess.run(
        ["ps", "-o", "ppid=,uid=", "-p", str(own.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert [str(own.ppid), own.uid] == said
