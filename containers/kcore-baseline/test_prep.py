"""What /prep promises, on children of the base: gone is gone, what is kept works, each switch switches.

Something that each step has to take away is planted first, so that no promise holds for lack of a case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

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
chmod 777 /opt/open && chmod 666 /opt/open/file
chmod 775 /usr/local/lib/shared && chown 1500:1500 /usr/local/lib/shared
mkdir -m 700 /usr/local/lib/private
ln -s /nowhere /usr/local/bin/dangling
ln -s /data/later /usr/local/bin/kept-dangling
[ -e /usr/bin/perl ] || cp /bin/true /usr/bin/perl
echo 'intruder:x:500:500::/:/bin/sh' >>/etc/passwd
echo 'service:x:501:501::/:/bin/sh' >>/etc/passwd
echo 'web:x:1500:1500::/:/bin/sh' >>/etc/passwd
echo 'intruder:*:1::::::' >>/etc/shadow
echo 'intruder:x:500:web' >>/etc/group
echo 'service:x:501:' >>/etc/group
echo 'web:x:1500:intruder,web,root' >>/etc/group
echo 'KEEP_SBIN="$KEEP_SBIN kept" KEEP_USERS="$KEEP_USERS service" KEEP_SETUID=/usr/local/bin/kept-setuid
KEEP_LINKS=/usr/local/bin/kept-dangling
echo adjusted >/opt/adjusted' >/prep-local
"""

Found = Callable[[Any, str], bool]


def _has(*paths: str) -> Found:
    return lambda tree, _family: any(path in tree for path in paths)


def _has_manager(tree: Any, family: str) -> bool:
    return any(path in tree for path in {"alpine": ["/sbin/apk", "/etc/apk"], "debian": ["/usr/bin/dpkg"]}[family])


def _has_database(tree: Any, _family: str) -> bool:
    return any(path in tree for path in ("/var/lib/dpkg/status", "/lib/apk/db/installed", "/usr/lib/apk/db/installed"))


def _names(tree: Any, file: str) -> dict[str, list[str]]:
    return {line.split(":")[0]: line.split(":") for line in tree.text[file].splitlines()}


PROBES: dict[str, Found] = {
    "CRONTABS": _has("/etc/crontabs/probe"),
    "SBIN": _has("/usr/local/sbin/probe"),
    "WORLD_WRITABLE": lambda tree, _: bool((tree["/opt/open"].mode | tree["/opt/open/file"].mode) & 0o002),
    "ACCOUNTS": lambda tree, _: "intruder" in _names(tree, "/etc/passwd") or "intruder" in _names(tree, "/etc/group"),
    "ROOT_HOME": _has("/root"),
    "LOGIN_SHELLS": lambda tree, _: _names(tree, "/etc/passwd")["web"][6] == "/bin/sh",
    "PACKAGE_MANAGER": _has_manager,
    "PACKAGE_DATABASE": _has_database,
    "SYSTEM_DIRS": lambda tree, _: tree["/usr/local/lib/shared"].uid == 1500,
    "SETUID": _has("/usr/local/bin/setuid", "/usr/local/bin/setgid"),
    "DANGEROUS": _has("/usr/local/bin/hexdump"),
    "BACKUPS": _has("/etc/probe.bak"),
    "INIT": _has("/etc/init.d"),
    "KERNEL_TUNABLES": _has("/etc/sysctl.d"),
    "FSTAB": _has("/etc/fstab"),
    "DANGLING_LINKS": _has("/usr/local/bin/dangling"),
    "SELF": _has("/prep", "/pkg", "/prep-local"),
}
"""For each switch: whether what its step takes away is still there."""
HALVES = (tuple(PROBES)[::2], tuple(PROBES)[1::2])
DANGEROUS = ("hexdump", "chgrp", "chmod", "chown", "ln", "od", "strings", "su")
BIN = ("/bin", "/usr/bin", "/usr/local/bin")
SBIN = ("/sbin", "/usr/sbin", "/usr/local/sbin")


