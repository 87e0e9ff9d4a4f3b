"""The table of plain keys: Compose keys that pass through to the engine as they are.

The model's field, `RunSpec`, the create body, the docker line, the traits, `explain`, the JSON schema and the flags of
commands are made from it. A key that only passes through is one row here and one line in docs/settings.yaml.

Read by commands that only look at containers: settings models are not imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from enum import Enum, auto
from typing import Any

NONE = "none"
IMAGE = "the image's"
ENGINE = "the engine's"
EMPTY: Mapping[str, str] = {}
SAME_LIMITS = {"memory": "mem_limit", "cpus": "cpus", "pids": "pids_limit"}
"""Keys of `deploy.resources.limits`, and the plain keys that mean the same."""


class ValueKind(Enum):
    """How a value is read from a file, and how the engine, its client and `ps` write it."""

    TEXT = auto()
    HOSTNAME = auto()
    DOMAIN = auto()
    USER = auto()
    PATH = auto()
    SIGNAL = auto()
    CPUSET = auto()
    IPC = auto()
    PID = auto()
    FLAG = auto()
    NATURAL = auto()
    SCORE = auto()
    LIMIT = auto()
    SIZE = auto()
    SIGNED_SIZE = auto()
    CPUS = auto()
    DURATION = auto()
    NAMES = auto()
    OPTIONS = auto()
    ADDRESSES = auto()
    DOMAINS = auto()
    CAPABILITIES = auto()
    PARAMETERS = auto()


@dataclass(frozen=True, slots=True)
class PlainKey:
    """A key, what it is for the engine, and what holds where it is not set."""

    key: str
    kind: ValueKind
    field: str
    """Its place in the body of a create request, behind `HostConfig.` for the fields of that."""
    flag: str
    """The option of `docker run`."""
    text: str
    """What it does, in a sentence: for the JSON schema and `--settings`."""
    _: KW_ONLY
    built: Any = None
    """The default for images that kharness builds, where it is another one than Docker's."""
    default: str = NONE
    """The default of other images, in words."""
    unset: Any = None
    """What a `RunSpec` has by default; None is left out of the create body."""
    filled: bool = False
    """Whether the engine or the image fills it in, so that a container may have it without a request."""
    shared: bool = False
    """Whether the host's configuration may set it for all containers."""
    of_host: tuple[Any, ...] = ()
    """Values that open the host to the container: a test instance has them only where `test` sets them."""

    @property
    def place(self) -> tuple[str, ...]:
        """The path of its field in a create body."""
        return tuple(self.field.split("."))


