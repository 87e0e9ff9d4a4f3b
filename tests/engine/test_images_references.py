from __future__ import annotations

import pytest

from kharness.engine.images import full_reference, split_reference


@pytest.mark.parametrize(
    ("ref", "parts", "full"),
    [
        ("web", ("web", "latest"), "web:latest"),
        ("web:1", ("web", "1"), "web:1"),
        ("ktools/web:live", ("ktools/web", "live"), "ktools/web:live"),
        ("host:5000/web", ("host:5000/web", "latest"), "host:5000/web:latest"),
        ("host:5000/web:1", ("host:5000/web", "1"), "host:5000/web:1"),
        ("web@sha256:aa", ("web", "sha256:aa"), "web@sha256:aa"),
        ("web:1@sha256:aa", ("web:1", "sha256:aa"), "web:1@sha256:aa"),
    ],
)
def test_a_reference_is_a_name_and_a_tag_or_digest(ref: str, parts: tuple[str, str], full: str) -> None:
    assert split_reference(ref) == parts
    assert full_reference(ref) == full
