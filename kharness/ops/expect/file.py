"""A file inside the container."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kharness.ops.expect.until import until
from kharness.ops.instance import Instance
from kharness.ops.waiting import NotYetError
from kharness.plan.expected import Text, lacks, with_texts
from kharness.plan.facts import ExecResult

ABSENT = re.compile("No such file or directory|Not a directory")
"""What stat(1) says of a file that is not there; whatever else it says, nobody knows."""


def expect_file(
    instance: Instance,
    path: str,
    *,
    exists: bool = True,
    texts: Sequence[Text] = (),
    mode: int | None = None,
    owner: str | None = None,
    group: str | None = None,
    timeout: float,
) -> None:
    """Expect a file or directory, links followed, or with `exists=False` none; all the texts are in it.

    `owner` and `group` are names or numbers. Asked with the image's own stat and cat, by the container's user. Raises
    `ExpectationError`.
    """
    wanted = f"{path} to exist{with_texts(texts)}" if exists else f"{path} not to exist"
    wanted += f" with mode {mode:o}" if mode is not None else ""
    wanted += f" owned by {owner}" if owner is not None else ""
    wanted += f" with group {group}" if group is not None else ""

    def look(left: float) -> None:
        found = instance.exec("stat", "-L", "-c", "%a %u %U %g %G", path, environment={"LC_ALL": "C"}, timeout=left)
        said = (found.stderr or found.stdout).strip()
        if not exists:
            _absent(found, said)
            return
        if not found.ok:
            raise NotYetError(said)
        bits, uid, user, gid, members = found.stdout.split()
        if mode is not None and int(bits, 8) != mode:
            raise NotYetError(f"mode {bits}")
        _belongs("owner", owner, uid, user)
        _belongs("group", group, gid, members)
        if texts:
            _contains(instance.exec("cat", path, timeout=left), texts)

    until(look, wanted=wanted, timeout=timeout, hidden=instance.secrets)


def _absent(found: ExecResult, said: str) -> None:
    if found.ok:
        raise NotYetError("it exists")
    if not ABSENT.search(said):
        raise NotYetError(said)


def _belongs(what: str, wanted: str | None, number: str, name: str) -> None:
    if wanted is not None and wanted not in {number, name}:
        raise NotYetError(f"{what} {name} ({number})")


def _contains(found: ExecResult, texts: Sequence[Text]) -> None:
    if not found.ok:
        raise NotYetError((found.stderr or found.stdout).strip())
    if lacks(found.stdout, texts):
        raise NotYetError(f"the text {found.stdout}")
