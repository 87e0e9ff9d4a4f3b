"""Compose projects from a grammar of what people write, as texts that are JSON and so YAML."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

NAMES = st.sampled_from(["web", "db", "cache-1", "my_app"])
WORDS = st.sampled_from(
    ["a", "two words", "x=y", "", "it's", "${A}", "${B:-b}", "$$A", "$(x)", "5$", "true", "012", "~"]
)
SCALARS = WORDS | st.booleans() | st.integers(-(10**6), 10**6) | st.sampled_from([0.5, 1.0, 1e6, 1.25e-7, 12345678.5])
KEYS = st.sampled_from(["A", "B", "a.b", "C_1", "some-key"])
MAPPED = st.dictionaries(KEYS, SCALARS | st.none(), max_size=4)
PAIRS = st.lists(st.builds("{}={}".format, KEYS, WORDS), max_size=4, unique=True)
ENVIRONMENT = MAPPED | PAIRS | st.lists(KEYS, max_size=2, unique=True)
PORTS = st.sampled_from(
    [
        *(80, "80", "8080:80", "127.0.0.1:8081:80", "9000-9002:90-92", "53:53/udp", "[::1]:82:82", "7000-7010:70"),
        *("127.0.0.1::83", "3000-3001", {"target": 84}, {"target": 85, "published": "8085", "protocol": "udp"}),
        *({"target": 86, "published": 8086, "host_ip": "127.0.0.1", "mode": "host"}, ":8087:87", "0:88"),
    ]
)
MOUNTS = st.sampled_from(
    [
        *("/anon", "data:/data", "./a:/a:ro", "../up:/up", "~/x:/x:Z", "/abs/:/abs/:rslave", "data:/n:nocopy,ro"),
        *({"type": "tmpfs", "target": "/t", "tmpfs": {"size": "1m"}}, {"type": "volume", "target": "/v"}),
        {"type": "bind", "source": "./b", "target": "/b", "bind": {"create_host_path": False}, "read_only": True},
        {"type": "volume", "source": "data", "target": "/w", "volume": {"nocopy": True, "subpath": "s"}},
    ]
)
COMMANDS = st.sampled_from(["a b", "sh -c 'a b'", ["x", "$$y"], [], "", None, 'a "b c" d\\ e', "--k=v\n--l=w\n"])
DURATIONS = st.sampled_from(["0s", "10s", "1m30s", "1.5s", "500ms", "90m", "1h"])
SIZES = st.sampled_from(["1g", "512m", "1.5gb", 1048576, "100kb", "64M"])
TEXTS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3, unique=True)


def some(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keys)


HEALTH = some(
    test=st.sampled_from(["curl x", ["CMD", "a", "b"], ["CMD-SHELL", "a || b"]]),
    interval=DURATIONS,
    timeout=DURATIONS,
    start_period=DURATIONS,
    retries=st.integers(0, 5),
    disable=st.booleans(),
)
DEPLOY = some(
    replicas=st.integers(0, 1),
    labels=MAPPED,
    resources=some(limits=some(cpus=st.sampled_from(["0.5", 1, "2.0"]), memory=SIZES)),
    restart_policy=some(condition=st.sampled_from(["any", "none"]), delay=DURATIONS, max_attempts=st.integers(1, 3)),
)
BUILD = st.sampled_from([".", "./dir", "../up"]) | st.fixed_dictionaries(
    {"context": st.sampled_from([".", "./x", "https://example.org/r.git"])},
    optional={"dockerfile": st.just("D"), "args": ENVIRONMENT, "target": st.just("t"), "no_cache": st.booleans()},
)
SERVICE = st.fixed_dictionaries(
    {"image": st.sampled_from(["a", "r.example.org/x/y:1", "img:${TAG:-latest}"])},
    optional={
        "build": BUILD,
        "command": COMMANDS,
        "entrypoint": COMMANDS,
        "environment": ENVIRONMENT,
        "labels": MAPPED | PAIRS,
        "ports": st.lists(PORTS, max_size=4, unique_by=str),
        "volumes": st.lists(MOUNTS, max_size=4, unique_by=str),
        "networks": st.sampled_from([["front"], {"front": None, "default": {"aliases": ["x"]}}, ["default"], {}]),
        "healthcheck": HEALTH,
        "deploy": DEPLOY,
        "restart": st.sampled_from(["no", "always", "on-failure:3"]),
        "init": st.booleans(),
        "tty": st.booleans() | st.sampled_from(["true", "${YES:-true}"]),
        "read_only": st.booleans(),
        "shm_size": SIZES,
        "stop_grace_period": DURATIONS,
        "cap_add": TEXTS,
        "dns": st.just("1.1.1.1") | st.just(["1.1.1.1", "8.8.8.8"]),
        "tmpfs": st.just("/run") | st.just(["/run", "/tmp:size=1m"]),
        "extra_hosts": st.sampled_from([["b:1.1.1.1", "a=::1"], {"h": "2.2.2.2"}]),
        "sysctls": st.sampled_from([{"net.a": 1}, ["net.b=2"]]),
        "ulimits": st.sampled_from([{"nofile": 5}, {"nproc": {"soft": 1, "hard": 2}}]),
        "secrets": st.sampled_from([["s"], [{"source": "s", "target": "t", "mode": 256}]]),
        "user": st.sampled_from(["0", "1000:1000"]),
        "logging": some(driver=st.just("json-file"), options=st.just({"max-size": "1m", "max-file": 3})),
        "devices": st.sampled_from([["/dev/a"], ["/dev/a:/dev/b:r"]]),
        "security_opt": TEXTS,
        "group_add": st.sampled_from([["a", 1]]),
        "expose": st.sampled_from([["80", 81]]),
        "profiles": st.sampled_from([["off"], []]),
    },
)


def _project(services: dict[str, Any], order: list[str]) -> dict[str, Any]:
    """Let each service wait for some that are before it, and define what services name.

    One publishes ports: two that publish the same are refused here, and by an engine only where they run at once.
    """
    found: dict[str, Any] = {}
    for name, said in services.items():
        service = {key: value for key, value in said.items() if key != "ports" or not found}
        others = [other for other in found if other in order and not found[other].get("profiles")]
        found[name] = {**service, **({"depends_on": others} if others else {})}
    return {
        "services": found,
        "networks": {"front": {"internal": True}},
        "volumes": {"data": None},
        "secrets": {"s": {"file": "./s"}},
    }


PROJECTS = st.builds(
    _project, st.dictionaries(NAMES, SERVICE, min_size=1, max_size=3), st.lists(NAMES, max_size=3)
).map(lambda project: json.dumps(project, indent=1))
