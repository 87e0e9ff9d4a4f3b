"""The harness of a pytest process: opened once, where it is first needed."""

from __future__ import annotations

import os

import pytest

from kharness.ops.harness import Harness, Report, open_harness, silent
from kharness.plugin.hosting import host_of
from kharness.plugin.selection import project_of

HARNESS = pytest.StashKey[Harness]()


def harness_of(config: pytest.Config, report: Report = silent) -> Harness:
    """Return the process's harness; `pytest.UsageError` is the caller's translation of what this raises."""
    if HARNESS not in config.stash:
        config.stash[HARNESS] = open_harness(
            project=project_of(config), environ=os.environ, report=report, host=host_of(config)
        )
    return config.stash[HARNESS]
