"""Container directories on disk, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent


class ContainerTree:
    """Writes container directories below a folder, as a source path has them.

    tree = ContainerTree(tmp_path / "containers")
    tree.add("web", settings="expose: [80]", dockerfile="FROM scratch", tests="def test_it(container): ...")
    """

    def __init__(self, path: Path) -> None:
        """Take the source path; it is made if it is not there."""
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def add(
        self,
        name: str,
        *,
        settings: str = "",
        dockerfile: str | None = None,
        files: Mapping[str, str | bytes] | None = None,
        private: Mapping[str, str | bytes] | None = None,
        tests: str | None = None,
    ) -> Path:
        """Write a container directory and return it; texts lose their common indentation.

        `files` go below `files/`, `private` below `private.d/`, `tests` into `test_NAME.py`. An existing directory
        keeps what is not written again.
        """
        directory = self.path / name
        write(directory / "settings.yaml", settings)
        if dockerfile is not None:
            write(directory / "Dockerfile", dockerfile)
        for folder, contents in (("files", files), ("private.d", private)):
            for relative, content in (contents or {}).items():
                write(directory / folder / relative, content)
        if tests is not None:
            write(directory / f"test_{name.replace('-', '_')}.py", tests)
        return directory


def write(file: Path, content: str | bytes) -> None:
    """Write a file and the directories that it is in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else dedent(content).lstrip("\n").encode())
