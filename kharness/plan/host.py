"""The host: listening sockets and published ports, names of programs, and the systemd units of kharness. Pure.

Tables of sockets are the kernel's (proc(5), `/proc/net/tcp`, `tcp6`, `udp` and `udp6`).
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from kharness.plan.facts import ContainerFacts, PublishedPort
from kharness.plan.launch.runspec import Publish

LISTEN, UNCONNECTED = "0A", "07"
"""States: a listening TCP socket, and a UDP socket without a peer."""
_V4, _MAPPED = 8, "0" * 20 + "FFFF"


def listening_ports(tables: Iterable[str], *, state: str = LISTEN) -> frozenset[int]:
    """Return the ports of sockets in a state, except those bound to loopback alone, which other hosts cannot reach."""
    found = set()
    for table in tables:
        for line in table.splitlines()[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == state:  # noqa: PLR2004 - the columns up to `st`
                address, _, port = fields[1].partition(":")
                if not _loopback(address):
                    found.add(int(port, 16))
    return frozenset(found)


def _loopback(address: str) -> bool:
    # Addresses are words of 32 bits in the byte order of the machine, each printed as one number. All of 127.0.0.0/8:
    # on networks of its own an engine answers names at 127.0.0.11, inside the container.
    if address.startswith(_swapped(_MAPPED)):
        address = address[-_V4:]
    if len(address) == _V4:
        return _swapped(address).startswith("7F")
    return _swapped(address) == "0" * 31 + "1"


def _swapped(words: str) -> str:
    if sys.byteorder == "big":
        return words
    parts = (words[at : at + _V4] for at in range(0, len(words), _V4))
    return "".join(bytes.fromhex(part)[::-1].hex().upper() for part in parts)


EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - what the engine calls all addresses of the host


def fixed(publish: Iterable[Publish]) -> tuple[Publish, ...]:
    """Return those whose port on the host was said; for the others the engine finds a free one."""
    return tuple(each for each in publish if isinstance(each.host_port, int) and each.host_port)


def clash(wanted: Publish, has: PublishedPort) -> bool:
    """Whether both are the same port of the host, at an address that they have in common."""
    if (wanted.host_port, wanted.port.protocol) != (has.host_port, has.port.protocol):
        return False
    one, other = wanted.host_ip or "", has.host_ip
    return one == other or _covers(one, other) or _covers(other, one)


def taken_by_containers(
    publish: Iterable[Publish], containers: Iterable[ContainerFacts], *, but: Iterable[str] = ()
) -> Iterator[tuple[Publish, str]]:
    """Yield each wanted port that a running container has, with its name; those with the ids `but` are left out."""
    left_out = frozenset(but)
    others = [each for each in containers if each.up and each.id not in left_out]
    for wanted in fixed(publish):
        for each in others:
            if any(clash(wanted, has) for has in each.published):
                yield wanted, each.name
                break


def address_text(wanted: Publish) -> str:
    """Return a port of the host as people read it, `127.0.0.1:8080/tcp`."""
    host = f"[{wanted.host_ip}]" if ":" in (wanted.host_ip or "") else wanted.host_ip
    port = f"{wanted.host_port}/{wanted.port.protocol}"
    return port if wanted.host_ip in {None, *EVERYWHERE} else f"{host}:{port}"


def _covers(address: str, other: str) -> bool:
    if address not in EVERYWHERE:
        return False
    return not address or not other or (":" in address) == (":" in other)


def programs(command: str) -> frozenset[str]:
    """Return the names by which people know the program of a command line, `httpd` of `/usr/sbin/httpd -f`.

    A service that writes over its command line says its name before a colon (`nginx: worker process`), a login shell
    after a dash. One that has ended and was not reaped (`[httpd] <defunct>`) runs no program.
    """
    return frozenset({command.partition(" ")[0], program(command)})


def program(command: str) -> str:
    """Return the last part of the program's name, `httpd` of `/usr/sbin/httpd -f`."""
    return posixpath.basename(command.partition(" ")[0].removeprefix("-").rstrip(":"))


MARK = "# Written by 'kharness service install'; 'kharness service remove' removes it."
"""The first line of each unit, which marks it as ours."""
_PLAIN = re.compile(r"[A-Za-z0-9_./:=@,+-]+")


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a project's units; without a project, those from before there were projects."""

    project: str = ""

    @property
    def recover(self) -> str:
        """The service that finishes or undoes releases; the timer starts it."""
        return f"{self._stem}-recover.service"

    @property
    def timer(self) -> str:
        """The timer of that service."""
        return f"{self._stem}-recover.timer"

    @property
    def up(self) -> str:
        """The service that starts containers with the host."""
        return f"{self._stem}-up.service"

    @property
    def every(self) -> tuple[str, ...]:
        """All units."""
        return self.recover, self.timer, self.up

    @property
    def enabled(self) -> tuple[str, ...]:
        """The units that start by themselves."""
        return self.timer, self.up

    @property
    def _stem(self) -> str:
        return f"kharness-{self.project}" if self.project else "kharness"


def units(
    command: Sequence[str], *, project: str, directory: PurePosixPath, environment: Mapping[str, str]
) -> dict[str, str]:
    """Return file names and texts of a project's units.

    `command` runs kharness, `directory` is where, `environment` what it reads.
    """
    names = Names(project)
    run = " ".join(map(_word, command))
    where = [f"WorkingDirectory={_value(str(directory))}"]
    where += [f"Environment={_quoted(f'{name}={value}')}" for name, value in sorted(environment.items())]
    return {
        names.recover: _unit(
            Unit={
                "Description": f"Finish or undo releases of {project} that were cut short",
                "Wants": "docker.service",
                "After": "docker.service network-online.target",
            },
            Service=["Type=oneshot", *where, f"ExecStart={run} recover"],
        ),
        names.timer: _unit(
            Unit={"Description": f"Look for releases of {project} that were cut short"},
            Timer=["OnBootSec=30s", "OnUnitInactiveSec=5min"],
            Install=["WantedBy=timers.target"],
        ),
        names.up: _unit(
            Unit={
                "Description": f"Start the containers of {project}, wave by wave",
                # Wanted, not required: what cannot be recovered of one container keeps no other from starting.
                "Wants": f"docker.service {names.recover}",
                "After": f"docker.service {names.recover}",
            },
            Service=["Type=oneshot", "RemainAfterExit=yes", *where, f"ExecStart={run} up-all --keep-going"],
            Install=["WantedBy=multi-user.target"],
        ),
    }


def _unit(**sections: Mapping[str, str] | Sequence[str]) -> str:
    lines = [MARK]
    for name, said in sections.items():
        entries = [f"{key}={value}" for key, value in said.items()] if isinstance(said, Mapping) else list(said)
        lines += ["", f"[{name}]", *entries]
    return "\n".join(lines) + "\n"


def _value(text: str) -> str:
    return text.replace("%", "%%")


def _word(text: str) -> str:
    # In a command line a dollar sign means a variable; elsewhere it means itself, systemd.exec(5).
    return _quoted(text).replace("$", "$$")


def _quoted(text: str) -> str:
    # systemd splits at spaces, and reads backslashes, quotes and percent signs.
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{escaped}"'
