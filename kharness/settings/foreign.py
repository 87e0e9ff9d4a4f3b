"""Keys that are known from Compose or from other tools, and what to say about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

UNSUPPORTED: Mapping[str, Mapping[str, str]] = {
    "service": {
        "annotations": "",
        "attach": "",
        "blkio_config": "",
        "cgroup": "",
        "cgroup_parent": "",
        "configs": "put the file into files/ or private.d/",
        "cpu_count": "use cpus",
        "cpu_percent": "use cpus",
        "cpu_period": "use cpus",
        "cpu_quota": "use cpus",
        "cpu_rt_period": "",
        "cpu_rt_runtime": "",
        "credential_spec": "",
        "develop": "",
        "device_cgroup_rules": "use devices",
        "extends": "use a YAML anchor",
        "external_links": "use networks",
        "gpus": "",
        "isolation": "",
        "label_file": "use labels",
        "links": "use depends_on and networks",
        "mem_swappiness": "memswap_limit as high as mem_limit allows no swap",
        "models": "",
        "oom_kill_disable": "",
        "post_start": "",
        "pre_stop": "",
        "profiles": "a container without autostart is started by hand alone",
        "provider": "",
        "pull_refresh_after": "use --rebuild, which pulls again",
        "scale": "",
        "storage_opt": "",
        "use_api_socket": "",
        "userns_mode": "",
        "uts": "",
        "volumes_from": "name the same volumes",
        "version": "",
        "services": "a settings.yaml has the keys of one service, at the top",
    },
    "build": {
        "cache_from": "",
        "cache_to": "",
        "entitlements": "",
        "isolation": "",
        "platforms": "",
        "privileged": "",
        "provenance": "",
        "sbom": "",
        "secrets": "the engine takes none without a client's session; mount an image instead",
        "ssh": "the engine takes none without a client's session",
        "tags": "kharness moves the tags latest, live and prev itself",
    },
    "deploy": {
        "endpoint_mode": "",
        "labels": "use labels",
        "mode": "",
        "placement": "",
        "replicas": "",
        "restart_policy": "use restart",
        "rollback_config": "",
        "update_config": "",
    },
    "deploy.resources": {"reservations": "limits alone are supported"},
    "env_file": {"format": ""},
    "volumes": {"cluster": "", "image": "", "npipe": ""},
    "volumes.bind": {"recursive": ""},
    "volumes.volume": {"labels": "", "subpath": ""},
    "networks": {
        "driver_opts": "",
        "gw_priority": "",
        "interface_name": "",
        "link_local_ips": "",
        "priority": "the networks are joined in their order",
    },
    "depends_on": {"required": "", "restart": ""},
    "secrets": {
        "content": "write it into a file, and name that as file",
        "driver": "",
        "environment": "write it into a file, and name that as file",
        "external": "",
        "labels": "",
        "name": "the key before it is its name",
        "source": "the key before it is its name",
        "template_driver": "",
    },
}
"""Section, key, and what to use instead (nothing where there is no obvious replacement)."""

_NO = (False, "false")
_YES = (True, "true")
HARMLESS: Mapping[str, Mapping[str, tuple[object, ...]]] = {
    "service": {
        "attach": (*_NO, *_YES),
        "oom_kill_disable": _NO,
        "scale": (1, "1"),
        "use_api_socket": _NO,
    },
    "build": {
        "context": (".", "./"),
        "privileged": _NO,
    },
    "deploy": {"mode": ("replicated",), "replicas": (1, "1")},
    "depends_on": {"required": _YES, "restart": _NO},
    "volumes.bind": {"recursive": ("enabled",)},
}
"""Values of such keys that are Compose's own default, or change nothing here: said aloud they are passed over."""

SERVICE: Mapping[str, str] = {
    "cap-add": "cap_add",
    "cmd": "command",
    "env": "environment",
    "memory": "mem_limit",
    "mounts": "volumes",
    "name": "container_name",
    "port": "ports",
    "ulimit": "ulimits",
    "workdir": "working_dir",
}
MEANT: Mapping[str, Mapping[str, str]] = {
    "service": SERVICE,
    "test": SERVICE,
    "expect": {"addr": "tcp", "port": "tcp"},
    "expect.http": {"body": "text", "url": "path"},
    "expect.tcp": {"reachable": "listening"},
    "expect.dns": {"addresses": "answers", "addrs": "answers", "resolvable": "rcode"},
    "expect.command": {
        "exec": "command",
        "exit-status": "status",
        "exitCode": "status",
        "expectedError": "output",
        "expectedOutput": "output",
        "stderr": "output",
        "stdout": "output",
    },
    "expect.file": {"gid": "group", "permissions": "mode", "shouldExist": "exists", "text": "contents", "uid": "owner"},
}
"""Names from the command line, from Dockerfiles and from other tools, by section, that are too far from the key for a
comparison of letters.
"""

MISPLACED: Mapping[str, tuple[frozenset[str], str]] = {
    "service": (frozenset({"egress", "same", "timeout"}), "belongs below test"),
    "test": (
        frozenset({"autostart", "drift", "expect", "gate", "policy", "prepare", "release", "test"}),
        "does not belong below test, but at the top",
    ),
}
"""Keys of the one place that are written in the other."""


def harmless(place: str) -> Mapping[str, tuple[object, ...]]:
    """Return the keys of a section that are passed over with these values."""
    return HARMLESS.get("service" if place == "test" else place, {})


def explain_key(key: str, *, place: str, known: Iterable[str]) -> str:
    """Say what is the matter with a key that a section does not have."""
    keys, message = MISPLACED.get(place, (frozenset(), ""))
    if key in keys:
        return message
    service = place in {"service", "test"}
    hint = UNSUPPORTED.get("service" if service else place, {}).get(key)
    if hint is not None:
        return "is a Compose key that kharness does not support" + (f"; {hint}" if hint else "")
    nearest = get_close_matches(key.lower(), known, n=1, cutoff=0.6)
    meant = MEANT.get(place, {}).get(key)
    if nearest or meant:
        return f"unknown key, did you mean '{meant or nearest[0]}'?"
    return "unknown key"


def nearest_key(key: str, known: Iterable[str]) -> str:
    """Say that a key is unknown, and which one is probably meant."""
    nearest = get_close_matches(key.lower(), list(known), n=1, cutoff=0.6)
    meant = SERVICE.get(key)
    return f"unknown key, did you mean '{meant or nearest[0]}'?" if meant or nearest else "unknown key"
