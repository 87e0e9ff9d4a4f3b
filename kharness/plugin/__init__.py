"""The pytest plugin.

pytest would rewrite the assertions of every module of a distribution that has a plugin. None of ours asserts for a
person, and their plain byte code is there from installation on, so our modules are found by Python itself.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder


class _Plain:
    @staticmethod
    def find_spec(name: str, path: object = None, _target: object = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, path) if name.startswith("kharness.") else None  # type: ignore[arg-type]


sys.meta_path.insert(0, _Plain)