@dataclass(frozen=True)
class Child:
    """An image, its file system, and the text of its account files."""

    image: str
    tree: Any
    text: dict[str, str]

    def __contains__(self, path: str) -> bool:
        return path in self.tree

    def __getitem__(self, path: str) -> Any:
        return self.tree[path]


@pytest.fixture(scope="module")
def child(children: Any) -> Callable[..., Child]:
    def build(parent: str, *steps: str, **options: Any) -> Child:
        image = children.build(parent, *steps, **options)
        with children.running(image) as run:
            text = {file: run("cat", file).output for file in ("/etc/passwd", "/etc/group")}
        return Child(image, children.tree(image), text)

    return build


@pytest.fixture(scope="module")
def planted(root_image: str, child: Callable[..., Child]) -> Child:
    return child(
        root_image, "COPY plant /", "RUN sh -eu /plant && rm /plant", context={"plant": (PLANT.encode(), 0o644)}
    )


@pytest.fixture(scope="module")
def hardened(planted: Child, child: Callable[..., Child]) -> Child:
    return child(planted.image, "RUN /prep >/opt/report", "USER 1500")


@pytest.fixture(scope="module")
def halves(planted: Child, child: Callable[..., Child]) -> dict[str, Child]:
    """Two children, each with the switches of one half off: every switch is off in one and on in the other."""
    made = [child(planted.image, f"RUN {' '.join(f'PREP_{name}=0' for name in half)} /prep") for half in HALVES]
    return {name: made[index] for index, half in enumerate(HALVES) for name in half}


@pytest.fixture(scope="module")
def inside(hardened: Child, children: Any) -> Iterator[Any]:
    """Run commands in the hardened child, launched as kharness launches it."""
    options = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"], "init": True}
    with children.running(hardened.image, **options) as run:
        yield run


@pytest.mark.parametrize("switch", PROBES)
def test_a_step_takes_away_what_it_is_for(planted: Child, hardened: Child, family: str, switch: str) -> None:
    assert PROBES[switch](planted, family), "the probe was not planted"
    assert not PROBES[switch](hardened, family)


@pytest.mark.parametrize("switch", PROBES)
def test_a_switch_leaves_its_step_out_and_no_other(halves: dict[str, Child], family: str, switch: str) -> None:
    off = halves[switch]
    on = next(one for one in halves.values() if one is not off)

    assert PROBES[switch](off, family)
    assert not PROBES[switch](on, family)


def test_perl_goes_with_dpkg_unless_it_was_asked_for(planted: Child, hardened: Child, family: str) -> None:
    asked_for = family == "alpine" or "/var/lib/dpkg/info/perl.list" in planted

    assert ("/usr/bin/perl" in hardened) == asked_for


def test_no_program_of_sbin_is_left_but_the_kept(hardened: Child) -> None:
    left = {path.rpartition("/")[2] for path in hardened.tree.below(*SBIN)} - {"sbin"}

    assert left <= {"nologin", "ldconfig", "docker-init", "kept"}
    assert "/usr/local/sbin/kept" in hardened


def test_no_dangerous_program_is_left(hardened: Child) -> None:
    assert [f"{place}/{name}" for place in BIN for name in DANGEROUS if f"{place}/{name}" in hardened] == []


def test_no_set_uid_or_set_gid_file_is_left_but_the_kept(hardened: Child) -> None:
    found = [path for path, entry in hardened.tree.entries.items() if entry.isfile() and entry.mode & 0o6000]

    assert found == ["/usr/local/bin/kept-setuid"]


def test_nothing_is_world_writable_but_the_temporary_directories(hardened: Child) -> None:
    entries = hardened.tree.entries.items()
    found = {path for path, entry in entries if (entry.isfile() or entry.isdir()) and entry.mode & 0o002}

    assert found <= {"/tmp", "/var/tmp"}


def test_system_directories_are_roots_and_no_more_open_than_755(hardened: Child) -> None:
    paths = hardened.tree.below("/bin", "/sbin", "/lib", "/usr", "/etc")
    wrong = {
        path: oct(entry.mode)
        for path in paths
        if (entry := hardened.tree.entries[path]).isdir() and (entry.uid or entry.gid or entry.mode & ~0o755)
    }

    assert wrong == {}


