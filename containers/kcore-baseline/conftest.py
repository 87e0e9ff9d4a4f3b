"""Throw-away children of the base: built, listed and removed through the engine's own SDK."""

from __future__ import annotations

import io
import os
import posixpath
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import docker.errors
import pytest

ROOT = "KCORE_ROOT"
"""An image to test instead of the session's: any Alpine or Debian; /pkg and /prep are put into it."""
PLANT = r"""
mkdir -p /etc/crontabs /etc/init.d /etc/sysctl.d /opt/open /usr/local/bin /usr/local/lib/shared /usr/local/sbin
echo '* * * * * true' >/etc/crontabs/probe
for file in /etc/init.d/probe /etc/sysctl.d/probe.conf /etc/fstab /etc/probe.bak /root/probe /opt/open/file; do
    echo probe >$file
done
cp /bin/true /usr/local/sbin/probe
cp /bin/true /usr/local/sbin/kept
cp /bin/true /usr/local/bin/hexdump
cp /bin/true /usr/local/bin/setuid && chmod 4755 /usr/local/bin/setuid
cp /bin/true /usr/local/bin/setgid && chmod 2755 /usr/local/bin/setgid
cp /bin/true /usr/local/bin/kept-setuid && chmod 4755 /usr/local/bin/kept-setuid
odd=$(printf 'a b\nc\\d\303\251\377\n.') && odd=${odd%.}
echo probe >"/etc/$odd~"
echo probe >"/opt/open/$odd" && chmod 666 "/opt/open/$odd"
cp /bin/true "/usr/local/sbin/-$odd"
cp /bin/true "/usr/local/bin/$odd" && chmod 4755 "/usr/local/bin/$odd"
cp /bin/true "/usr/local/bin/kept $odd" && chmod 4755 "/usr/local/bin/kept $odd"
mkdir "/usr/local/lib/$odd" && chmod 1777 "/usr/local/lib/$odd"
ln -s /nowhere "/usr/local/bin/to $odd"
ln -s /pkg /usr/local/bin/to-pkg
chmod 777 /opt/open && chmod 666 /opt/open/file
chmod 775 /usr/local/lib/shared && chown 1500:1500 /usr/local/lib/shared
mkdir -m 700 /usr/local/lib/private
ln -s /nowhere /usr/local/bin/dangling
ln -s /data/later /usr/local/bin/kept-dangling
[ -e /usr/bin/perl ] || cp /bin/true /usr/bin/perl
echo 'intruder:x:500:500::/:/bin/sh' >>/etc/passwd
echo 'service:x:501:501::/:/bin/sh' >>/etc/passwd
echo 'web:x:1500:1500::/:/bin/sh' >>/etc/passwd
printf '%s\n' '.*:x:502:502::/:/bin/sh' 'serv.ce:x:503:503::/:/bin/sh' 'O\web:x:504:504::/:/bin/sh' >>/etc/passwd
echo 'intruder:*:1::::::' >>/etc/shadow
echo 'intruder:x:500:web' >>/etc/group
echo 'service:x:501:' >>/etc/group
echo 'web:x:1500:intruder,web,.*,root' >>/etc/group
printf '%s\n' '.*:x:502:web' '[a-z]*:x:503:' >>/etc/group
echo 'KEEP_SBIN="$KEEP_SBIN kept" KEEP_USERS="$KEEP_USERS service" KEEP_LINKS=/usr/local/bin/kept-dangling
KEEP_SETUID="/usr/local/bin/kept-setuid /usr/local/bin/kept?a?b*"
echo adjusted >/opt/adjusted
cd /etc && set +e && IFS=:' >/prep-local
"""
"""What each step of /prep has to take away, and what it has to leave, so that no promise holds for lack of a case.

The odd names have a space, line ends, a backslash, and bytes of which some are UTF-8 and some are not.
"""


@dataclass(frozen=True)
class Tree:
    """Every path of an image's file system with its tar header; paths are absolute, links are not followed."""

    entries: Mapping[str, tarfile.TarInfo]

    def __contains__(self, path: str) -> bool:
        return self.real(path) in self.entries

    def __getitem__(self, path: str) -> tarfile.TarInfo:
        return self.entries[self.real(path)]

    def real(self, path: str) -> str:
        """Return the path with links among its parents resolved: /sbin/x is /usr/sbin/x where /sbin is a link."""
        place = "/"
        for name in path.split("/")[1:-1]:
            place = posixpath.join(place, name)
            entry = self.entries.get(place)
            if entry is not None and entry.issym():
                place = posixpath.normpath(posixpath.join(posixpath.dirname(place), entry.linkname))
        return posixpath.join(place, posixpath.basename(path))

    def below(self, *directories: str) -> list[str]:
        """Return all paths below directories, the directories included."""
        tops = tuple(self.real(directory) for directory in directories)
        return [path for path in self.entries if any(path == top or path.startswith(f"{top}/") for top in tops)]


