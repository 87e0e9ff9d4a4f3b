"""What `kharness doctor` says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `mend` is the command, or the setting, that mends what is not `good`, or not the best."""

    what: str
    said: str
    good: bool = True
    mend: str = ""
