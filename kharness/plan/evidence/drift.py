"""What a running container changed of its image's files, beyond what its settings expect."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A sentence for each change, the worst first; made only by a scan that has found its own token."""

    left: tuple[str, ...]
