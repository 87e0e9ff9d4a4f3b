"""For tests of kharness and of what is built on it: an engine in memory, and container directories on disk."""

from __future__ import annotations

from kharness.testing.engine import FakeEngine
from kharness.testing.recording import Call
from kharness.testing.tree import ContainerTree

__all__ = ["Call", "ContainerTree", "FakeEngine"]
