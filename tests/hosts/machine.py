"""A host that runs: its own root, processes, network, mounts, name, /run, /proc and /sys; the kernel is the machine's.

The root is changed by pivot_root(2): after a mere chroot an exec into a container would land in the machine's root,
because the runtime joins the mount namespace.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hosts.network import Network
from tests.hosts.recipe import HostsUnavailableError, Recipe
from tests.hosts.store import Store

PREFIX = "kharness-host-"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
COPIED = (Path("/etc/resolv.conf"), Path("/etc/pip.conf"), Path("/root/.config/pip/pip.conf"), CERTIFICATES)
"""Files of the machine by which a host reaches what the machine reaches."""
PASSED = ("PIP_INDEX_URL", "PIP_CERT", "PIP_DEFAULT_TIMEOUT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_SCRIPT = r"""
set -eu
root=$1
hostname "$2"
mount --make-rprivate /
mount -t overlay -o "lowerdir=$3,upperdir=$4/upper,workdir=$4/work" overlay "$root"
# The engines' own overlays cannot be made on an overlay, and tests measure what a real file system does.
for directory in root srv tmp var/tmp var/lib/containerd var/lib/containers var/lib/docker var/lib/kharness; do
    mkdir -p "$root/$directory" "$4/plain/$directory"
    chmod --reference="$root/$directory" "$4/plain/$directory"
    mount --bind "$4/plain/$directory" "$root/$directory"
done
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir -p "$root/run/lock" "$root/.old"
cd "$root"
pivot_root . .old
cd /
umount -l /.old
rmdir /.old
echo started
exec >/dev/null 2>&1
# As the first process of its namespace it reaps what others leave.
sleep infinity &
while :; do wait; done
"""


@dataclass(frozen=True, kw_only=True)
class Done:
    """A command that has ended; `output` is what it wrote to both of its streams, in order."""

    argv: tuple[str, ...]
    status: int
    output: str
    seconds: float

    def __str__(self) -> str:
        return f"`{' '.join(self.argv)}` ended with status {self.status} after {self.seconds:.1f} s\n{self.output}"


@dataclass(frozen=True, kw_only=True)
class Host:
    """A running host: its name, its address on the network, and its first process as the machine numbers it.

    `changes` is the directory of what differs in its root from what it was started from.
    """

    name: str
    address: str
    recipe: Recipe
    init: int
    changes: Path

    @property
    def root(self) -> Path:
        """The host's root directory as the machine sees it."""
        return Path(f"/proc/{self.init}/root")

    def run(
        self,
        *argv: str,
        status: int | None = 0,
        cwd: str = "/root",
        environ: Mapping[str, str] | None = None,
        timeout: float = 600.0,
    ) -> Done:
        """Run a command in the host as root; AssertionError where it ends with another status, None takes all."""
        variables = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb", **passed_on(), **(environ or {})}
        words = [f"{name}={value}" for name, value in variables.items()]
        enter = ["nsenter", f"--target={self.init}", "--mount", "--uts", "--ipc", "--net", "--pid"]
        begun = time.monotonic()
        with subprocess.Popen(
            [*enter, "--", "/usr/bin/env", "-i", "-C", cwd, *words, *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=timeout)
            except BaseException as error:
                os.killpg(process.pid, signal.SIGKILL)
                if isinstance(error, subprocess.TimeoutExpired):
                    output = process.communicate()[0]
                    pytest.fail(f"`{' '.join(argv)}` still ran after {timeout:g} s\n{output}")
                raise
        done = Done(argv=argv, status=process.returncode, output=output, seconds=time.monotonic() - begun)
        assert status is None or done.status == status, f"{self.recipe.suite}: {done}"
        return done

    def write(self, path: str, text: str) -> None:
        """Write a file of the host."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        # A link would lead to a file of the machine.
        file.unlink(missing_ok=True)
        file.write_text(text, encoding="utf-8")


@contextmanager
def host(recipe: Recipe, network: Network, store: Store, *, above: Sequence[Path] = ()) -> Iterator[Host]:
    """Start a host, made first where it is not kept; at the end its processes, mounts, links and files are gone.

    Directories `above` are laid over its root, the first at the top; neither they nor what is kept are changed.
    """
    lower = (*above, store.tree(store.archive(recipe)))
    with ExitStack() as undo:
        place = Path(tempfile.mkdtemp(prefix=PREFIX))
        undo.callback(shutil.rmtree, place)
        for part in ("root", "upper", "work", "plain"):
            (place / part).mkdir()
        name = f"{recipe.suite}-{secrets.token_hex(3)}"
        with network.namespace(name) as address:
            process = _start(name, place, lower)
            undo.callback(_end, process, place)
            made = Host(name=name, address=address, recipe=recipe, init=_child_of(process), changes=place / "upper")
        made.write("/etc/hosts", f"127.0.0.1 localhost\n{address} {name}\n")
        for file in filter(Path.exists, COPIED):
            made.write(str(file), file.read_text(encoding="utf-8"))
        settle_firewall(made)
        yield made


def settle_firewall(made: Host) -> None:
    """Let a host that has iptables use the tables that this kernel has."""
    there = made.run("sh", "-c", "command -v iptables", status=None).status == 0
    if there and made.run("iptables", "-w", "-t", "nat", "-S", status=None).status:
        for program in ("iptables", "ip6tables"):
            made.run("update-alternatives", "--set", program, f"/usr/sbin/{program}-legacy")


def passed_on() -> dict[str, str]:
    """Return the machine's variables by which pip and TLS find their way."""
    return {name: os.environ[name] for name in PASSED if name in os.environ}


def _start(name: str, place: Path, lower: Sequence[Path]) -> subprocess.Popen[str]:
    # All of the host's processes die with its first one, that with unshare, and unshare with this process.
    argv = ["setpriv", "--pdeathsig", "KILL", "nsenter", f"--net=/run/netns/{name}", "unshare"]
    argv += ["--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--"]
    process = subprocess.Popen(
        [*argv, "bash", "-c", _SCRIPT, "host", str(place / "root"), name, ":".join(map(str, lower)), str(place)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = process.stdout.readline() if process.stdout else ""
    if said.strip() != "started":
        rest = process.communicate()[0]
        raise HostsUnavailableError(f"{name} does not start: {said}{rest}")
    return process


def _child_of(process: subprocess.Popen[str]) -> int:
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()[0])


def _end(process: subprocess.Popen[str], place: Path) -> None:
    # With its first process all of a namespace's end, before unshare sees it.
    with suppress(ProcessLookupError, IndexError, FileNotFoundError):
        os.kill(_child_of(process), signal.SIGKILL)
    process.communicate()
    _remove_cgroups(place / "plain/var/lib/docker/containers")


def _remove_cgroups(containers: Path) -> None:
    """Remove the control groups of containers that ran to the end."""
    ids = {each.name for each in containers.iterdir()} if containers.is_dir() else set[str]()
    for directory, _, _ in os.walk("/sys/fs/cgroup", topdown=False) if ids else ():
        if ids & set(Path(directory).parts):
            with suppress(OSError):
                Path(directory).rmdir()