# fmt: off
PLAIN = (
    PlainKey("hostname", ValueKind.HOSTNAME, "Hostname", "--hostname",
             "Its own name; the directory's name by default.", filled=True),
    PlainKey("domainname", ValueKind.DOMAIN, "Domainname", "--domainname", "The domain of its name.", filled=True),
    PlainKey("user", ValueKind.USER, "User", "--user",
             "NAME or UID, or USER:GROUP, in place of the image's USER.", default=IMAGE, filled=True),
    PlainKey("group_add", ValueKind.NAMES, "HostConfig.GroupAdd", "--group-add",
             "More groups of its user, by name or gid."),
    PlainKey("working_dir", ValueKind.PATH, "WorkingDir", "--workdir",
             "In place of the image's WORKDIR.", default=IMAGE, filled=True),
    PlainKey("init", ValueKind.FLAG, "HostConfig.Init", "--init",
             "Run a small init that reaps orphans and passes signals on.", built=True, filled=True, shared=True),
    PlainKey("tty", ValueKind.FLAG, "Tty", "--tty", "Give it a terminal.", unset=False),
    PlainKey("stdin_open", ValueKind.FLAG, "OpenStdin", "--interactive", "Keep its standard input open.", unset=False),
    PlainKey("runtime", ValueKind.TEXT, "HostConfig.Runtime", "--runtime",
             "The OCI runtime that runs it, by the engine's name for it.", default=ENGINE, filled=True, shared=True),
    PlainKey("dns", ValueKind.ADDRESSES, "HostConfig.Dns", "--dns",
             "Name servers in place of the engine's.", default=ENGINE, unset=(), shared=True),
    PlainKey("dns_search", ValueKind.DOMAINS, "HostConfig.DnsSearch", "--dns-search",
             "Domains in which short names are looked up.", default=ENGINE, shared=True),
    PlainKey("dns_opt", ValueKind.NAMES, "HostConfig.DnsOptions", "--dns-option",
             "Options of its resolver, such as ndots:2.", default=ENGINE),
    PlainKey("read_only", ValueKind.FLAG, "HostConfig.ReadonlyRootfs", "--read-only",
             "Whether the root file system is read-only.", built=True, unset=False, shared=True),
    PlainKey("cap_drop", ValueKind.CAPABILITIES, "HostConfig.CapDrop", "--cap-drop",
             "Capabilities taken away.", built=("ALL",), unset=(), shared=True),
    PlainKey("cap_add", ValueKind.CAPABILITIES, "HostConfig.CapAdd", "--cap-add",
             "Capabilities that it has beyond those left by cap_drop.", unset=()),
    PlainKey("privileged", ValueKind.FLAG, "HostConfig.Privileged", "--privileged",
             "All capabilities and devices, and none of the engine's protection of the host.", of_host=(True,)),
    PlainKey("security_opt", ValueKind.OPTIONS, "HostConfig.SecurityOpt", "--security-opt",
             "no-new-privileges, seccomp and AppArmor profiles.",
             built=("no-new-privileges:true",), unset=(), shared=True),
    PlainKey("ipc", ValueKind.IPC, "HostConfig.IpcMode", "--ipc",
             "Its shared memory and semaphores: none, private, shareable, or the host's.",
             default=ENGINE, of_host=("host",)),
    PlainKey("pid", ValueKind.PID, "HostConfig.PidMode", "--pid",
             "host lets it see and signal the processes of the host.", of_host=("host",)),
    PlainKey("sysctls", ValueKind.PARAMETERS, "HostConfig.Sysctls", "--sysctl",
             "Kernel parameters of its namespaces.", unset=EMPTY, shared=True),
    PlainKey("mem_limit", ValueKind.SIZE, "HostConfig.Memory", "--memory", "The most memory it may use.", shared=True),
    PlainKey("memswap_limit", ValueKind.SIGNED_SIZE, "HostConfig.MemorySwap", "--memory-swap",
             "Memory and swap together; -1 is no limit.", shared=True),
    PlainKey("mem_reservation", ValueKind.SIZE, "HostConfig.MemoryReservation", "--memory-reservation",
             "The memory that it keeps when the host runs short of it.", shared=True),
    PlainKey("shm_size", ValueKind.SIZE, "HostConfig.ShmSize", "--shm-size",
             "How much its /dev/shm may hold.", default="64m, the engine's", filled=True, shared=True),
    PlainKey("oom_score_adj", ValueKind.SCORE, "HostConfig.OomScoreAdj", "--oom-score-adj",
             "How readily the kernel kills it when memory runs out, from -1000 (never) to 1000."),
    PlainKey("cpus", ValueKind.CPUS, "HostConfig.NanoCpus", "--cpus",
             "How many processors it may keep busy.", shared=True),
    PlainKey("cpu_shares", ValueKind.NATURAL, "HostConfig.CpuShares", "--cpu-shares",
             "Its weight where containers compete for processors.", default="1024, the engine's"),
    PlainKey("cpuset", ValueKind.CPUSET, "HostConfig.CpusetCpus", "--cpuset-cpus",
             "The processors that it may use, such as 0-3 or 0,2.", default="all"),
    PlainKey("pids_limit", ValueKind.LIMIT, "HostConfig.PidsLimit", "--pids-limit",
             "How many processes and threads it may have; -1 is no limit.", built=512, shared=True),
    PlainKey("stop_signal", ValueKind.SIGNAL, "StopSignal", "--stop-signal",
             "In place of the image's STOPSIGNAL.", default=IMAGE, filled=True),
    PlainKey("stop_grace_period", ValueKind.DURATION, "StopTimeout", "--stop-timeout",
             "The time between the stop signal and SIGKILL.", default="10s, the engine's", filled=True, shared=True),
)
# fmt: on
"""All plain keys, in the order of a docker line."""
BY_KEY: Mapping[str, PlainKey] = {row.key: row for row in PLAIN}
