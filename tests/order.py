"""The order of test files where workers share them out: the longest first, or one works alone at the end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
LONGEST = (
    "plugin/test_main_job.py",
    "soak/test_soak.py",
    "cli/test_fleet.py",
    "plugin/test_interrupt.py",
    "plugin/test_sessions.py",
    "plugin/test_coexistence.py",
    "plugin/test_fixtures.py",
    "plugin/test_bases.py",
    "plugin/test_copies.py",
    "engine/test_base_debian.py",
    "ops/release/test_data_on_engine.py",
    "engine/test_userns.py",
    "plugin/test_declared_checks.py",
    "plugin/test_declared.py",
    "plugin/test_secrets.py",
    "plugin/test_proof.py",
    "plugin/test_verdicts.py",
    "plugin/test_gate.py",
    "ops/release/test_on_engine.py",
    "cli/commands/test_lifecycle_life.py",
    "cli/commands/test_release.py",
    "cli/commands/test_data.py",
    "plugin/test_concurrency.py",
    "plugin/test_fixtures_library.py",
)
"""The files that take longer than all others; not exactly in order, and it does no harm when others come to be."""


def longest_first(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return the items with those of the longest files first; items of one file stay together and in their order."""
    places = {TESTS / name: place for place, name in enumerate(LONGEST)}
    return sorted(items, key=lambda item: places.get(item.path, len(places)))
