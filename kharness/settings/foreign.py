"""Keys that are known from Compose or from other tools, and what to say about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

UNSUPPORTED: Mapping[str, Mapping[str, str]] = {
    "service": {
        "annotations": "use labels",
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
        "cpu_shares": "use cpus",
        "cpuset": "use cpus",
        "credential_spec": "",
        "deploy": "use mem_limit, cpus and pids_limit",
        "develop": "",
        "device_cgroup_rules": "use devices",
        "dns_opt": "",
        "dns_search": "",
        "domainname": "use a full name as hostname",
        "extends": "use a YAML anchor",
        "external_links": "use networks",
        "gpus": "use devices",
        "group_add": "use user with a group, as in 'NAME:GROUP'",
        "ipc": "",
        "isolation": "",
        "label_file": "use labels",
        "links": "use depends_on and networks",
        "mac_address": "",
        "mem_reservation": "use mem_limit",
        "mem_swappiness": "use memswap_limit",
        "models": "",
        "network_mode": "use networks",
        "oom_kill_disable": "",
        "oom_score_adj": "",
        "pid": "",
        "platform": "",
        "post_start": "",
        "pre_stop": "",
        "privileged": "use cap_add and devices",
        "profiles": "use autostart",
        "provider": "",
        "pull_refresh_after": "use build.max_age",
        "pull_policy": "use --pull, or build.max_age",
        "runtime": "",
        "scale": "",
        "shm_size": "use tmpfs, as in '/dev/shm:size=256m'",
        "storage_opt": "",
        "use_api_socket": "",
        "userns_mode": "",
        "uts": "",
        "volumes_from": "name the same volumes",
        "version": "",
        "services": "a settings.yaml has the keys of one service, at the top",
    },
    "build": {
        "additional_contexts": "use build.copy",
        "cache_from": "",
        "cache_to": "",
        "context": "the directory itself is the context",
        "dockerfile": "the Dockerfile beside settings.yaml is built",
        "dockerfile_inline": "the Dockerfile beside settings.yaml is built",
        "entitlements": "",
        "extra_hosts": "",
        "isolation": "",
        "labels": "use LABEL in the Dockerfile",
        "network": "",
        "no_cache": "use --rebuild",
        "platforms": "",
        "privileged": "",
        "provenance": "",
        "pull": "use --pull, or build.max_age",
        "sbom": "",
        "secrets": "",
        "shm_size": "",
        "ssh": "",
        "tags": "kharness moves the tags latest, live and prev itself",
        "ulimits": "",
    },
    "healthcheck": {"start_interval": "readiness does not wait for the interval"},
    "ports": {"app_protocol": "", "mode": "", "name": ""},
    "volumes": {"cluster": "", "consistency": "", "image": "", "npipe": ""},
    "volumes.bind": {"recursive": "", "selinux": ""},
    "volumes.volume": {"labels": "", "subpath": ""},
    "networks": {
        "driver_opts": "",
        "gw_priority": "",
        "interface_name": "",
        "link_local_ips": "",
        "mac_address": "",
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