@dataclass(frozen=True)
class Ran:
    """What a command in a child answered."""

    status: int
    output: str


@dataclass
class Children:
    """Builds children; everything it made is gone when it is closed."""

    client: docker.DockerClient
    stack: ExitStack = field(default_factory=ExitStack)

    def build(self, parent: str, *steps: str, context: Mapping[str, tuple[bytes, int]] | None = None) -> str:
        """Build an image on another, `context` mapping names to content and mode; return its id."""
        dockerfile = "\n".join((f"FROM {parent}", *steps))
        files = {"Dockerfile": (dockerfile.encode(), 0o644), **(context or {})}
        image, _ = self.client.images.build(
            fileobj=io.BytesIO(_tar(files)), custom_context=True, rm=True, forcerm=True, nocache=True
        )
        self.stack.callback(self._remove, str(image.id))
        return str(image.id)

    def _remove(self, image: str) -> None:
        with suppress(docker.errors.ImageNotFound):  # it went with its last child
            self.client.images.remove(image, force=True)

    def tree(self, image: str) -> Tree:
        """List an image's file system."""
        container = self.client.containers.create(image, ["true"])
        try:
            with tempfile.TemporaryFile() as file:
                for chunk in cast("Iterator[bytes]", container.export()):
                    file.write(chunk)
                file.seek(0)
                with tarfile.open(fileobj=file) as archive:
                    return Tree({f"/{entry.name.strip('/')}": _permissions(entry) for entry in archive})
        finally:
            container.remove(force=True)

    def read(self, image: str, path: str) -> str:
        """Return a file's content."""
        return self.run(image, "cat", path).output

    def run(self, image: str, *argv: str, **options: Any) -> Ran:
        """Run a command in a container of its own; standard output and error come together."""
        with self.running(image, **options) as run:
            return run(*argv)

    @contextmanager
    def running(self, image: str, **options: Any) -> Iterator[Callable[..., Ran]]:
        """Keep a container running and give a function that runs commands in it."""
        container = self.client.containers.run(image, ["sleep", "600"], entrypoint="", detach=True, **options)

        def run(*argv: str, user: str = "", environment: Sequence[str] = ()) -> Ran:
            done = container.exec_run(list(argv), user=user, environment=list(environment))
            return Ran(cast("int", done.exit_code), cast("bytes", done.output).decode())

        try:
            yield run
        finally:
            container.remove(force=True)


@pytest.fixture(scope="session")
def children() -> Iterator[Children]:
    """Give a maker of throw-away children."""
    client = docker.from_env()
    with ExitStack() as stack:
        stack.callback(client.close)
        yield Children(client, stack)


@pytest.fixture(scope="session")
def root_image(request: pytest.FixtureRequest, children: Children) -> str:
    """Return the id of the base under test; of any other with /pkg and /prep where the variable names one."""
    named = os.environ.get(ROOT)
    if named is None:
        return str(request.getfixturevalue("image").id)
    here = Path(__file__).parent / "files"
    files = {f"files/{path.name}": (path.read_bytes(), 0o755) for path in here.iterdir()}
    return children.build(named, "COPY files/ /", context=files)


@dataclass(frozen=True)
class Child:
    """An image, its file system, and the text of its account files."""

    image: str
    tree: Tree
    text: dict[str, str]

    def __contains__(self, path: str) -> bool:
        return path in self.tree

    def __getitem__(self, path: str) -> tarfile.TarInfo:
        return self.tree[path]


@pytest.fixture(scope="session")
def child(children: Children) -> Callable[..., Child]:
    """Build a child and look at it."""

    def build(parent: str, *steps: str, **options: Any) -> Child:
        image = children.build(parent, *steps, **options)
        with children.running(image) as run:
            text = {file: run("cat", file).output for file in ("/etc/passwd", "/etc/group")}
        return Child(image, children.tree(image), text)

    return build


@pytest.fixture(scope="session")
def planted(root_image: str, child: Callable[..., Child]) -> Child:
    """Give a child in which each step of /prep has something to take away."""
    return child(
        root_image, "COPY plant /", "RUN sh -eu /plant && rm /plant", context={"plant": (PLANT.encode(), 0o644)}
    )


@pytest.fixture(scope="session")
def hardened(planted: Child, child: Callable[..., Child]) -> Child:
    """Give the same after /prep, which was run in a directory that it takes away."""
    return child(planted.image, "WORKDIR /root", "RUN /prep >/opt/report", "WORKDIR /", "USER 1500")


@pytest.fixture(scope="session")
def family(children: Children, root_image: str) -> str:
    """Return `alpine` or `debian`."""
    found = children.run(root_image, "test", "-e", "/etc/alpine-release")
    return "debian" if found.status else "alpine"


def _permissions(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mode &= 0o7777  # the engine's archives say the kind of file in the mode, too
    return entry


def _tar(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()
