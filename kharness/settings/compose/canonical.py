"""The canonical form of a Compose model after its files are merged: long forms, each value in the form Compose prints.

Nothing is looked up here: neither the environment nor the file system. What is wrong is collected with its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kharness.settings.compose import deploy
from kharness.settings.compose.forms import (
    anything,
    command,
    exposed,
    fields,
    named,
    section,
    shaped,
    text_or_texts,
    texts,
)
from kharness.settings.compose.keys import (
    HEALTH,
    blkio,
    build,
    depends_on,
    develop,
    env_files,
    hooks,
    hosts,
    models,
    networks,
    provider,
    ulimits,
)
from kharness.settings.compose.mounts import devices, given, volumes
from kharness.settings.compose.ports import ports
from kharness.settings.compose.scalars import Faults, Reader, decimal, duration, flag, size, text, whole
from kharness.settings.section import Loc

PULLS = "always|never|build|if_not_present|missing|refresh|daily|weekly|every_([0-9]+[wdhms])+"
SERVICE: Mapping[str, Reader] = {
    "annotations": named(),
    "attach": flag,
    "blkio_config": blkio,
    "build": build,
    "cap_add": texts,
    "cap_drop": texts,
    "cgroup": text,
    "cgroup_parent": text,
    "command": command,
    "configs": given,
    "container_name": shaped(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", "a name of letters, digits, '_', '.' and '-'"),
    "cpu_count": whole,
    "cpu_percent": decimal,
    "cpu_period": whole,
    "cpu_quota": whole,
    "cpu_rt_period": whole,
    "cpu_rt_runtime": whole,
    "cpu_shares": whole,
    "cpus": decimal,
    "cpuset": text,
    "credential_spec": anything,
    "depends_on": depends_on,
    "deploy": deploy.deploy,
    "develop": develop,
    "device_cgroup_rules": texts,
    "devices": devices,
    "dns": text_or_texts,
    "dns_opt": texts,
    "dns_search": text_or_texts,
    "domainname": text,
    "entrypoint": command,
    "env_file": env_files,
    "environment": named(null=None),
    "expose": exposed,
    "external_links": texts,
    "extra_hosts": hosts,
    "gpus": deploy.gpus,
    "group_add": exposed,
    "healthcheck": section(HEALTH),
    "hostname": text,
    "image": text,
    "init": flag,
    "ipc": text,
    "isolation": text,
    "label_file": text_or_texts,
    "labels": named(),
    "links": texts,
    "logging": section({"driver": text, "options": named()}),
    "mac_address": text,
    "mem_limit": size,
    "mem_reservation": size,
    "mem_swappiness": size,
    "memswap_limit": size,
    "models": models,
    "network_mode": text,
    "networks": networks,
    "oom_kill_disable": flag,
    "oom_score_adj": whole,
    "pid": text,
    "pids_limit": whole,
    "platform": text,
    "ports": ports,
    "post_start": hooks,
    "pre_stop": hooks,
    "privileged": flag,
    "profiles": texts,
    "provider": provider,
    "pull_policy": shaped(PULLS, "always, never, missing, build, daily, weekly or every_DURATION"),
    "pull_refresh_after": text,
    "read_only": flag,
    "restart": text,
    "runtime": text,
    "scale": whole,
    "secrets": given,
    "security_opt": texts,
    "shm_size": size,
    "stdin_open": flag,
    "stop_grace_period": duration,
    "stop_signal": text,
    "storage_opt": named(),
    "sysctls": named(),
    "tmpfs": text_or_texts,
    "tty": flag,
    "ulimits": ulimits,
    "use_api_socket": flag,
    "user": text,
    "userns_mode": text,
    "uts": text,
    "volumes": volumes,
    "volumes_from": texts,
    "working_dir": text,
}


def canonical_service(service: Mapping[str, Any], loc: Loc, faults: Faults) -> dict[str, Any]:
    """Return a service in its long form; `extends` is resolved before."""
    if loc and not re.fullmatch(r"[a-zA-Z0-9._-]+", str(loc[-1]), re.ASCII):
        faults.append((loc, "should have a name of letters, digits, '.', '_' and '-'"))
    said = {key: value for key, value in service.items() if key != "extends"}
    return fields(said, SERVICE, loc, faults)
