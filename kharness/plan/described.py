"""What a container directory is made of, without asking an engine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A container directory: the wave and the only host of its autostart, whether it is built, how it is tested.

    `test_files` is how many there are, `expects` whether its settings expect something; both make it testable.
    `broken` says why its settings cannot be read: then what they say is not known.
    """

    name: str
    path: str
    wave: int | None = None
    host: str | None = None
    buildable: bool = False
    test_files: int = 0
    expects: bool = False
    broken: str = ""

    @property
    def testable(self) -> bool:
        """Whether a session has something to run."""
        return self.expects or self.test_files > 0

    def starts_on(self, host: str) -> bool:
        """Whether it starts with a host."""
        return self.wave is not None and self.host in {None, host}
