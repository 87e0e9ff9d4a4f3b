"""pytest as the gate in front of production, for containers on your own hosts.

The public names load when they are first used: this module loads in every pytest run of its environment.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kharness.errors import KharnessError
    from kharness.ops.session.instance import Instance
    from kharness.ops.session.library import instance
    from kharness.plugin.fixtures import instance_fixture

_HOMES = {
    "Instance": "kharness.ops.session.instance",
    "KharnessError": "kharness.errors",
    "instance": "kharness.ops.session.library",
    "instance_fixture": "kharness.plugin.fixtures",
}

__all__ = ["Instance", "KharnessError", "instance", "instance_fixture"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
