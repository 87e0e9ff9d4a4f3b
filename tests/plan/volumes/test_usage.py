"""Which containers have a directory in hand."""

from __future__ import annotations

import pytest

from kharness.plan import labels
from kharness.plan.facts import ContainerFacts, MountFacts
from kharness.plan.volumes.usage import mounters


def container(source: str, *, writable: bool = True, role: str | None = None) -> ContainerFacts:
    mount = MountFacts(kind="bind", source=source, target="/data", writable=writable)
    return ContainerFacts(id="1", name="web", image_id="i", mounts=(mount,), labels={labels.ROLE: role} if role else {})


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("/dv/web/data", True),
        ("/dv/web", True),
        ("/", True),
        ("/dv/web/data/in", True),
        ("/dv/web/database", False),
        ("/dv/other", False),
        ("", False),
    ],
)
def test_who_mounts_a_directory_above_or_below_has_it_in_hand(source: str, *, found: bool) -> None:
    assert bool(mounters([container(source)], "/dv/web/data")) is found


def test_who_only_reads_does_not_write() -> None:
    reader = container("/dv/web/data", writable=False)
    assert mounters([reader], "/dv/web/data") == (reader,)
    assert mounters([reader], "/dv/web/data", writable=True) == ()


def test_a_test_instance_has_nothing_of_production_s_in_hand() -> None:
    assert mounters([container("/dv/web/data", role=labels.ROLE_TEST)], "/dv/web/data") == ()