def test_a_private_directory_is_not_opened(hardened: Child) -> None:
    assert hardened["/usr/local/lib/private"].mode == 0o700


def test_accounts_that_stay_are_those_of_the_dockerfile_and_the_kept(hardened: Child) -> None:
    passwd = _names(hardened, "/etc/passwd")

    assert {"web", "service", "nobody"} <= set(passwd)
    assert {name for name, entry in passwd.items() if int(entry[2]) < 1000} == {"service"}
    assert {entry[6] for entry in passwd.values()} == {"/sbin/nologin"}


def test_groups_that_stay_have_no_members_that_are_gone(hardened: Child) -> None:
    group = _names(hardened, "/etc/group")

    assert {name for name, entry in group.items() if int(entry[2]) < 1000} == {"service"}
    assert group["web"] == ["web", "x", "1500", "web"]


def test_no_link_dangles_but_the_kept(inside: Any) -> None:
    # As root: some directories are nobody's business, and a link into them does not dangle.
    found = inside("sh", "-c", 'find / -xdev -type l | while read -r l; do [ -e "$l" ] || echo "$l"; done', user="0")

    assert found.output.split() == ["/usr/local/bin/kept-dangling"]


def test_the_images_own_adjustments_are_made(hardened: Child) -> None:
    assert "/opt/adjusted" in hardened


def test_the_report_says_what_was_done_in_a_line_a_step(inside: Any, family: str) -> None:
    lines = inside("cat", "/opt/report").output.splitlines()

    assert lines[-1] == f"prep: {family}: done"
    assert any(line.startswith("prep: set-uid") and "removed:" in line for line in lines)
    assert len(lines) <= len(PROBES) + 3


@pytest.mark.parametrize(
    "command",
    ["id -u", "cat /etc/passwd", "ls -l /", "grep web /etc/passwd", "sleep 0", "date", "test -r /etc/hosts"],
)
def test_what_a_service_and_its_health_check_need_still_works(inside: Any, command: str) -> None:
    assert inside("sh", "-c", command).status == 0


def test_the_user_of_the_dockerfile_has_its_name(inside: Any) -> None:
    assert inside("id").output.startswith("uid=1500(web) gid=1500(web)")


def test_root_is_no_name_any_more_but_works_by_number(inside: Any) -> None:
    assert inside("id", "-u", user="0").output == "0\n"
    assert "root" not in inside("id", user="0").output


def test_running_it_again_changes_nothing(halves: dict[str, Child], children: Any, family: str) -> None:
    off = HALVES[0] if "SELF" in HALVES[0] else HALVES[1]
    environment = [f"PREP_{name}=0" for name in off]

    with children.running(halves["SELF"].image) as run:
        again = run("/prep", environment=environment)

    assert again.output == f"prep: {family}: done\n"
    assert again.status == 0


@pytest.fixture(scope="module")
def refusing(planted: Child, children: Any) -> Iterator[Any]:
    """Run commands where nothing can be removed."""
    with children.running(planted.image, read_only=True, tmpfs={"/tmp": "", "/opt": ""}) as run:
        yield run


def test_a_step_that_cannot_be_done_fails_and_says_which(refusing: Any) -> None:
    done = refusing("/prep")

    assert done.status == 1
    assert re.search(r"^prep: crontabs: /etc/cron\S* cannot be removed$", done.output, re.MULTILINE)


def test_it_refuses_to_work_as_somebody_else(refusing: Any) -> None:
    done = refusing("/prep", user="1500")

    assert done.status != 0
    assert "must run as root" in done.output


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("PREP_SETUIDS=0", "PREP_SETUIDS: no such switch"),
        ("PREP_SETUID=off", "PREP_SETUID: should be 0 or 1, not 'off'"),
    ],
)
def test_a_switch_that_is_mistyped_is_refused(refusing: Any, variable: str, message: str) -> None:
    done = refusing("/prep", environment=[variable])

    assert done.status == 1
    assert done.output == f"prep: {message}\n"
