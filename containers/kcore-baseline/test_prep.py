"""What /prep promises, on children of the base: gone is gone, what is kept works, each switch switches.

What each step has to take away was planted before, see conftest.py.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

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
ODD = os.fsdecode(b"a b\nc\\d\xc3\xa9\xff\n")
"""What may stand in a name: a space, line ends, a backslash, UTF-8 and what is none."""


@pytest.fixture(scope="module")
def halves(planted: Any, child: Callable[..., Any]) -> dict[str, Any]:
    """Two children, each with the switches of one half off: every switch is off in one and on in the other."""
    made = [child(planted.image, f"RUN {' '.join(f'PREP_{name}=0' for name in half)} /prep") for half in HALVES]
    return {name: made[index] for index, half in enumerate(HALVES) for name in half}


@pytest.fixture(scope="module")
def inside(hardened: Any, children: Any) -> Iterator[Any]:
    """Run commands in the hardened child, launched as kharness launches it."""
    options = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"], "init": True}
    with children.running(hardened.image, **options) as run:
        yield run


@pytest.mark.parametrize("switch", PROBES)
def test_a_step_takes_away_what_it_is_for(planted: Any, hardened: Any, family: str, switch: str) -> None:
    assert PROBES[switch](planted, family), "the probe was not planted"
    assert not PROBES[switch](hardened, family)


@pytest.mark.parametrize("switch", PROBES)
def test_a_switch_leaves_its_step_out_and_no_other(halves: dict[str, Any], family: str, switch: str) -> None:
    off = halves[switch]
    on = next(one for one in halves.values() if one is not off)

    assert PROBES[switch](off, family)
    assert not PROBES[switch](on, family)


def test_perl_goes_with_dpkg_unless_it_was_asked_for(planted: Any, hardened: Any, family: str) -> None:
    asked_for = family == "alpine" or "/var/lib/dpkg/info/perl.list" in planted

    assert ("/usr/bin/perl" in hardened) == asked_for


def test_no_program_of_sbin_is_left_but_the_kept(hardened: Any) -> None:
    left = {path.rpartition("/")[2] for path in hardened.tree.below(*SBIN)} - {"sbin"}

    assert left <= {"nologin", "ldconfig", "docker-init", "kept"}
    assert "/usr/local/sbin/kept" in hardened


def test_no_dangerous_program_is_left(hardened: Any) -> None:
    assert [f"{place}/{name}" for place in BIN for name in DANGEROUS if f"{place}/{name}" in hardened] == []


def test_no_set_uid_or_set_gid_file_is_left_but_the_kept(hardened: Any) -> None:
    found = [path for path, entry in hardened.tree.entries.items() if entry.isfile() and entry.mode & 0o6000]

    assert sorted(found) == [f"/usr/local/bin/kept {ODD}", "/usr/local/bin/kept-setuid"]


def test_nothing_is_world_writable_but_the_temporary_directories(hardened: Any) -> None:
    entries = hardened.tree.entries.items()
    found = {path for path, entry in entries if (entry.isfile() or entry.isdir()) and entry.mode & 0o002}

    assert found <= {"/tmp", "/var/tmp"}


def test_system_directories_are_roots_and_no_more_open_than_755(hardened: Any) -> None:
    paths = hardened.tree.below("/bin", "/sbin", "/lib", "/usr", "/etc")
    wrong = {
        path: oct(entry.mode)
        for path in paths
        if (entry := hardened.tree.entries[path]).isdir() and (entry.uid or entry.gid or entry.mode & ~0o755)
    }

    assert wrong == {}


@pytest.mark.parametrize(
    "path",
    [f"/etc/{ODD}~", f"/usr/local/sbin/-{ODD}", f"/usr/local/bin/{ODD}", f"/usr/local/bin/to {ODD}"],
    ids=["backup", "sbin", "set-uid", "dangling link"],
)
def test_a_name_may_be_anything_and_what_has_it_is_taken_away(planted: Any, hardened: Any, path: str) -> None:
    assert path in planted
    assert path not in hardened


@pytest.mark.parametrize(("path", "before", "after"), [("/opt/open", 0o666, 0o664), ("/usr/local/lib", 0o1777, 0o755)])
def test_a_name_may_be_anything_and_what_has_it_is_closed(
    planted: Any, hardened: Any, path: str, before: int, after: int
) -> None:
    assert planted[f"{path}/{ODD}"].mode == before
    assert hardened[f"{path}/{ODD}"].mode == after


def test_a_link_to_what_goes_last_goes_with_it(planted: Any, hardened: Any) -> None:
    assert "/usr/local/bin/to-pkg" in planted
    assert "/usr/local/bin/to-pkg" not in hardened


def test_a_private_directory_is_not_opened(hardened: Any) -> None:
    assert hardened["/usr/local/lib/private"].mode == 0o700


def test_accounts_that_stay_are_those_of_the_dockerfile_and_the_kept(hardened: Any) -> None:
    passwd = _names(hardened, "/etc/passwd")

    assert {"web", "service", "nobody"} <= set(passwd)
    assert {name for name, entry in passwd.items() if int(entry[2]) < 1000} == {"service"}
    assert {entry[6] for entry in passwd.values()} == {"/sbin/nologin"}


def test_groups_that_stay_have_no_members_that_are_gone(hardened: Any) -> None:
    group = _names(hardened, "/etc/group")

    assert {name for name, entry in group.items() if int(entry[2]) < 1000} == {"service"}
    assert group["web"] == ["web", "x", "1500", "web"]


def test_no_link_dangles_but_the_kept(inside: Any) -> None:
    # As root: some directories are nobody's business, and a link into them does not dangle.
    found = inside("sh", "-c", 'find / -xdev -type l | while read -r l; do [ -e "$l" ] || echo "$l"; done', user="0")

    assert found.output.split() == ["/usr/local/bin/kept-dangling"]


def test_the_images_own_adjustments_are_made(hardened: Any) -> None:
    assert "/opt/adjusted" in hardened


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


def test_running_it_again_changes_nothing(halves: dict[str, Any], children: Any, family: str) -> None:
    off = HALVES[0] if "SELF" in HALVES[0] else HALVES[1]
    environment = [f"PREP_{name}=0" for name in (*off, "REPORT")]

    with children.running(halves["SELF"].image) as run:
        again = run("/prep", environment=environment)

    assert again.output == f"prep: {family}: done\n"
    assert again.status == 0


@pytest.fixture(scope="module")
def refusing(planted: Any, children: Any) -> Iterator[Any]:
    """Run commands where nothing can be removed."""
    with children.running(planted.image, read_only=True, tmpfs={"/tmp": "", "/opt": ""}) as run:
        yield run


def test_a_step_that_cannot_be_done_fails_and_says_which(refusing: Any) -> None:
    done = refusing("/prep")

    assert done.status == 1
    assert re.search(r"^prep: crontabs: /etc/cron\S* cannot be removed$", done.output, re.MULTILINE)


@pytest.fixture(scope="module")
def scratch(planted: Any, children: Any) -> Iterator[Callable[[str], Any]]:
    """Run shell commands as root where everything may be changed."""
    with children.running(planted.image) as run:
        yield lambda text: run("sh", "-c", text)


@pytest.mark.parametrize("line", ["exit 0", "false", "if then", "echo $unknown", "trap - EXIT; exit 3"])
def test_a_prep_local_that_ends_it_fails_it(scratch: Any, line: str) -> None:
    done = scratch(f"echo '{line}' >/prep-local; /prep")

    assert done.status != 0
    assert "done" not in done.output
    if "trap" not in line:
        assert re.search(r"^prep: ended in the middle of /prep-local, with status \d$", done.output, re.MULTILINE)


def test_a_search_that_fails_fails_the_step(scratch: Any) -> None:
    script = 'printf "#!/bin/sh\n%s \\"\\$@\\"; exit 1" "$(command -v find)"'
    done = scratch(
        f"rm -f /prep-local; mkdir /shim; {script} >/shim/find; chmod 755 /shim/find; PATH=/shim:$PATH /prep"
    )

    assert done.status == 1
    assert done.output.endswith("prep: sbin: cannot search\n")


def test_an_empty_list_of_directories_names_none(scratch: Any) -> None:
    off = " ".join(f"PREP_{name}=0" for name in (*PROBES, "PERL", "REPORT") if name != "SYSTEM_DIRS")
    done = scratch(f"rm -f /prep-local; cd /opt; {off} SYSTEM_DIRS= /prep")

    assert (done.status, done.output.count("\n")) == (0, 1)
    assert scratch("stat -c %a /opt/open /usr/local/lib/shared").output.split() == ["777", "775"]


def test_what_is_neither_alpine_nor_debian_is_refused(scratch: Any) -> None:
    away = "for file in alpine-release debian_version; do mv /etc/$file /etc/not-$file; done 2>/dev/null"
    back = "for file in alpine-release debian_version; do mv /etc/not-$file /etc/$file; done 2>/dev/null"
    done = scratch(f"{away}; /prep; status=$?; {back}; exit $status")

    assert (done.status, done.output) == (1, "prep: knows Alpine and Debian, and this is neither\n")


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
