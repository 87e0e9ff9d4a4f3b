"""Each thing that can be wrong in a file, and exactly what is said about it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Complain = Callable[..., list[str]]

PORT = "a port, or [HOST_IP:][PUBLISHED:]TARGET[/PROTOCOL]"
FOREIGN = "is a Compose key that kharness does not support"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # keys
        ("prots: [80]", "prots: unknown key, did you mean 'ports'?"),
        ("cmd: x", "cmd: unknown key, did you mean 'command'?"),
        ("xyzzy: 1", "xyzzy: unknown key"),
        ("privileged: true", f"privileged: {FOREIGN}; use cap_add and devices"),
        ("network_mode: host", f"network_mode: {FOREIGN}; use networks"),
        ("pid: host", f"pid: {FOREIGN}"),
        ("shm_size: 64m", f"shm_size: {FOREIGN}; use tmpfs, as in '/dev/shm:size=256m'"),
        ("deploy: {}", f"deploy: {FOREIGN}; use mem_limit, cpus and pids_limit"),
        ("services: {web: {}}", f"services: {FOREIGN}; a settings.yaml has the keys of one service, at the top"),
        ("test: {drift: {}}", "test.drift: does not belong below test, but at the top"),
        ("test: {expect: {}}", "test.expect: does not belong below test, but at the top"),
        ("test: {policy: {}}", "test.policy: does not belong below test, but at the top"),
        ("test: {egres: true}", "test.egres: unknown key, did you mean 'egress'?"),
        ("test: {autostart: 1}", "test.autostart: does not belong below test, but at the top"),
        ("timeout: 5m", "timeout: belongs below test"),
        ("build: {context: .}", f"build.context: {FOREIGN}; the directory itself is the context"),
        ("build: {copies: []}", "build.copies: unknown key, did you mean 'copy'?"),
        ("build: .", "build: should be a mapping, not '.'"),
        ("healthcheck: {start_interval: 1s}",
         f"healthcheck.start_interval: {FOREIGN}; readiness does not wait for the interval"),
        ("ports: [{target: 80, mode: host}]", f"ports[0].mode: {FOREIGN}"),
        ("networks: {lan: {priority: 1}}",
         f"networks.lan.priority: {FOREIGN}; the networks are joined in their order"),
        ("depends_on: {a: {required: false}}", f"depends_on.a.required: {FOREIGN}"),
        ("volumes: [{type: volume, target: /x, volume: {subpath: x}}]", f"volumes[0].volume.subpath: {FOREIGN}"),
        # policy
        ("policy: {profile: lax}", "policy.profile: should be one of strict, baseline, none, not 'lax'"),
        ("policy: {waive: {KH103: {}}}", "policy.waive.KH103.reason: is required"),
        ("policy: {waive: {KH103: {reason: ''}}}", "policy.waive.KH103.reason: should not be empty"),
        ("policy: {waive: {KH103: {reason: ' '}}}", "policy.waive.KH103.reason: should not be empty"),
        ("policy: {waive: {KH103: soon}}", "policy.waive.KH103: should be a mapping, not 'soon'"),
        ("policy: {waive: {root: {reason: x}}}",
         "policy.waive.root: should be a check's identifier such as KH110, not 'root'"),
        ("policy: {waive: {KH103: {reason: x, until: soon}}}",
         "policy.waive.KH103.until: should be a date such as 2027-03-01, not 'soon'"),
        ("policy: {waive: {KH103: {reason: x, until: 2027-02-30}}}",
         "policy.waive.KH103.until: should be a date such as 2027-03-01, not '2027-02-30'"),
        ("policy: {waive: {KH103: {reason: x, until: 20270301}}}",
         "policy.waive.KH103.until: should be a date such as 2027-03-01, not 20270301"),
        ("policy: {allow: {published: [0]}}",
         "policy.allow.published[0]: should be a port of the host such as 53/udp, not 0"),
        ("policy: {allow: {published: [http]}}",
         "policy.allow.published[0]: should be a port of the host such as 53/udp, not 'http'"),
        ("policy: {allow: {set_uid: [su]}}", "policy.allow.set_uid[0]: should be an absolute path, not 'su'"),
        ("policy: {max_age: old}", "policy.max_age: should be a duration such as 1m30s or 500ms, not 'old'"),
        # kinds of values
        ("read_only: yes", "read_only: should be true or false, not 'yes'"),
        ("read_only: 1", "read_only: should be true or false, not 1"),
        ("pids_limit: x", "pids_limit: should be a whole number, not 'x'"),
        ("pids_limit: 1.5", "pids_limit: should be a whole number, not 1.5"),
        ("pids_limit: true", "pids_limit: should be a whole number, not true"),
        ("pids_limit: -2", "pids_limit: should be at least -1, not -2"),
        ("user: true", "user: should be a user, NAME or UID, or USER:GROUP, not true"),
        ("user: a b", "user: should be a user, NAME or UID, or USER:GROUP, not 'a b'"),
        ("ports: 80", "ports: should be a list, not 80"),
        ("ports: {80: 80}", "ports: should be a list, not a mapping"),
        ("volumes: ./a:/b", "volumes: should be a list, not './a:/b'"),
        ("cap_add: CHOWN", "cap_add: should be a list, not 'CHOWN'"),
        ("test: []", "test: should be a mapping, not a list"),
        ("logging: journald", "logging: should be a mapping, not 'journald'"),
        ("mem_limit: lots", "mem_limit: should be a size such as 512m or 1gb, not 'lots'"),
        ("mem_limit: -5", "mem_limit: should be a size such as 512m or 1gb, not -5"),
        ("mem_limit: .inf", "mem_limit: should be a size such as 512m or 1gb, not .inf"),
        ("mem_limit: 99999999t", "mem_limit: should be a size such as 512m or 1gb, not '99999999t'"),
        ("stop_grace_period: soon",
         "stop_grace_period: should be a duration such as 1m30s or 500ms, not 'soon'"),
        ("stop_grace_period: 1m 30s",
         "stop_grace_period: should be a duration such as 1m30s or 500ms, not '1m 30s'"),
        ("cpus: 0", "cpus: should be a number above 0, such as 1.5, not 0"),
        ("cpus: .nan", "cpus: should be a number above 0, such as 1.5, not .nan"),
        ("user: '" + "u" * 50 + " '", f"user: should be a user, NAME or UID, or USER:GROUP, not '{'u' * 37}...'"),
        # null
        ("ports:", "ports: should have a value, not null; remove the key if its default is meant"),
        ("healthcheck:\n  test:",
         "healthcheck.test: should have a value, not null; remove the key if its default is meant"),
        ("ports: [80, ~]", "ports[1]: should have a value, not null; remove the key if its default is meant"),
        # ports
        ("ports: [http]", f"ports[0]: should be {PORT}, not 'http'"),
        ("ports: [true]", f"ports[0]: should be {PORT}, not true"),
        ("ports: ['1:2:3:4']", f"ports[0]: should be {PORT}, not '1:2:3:4'"),
        ("ports: ['::1:80:80']", f"ports[0]: should be {PORT}, not '::1:80:80'"),
        ("ports: [0]", "ports[0]: should be a port from 1 to 65535, not 0"),
        ("ports: [80, '70000:80']", "ports[1]: should be a port from 1 to 65535, not '70000:80'"),
        ("ports: ['999.0.0.1:80:80']", "ports[0]: should be an IP address, not '999.0.0.1:80:80'"),
        ("ports: [80/http]", "ports[0]: should be one of tcp, udp, sctp, not '80/http'"),
        ("ports: ['8000-8001:80']", "ports[0]: should publish as many ports as the container has in the range"),
        ("ports: ['81-80']", "ports[0]: should be a range whose second port is not below the first"),
        ("ports: [{published: 80}]", "ports[0].target: is required"),
        ("ports: [{target: x}]", "ports[0].target: should be a port from 1 to 65535, not 'x'"),
        ("ports: [{target: 80, published: 1-2}]", "ports[0].published: should be a port from 1 to 65535, not '1-2'"),
        ("ports: [{target: 80, protocol: x}]", "ports[0].protocol: should be one of tcp, udp, sctp, not 'x'"),
        ("ports: [{target: 80, host_ip: x}]", "ports[0].host_ip: should be an IP address, not 'x'"),
        ("expose: ['80:80']", "expose[0]: should be a port such as 80 or 53/udp, not '80:80'"),
        ("ports: ['80:80', '81:81', '127.0.0.1:80:8080']",
         "ports: should publish each port once, not 127.0.0.1:80/tcp twice"),
        # volumes
        ("volumes: ['data']", "volumes[0]: should be [SOURCE:]TARGET[:OPTIONS] with an absolute target, not 'data'"),
        ("volumes: ['./a:b']", "volumes[0]: should be [SOURCE:]TARGET[:OPTIONS] with an absolute target, not './a:b'"),
        ("volumes: ['a:/b:ro:x']", "volumes[0]: should be [SOURCE:]TARGET[:OPTIONS], not 'a:/b:ro:x'"),
        ("volumes: [5]", "volumes[0]: should be [SOURCE:]TARGET[:OPTIONS], not 5"),
        ("volumes: ['./a:/b:rx']", "volumes[0]: should have options such as ro, rw, nocopy, rslave, not 'rx'"),
        ("volumes: ['../a:/b']", "volumes[0]: should not leave the directory"),
        ("volumes: ['a/../../b:/b']", "volumes[0]: should not leave the directory"),
        ("volumes: ['~/a:/b']",
         "volumes[0]: should not begin with ~, whose home directory depends on who runs kharness"),
        ("volumes: ['./a:/']", "volumes[0].target: should be an absolute path below /, not '/'"),
        ("volumes: ['a b:/b']", "volumes[0]: should have a source that is a volume's name, or a path such as './a b'"),
        ("volumes: ['named:/b:rslave']", "volumes[0]: should not have rslave, which is for a directory of the host"),
        ("volumes: ['./a:/b:nocopy']", "volumes[0]: should not have nocopy, which is for a named volume"),
        ("volumes: [{type: bnd, source: /a, target: /b}]",
         "volumes[0].type: should be one of bind, volume, tmpfs, not 'bnd'"),
        ("volumes: [{source: /a, target: /b}]", "volumes[0].type: is required"),
        ("volumes: [{type: bind, target: /b}]",
         "volumes[0]: should have a source, the directory of the host to bind"),
        ("volumes: [{type: bind, source: ../a, target: /b}]", "volumes[0]: should not leave the directory"),
        ("volumes: [{type: bind, source: /a, target: b}]", "volumes[0].target: should be an absolute path, not 'b'"),
        ("volumes: [{type: volume, source: /a, target: /b}]",
         "volumes[0]: should have a source that is a volume's name, or a path such as './/a'"),
        ("volumes: [{type: bind, source: /a, target: /b, test: cpoy}]",
         "volumes[0].test: should be one of same, ro, copy, tree, empty, not 'cpoy'"),
        ("volumes: [{type: tmpfs, target: /b, test: copy}]",
         "volumes[0]: should not have test, a tmpfs is always empty"),
        ("volumes: [{type: tmpfs, source: x, target: /b}]",
         "volumes[0]: should not have a source, a tmpfs is always empty"),
        ("volumes: [{type: bind, source: /a, target: /b, tmpfs: {}}]",
         "volumes[0]: should not have tmpfs, its type is bind"),
        ("volumes: [{type: bind, source: /a, target: /b, bind: {propagation: x}}]",
         "volumes[0].bind.propagation: should be one of private, rprivate, shared, rshared, slave, rslave, not 'x'"),
        ("volumes: [{type: tmpfs, target: /b, tmpfs: {mode: 0o99}}]",
         "volumes[0].tmpfs.mode: should be an octal mode such as 0o755, not '0o99'"),
        ("volumes: [{type: tmpfs, target: /b, tmpfs: {mode: 77777}}]",
         "volumes[0].tmpfs.mode: should be an octal mode such as 0o755, not 77777"),
        ("volumes: [./a:/x, ./b:/x/]", "volumes[1]: should have a target of its own, /x is that of volumes[0]"),
        ("volumes: [./a:/tmp]\ntmpfs: [/tmp]", "tmpfs[0]: should have a target of its own, /tmp is that of volumes[0]"),
        ("tmpfs: tmp", "tmpfs[0]: should be TARGET[:OPTIONS], as in '/tmp:size=64m,mode=1777', not 'tmp'"),
        ("tmpfs: ['/tmp:sice=1m']",
         "tmpfs[0]: should have options of a tmpfs, such as size, mode, uid, noexec, not 'sice'"),
        ("tmpfs: ['/tmp:size=x']", "tmpfs[0].size: should be a size such as 512m or 1gb, not 'x'"),
        # text, lists and mappings
        ("command: echo 'x", "command: should be a command line whose quotes are closed"),
        ("command: [x, true]", "command[1]: should be text, not true"),
        ("command: {a: b}", "command: should be a list, not a mapping"),
        ("labels: x", "labels: should be a mapping, or a list of NAME=VALUE, not 'x'"),
        ("labels: {a: [b]}", "labels.a: should be text, not a list"),
        ("sysctls: {a.b: true}", "sysctls.a.b: should be text or a number, not true"),
        ("labels: [{a: b}]", "labels[0]: should be NAME=VALUE, not a mapping"),
        ("env_file: ../x.env", "env_file[0]: should not leave the directory"),
        ("env_file: [{path: x}]", "env_file[0]: should be text, not a mapping"),
        ("env_file: ''", "env_file[0]: should not be empty"),
        ("env_file: private.d/x.env",
         "env_file[0]: should not lie in private.d/, which goes into the image; keep it elsewhere"),
        # secrets
        ("secrets: [db_password]",
         ("secrets: should be a mapping of each name to its file, as in 'db_password: /etc/secrets/db_password'; a "
          "settings.yaml has one service, and no list of secrets at its top that a list here could refer to")),
        ("secrets: x", "secrets: should be a mapping, not 'x'"),
        ("secrets: {a b: x}", "secrets: should have names of letters, digits, '_', '.' and '-', not 'a b'"),
        ("secrets: {a: 3}", "secrets.a: should be the path of a file, or a mapping, not 3"),
        ("secrets: {a: ''}", "secrets.a.file: should not be empty"),
        ("secrets: {a: ~/x}",
         "secrets.a.file: should not begin with ~, whose home directory depends on who runs kharness"),
        ("secrets: {a: ../x}", "secrets.a.file: should not leave the directory"),
        ("secrets: {a: {uid: 1}}", "secrets.a.file: is required"),
        ("secrets: {a: {file: x, uid: -1}}", "secrets.a.uid: should be a number from 0 to 4294967294, not -1"),
        ("secrets: {a: {file: x, gid: web}}", "secrets.a.gid: should be a number from 0 to 4294967294, not 'web'"),
        ("secrets: {a: {file: x, uid: 4294967295}}",
         "secrets.a.uid: should be a number from 0 to 4294967294, not 4294967295"),
        ("secrets: {a: {file: x, mode: 9}}", "secrets.a.mode: should be an octal mode such as 0o755, not 9"),
        ("secrets: {a: {file: x, target: b/c}}",
         "secrets.a.target: should be an absolute path, or a name below /run/secrets, not 'b/c'"),
        ("secrets: {a: {environment: X, file: x}}",
         f"secrets.a.environment: {FOREIGN}; write it into a file, and name that as file"),
        ("secrets: {a: {external: true, file: x}}", f"secrets.a.external: {FOREIGN}"),
        ("secrets: {a: files/../private.d/x}",
         "secrets.a: should not lie in private.d/, which goes into the image; keep it elsewhere"),
        ("test: {secrets: {a: files/x}}",
         "test.secrets.a: should not lie in files/, which goes into the image; keep it elsewhere"),
        ("volumes: [/run/secrets/a]\nsecrets: {a: x}",
         "secrets.a: should have a target of its own, /run/secrets/a is that of volumes[0]"),
        ("tmpfs: [/x]\nsecrets: {a: {file: x, target: /x}}",
         "secrets.a: should have a target of its own, /x is that of tmpfs[0]"),
        ("secrets: {a: x, b: {file: y, target: a}}",
         "secrets.b: should have a target of its own, /run/secrets/a is that of secrets.a"),
        ("volumes: [/x/y]\nsecrets: {a: {file: x, target: /x}}",
         "secrets.a: should have a file as its target, and /x/y of volumes[0] is below /x"),
        ("secrets: {a: x}\ntest: {same: [secrets], volumes: [/run/secrets/a]}",
         "test.secrets.a: should have a target of its own, /run/secrets/a is that of volumes[0]"),
        ("dns: resolver", "dns[0]: should be an IP address, not 'resolver'"),
        ("extra_hosts: [nas]", "extra_hosts[0]: should be NAME=ADDRESS"),
        ("extra_hosts: [nas=there]", "extra_hosts[0]: should be an IP address, not 'there'"),
        ("extra_hosts: {nas: there}", "extra_hosts.nas: should be an IP address, not 'there'"),
        ("cap_add: [NET]", "cap_add[0]: should be a capability of Linux such as NET_BIND_SERVICE, or ALL, not 'NET'"),
        ("devices: [ttyS0]", "devices[0]: should have absolute paths, as in '/dev/ttyUSB0:/dev/ttyUSB0:rw'"),
        ("devices: ['/dev/a:/dev/b:rx']", "devices[0]: should be HOST:CONTAINER[:rwm], not '/dev/a:/dev/b:rx'"),
        ("ulimits: 5", "ulimits: should be a mapping, as in 'nofile: 1024', not 5"),
        ("ulimits: {files: 5}",
         ("ulimits.files: should be one of core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, "
          "rtprio, rttime, sigpending, stack, not 'files'")),
        ("ulimits: {nofile: {soft: 1}}", "ulimits.nofile.hard: is required"),
        ("ulimits: {nofile: {soft: 2, hard: 1}}",
         "ulimits.nofile: should have a soft limit that is not above the hard one"),
        ("restart: never", "restart: should be one of no, always, on-failure[:N], unless-stopped, not 'never'"),
        ("restart: always:3", "restart: should be one of no, always, on-failure[:N], unless-stopped, not 'always:3'"),
        ("restart: false", "restart: should be one of no, always, on-failure[:N], unless-stopped, not false"),
        ("stop_signal: stop it", "stop_signal: should be a signal such as SIGTERM, not 'stop it'"),
        ("hostname: a b", "hostname: should be a host name, not 'a b'"),
        ("container_name: -x", "container_name: should be a name of letters, digits, '_', '.' and '-', not '-x'"),
        ("working_dir: x", "working_dir: should be an absolute path, not 'x'"),
        ("networks: lan", "networks: should be a mapping, not 'lan'"),
        ("networks: [5]", "networks[0]: should be a name, not 5"),
        ("networks: {lan: {ipv4_address: '::1'}}", "networks.lan.ipv4_address: should be an IPv4 address, not '::1'"),
        ("networks: {lan: {ipv6_address: 1.2.3.4}}",
         "networks.lan.ipv6_address: should be an IPv6 address, not '1.2.3.4'"),
        ("depends_on: {a: {condition: up}}",
         ("depends_on.a.condition: should be one of service_started, service_healthy, service_completed_successfully, "
          "not 'up'")),
        ("depends_on: {a: 5}", "depends_on.a: should be a mapping, not 5"),
        ("healthcheck: {test: [curl, x]}",
         "healthcheck.test: should be a command, [CMD, PROGRAM, ...], [CMD-SHELL, COMMAND] or [NONE], not a list"),
        ("healthcheck: {retries: 0}", "healthcheck.retries: should be at least 1, not 0"),
        ("mem_limit: 1g\nmemswap_limit: 1m",
         "memswap_limit: should be at least mem_limit, it counts memory and swap together"),
        ("memswap_limit: 1g", "memswap_limit: should not be said without mem_limit"),
        ("memswap_limit: -5",
         "memswap_limit: should be a size such as 512m or 1gb, or -1 for no limit, not -5"),
        # build
        ("build: {copy: [../x]}", "build.copy[0]: should not leave the directory"),
        ("build: {copy: ['x:../../y']}", "build.copy[0].target: should not leave the directory"),
        ("build: {copy: ['x:/../y']}", "build.copy[0].target: should not leave the directory"),
        ("build: {copy: [/etc/passwd]}", "build.copy[0]: should be a relative path, not '/etc/passwd'"),
        ("build: {copy: [{source: ../x, target: y}]}", "build.copy[0].source: should not leave the directory"),
        ("build: {copy: ['a:b:c']}", "build.copy[0]: should be SOURCE[:TARGET], not 'a:b:c'"),
        ("build: {download: [{url: 'ftp://x/y', sha256: " + "a" * 64 + ", target: x}]}",
         "build.download[0].url: should be an http:// or https:// URL, not 'ftp://x/y'"),
        ("build: {download: [{url: 'https://x/y', sha256: abc, target: x}]}",
         "build.download[0].sha256: should be a SHA-256 checksum of 64 hexadecimal digits, not 'abc'"),
        ("build: {download: [{url: 'https://x/y', sha256: " + "a" * 64 + ", target: ../x}]}",
         "build.download[0].target: should not leave the directory"),
        ("build: {max_age: old}", "build.max_age: should be a duration such as 1m30s or 500ms, not 'old'"),
        # kharness's own
        ("autostart: soon", "autostart: should be a wave such as 4, or '4,host=NAME', not 'soon'"),
        ("autostart: -1", "autostart: should be a wave such as 4, or '4,host=NAME', not -1"),
        ("autostart: true", "autostart: should be a wave such as 4, or '4,host=NAME', not true"),
        ("release: {verify: never}", "release.verify: should be one of tests, none, not 'never'"),
        ("release: {data: copy}", "release.data: should be one of keep, snapshot, not 'copy'"),
        ("gate: {exclude: slow}", "gate.exclude: should be a list, not 'slow'"),
        ("test: {egress: 1}", "test.egress: should be true, false, or a list of destinations, not 1"),
        ("test: {egress: [10.0.0.1:0]}",
         ("test.egress[0]: should be a destination such as 10.1.2.3, 10.0.0.0/8:443 or mail.example.org:25, "
          "not '10.0.0.1:0'")),
        ("test: {same: [volumes]}",
         "test.same[0]: should be one of env_file, secrets, or the target of a volume, such as /data, not 'volumes'"),
        ("test: {same: [/data]}",
         "test.same[0]: should be the target of a volume with 'test: same', and none has /data"),
        ("volumes: [{type: bind, source: d, target: /data, test: same}]",
         ("volumes[0].test: should not be 'same', which lets tests write production's data; "
          "say that it is meant, with 'test: {same: [/data]}'")),
        ("volumes: [{type: bind, source: d, target: /data, test: {mount: cpoy}}]",
         "volumes[0].test.mount: should be one of same, ro, copy, tree, empty, not 'cpoy'"),
        ("volumes: [{type: bind, source: d, target: /data, test: {mount: copy, strategy: fast}}]",
         "volumes[0].test.strategy: should be one of auto, reflink, overlay, real, not 'fast'"),
        ("volumes: [{type: bind, source: d, target: /data, test: {mount: ro, strategy: real}}]",
         "volumes[0].test: should not have a strategy, which is for a copy, not for 'ro'"),
        ("test: {freeze: halt}", "test.freeze: should be one of none, pause, stop, not 'halt'"),
        ("test: {image: x:1}", "test.image: should not differ: what is tested is what is promoted"),
        ("test: {build: {target: x}}", "test.build: should not differ: what is tested is what is promoted"),
        ("test: {volumes: [./a:/x, ./b:/x]}",
         "test.volumes[1]: should have a target of its own, /x is that of volumes[0]"),
        # images
        ("image: nginx", "image: should not be said beside a Dockerfile; remove one of the two"),
        # variables
        ("command: echo $HOME",
         "command: should be without variables, not '$HOME'; write the value, or $$ for a dollar sign"),
        ("hostname: a-${B:-c}",
         "hostname: should be without variables, not '${B:-c}'; write the value, or $$ for a dollar sign"),
        ("ports: ['${PORT}:80']",
         "ports[0]: should be without variables, not '${PORT}'; write the value, or $$ for a dollar sign"),
        ("command: ${", "command: should be without variables, not '${'; write the value, or $$ for a dollar sign"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_where_it_is_and_what_it_should_be(complaints: Complain, text: str, message: str) -> None:
    assert complaints(text) == [message]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("user: root", ["image: is required, because there is no Dockerfile beside settings.yaml to build"]),
        ("image: Nginx:x y", ["image: should be an image such as nginx:1.27, not 'Nginx:x y'"]),
        ("image: [x]", ["image: should be text, not a list"]),
        ("image: x\nbuild: {target: x}", ["build: should not be said where there is no Dockerfile to build"]),
    ],
)
def test_without_a_dockerfile_an_image_is_named(complaints: Complain, text: str, messages: list[str]) -> None:
    assert complaints(text, has_dockerfile=False) == messages


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (
            "environment: {PASSWORD: }",
            [
                ("environment.PASSWORD: should have a value; kharness passes nothing on from its own environment "
                '(write "" for no text)')
            ],
        ),
        (
            "environment: [hunter2]",
            [
                ("environment[0]: should have a value; kharness passes nothing on from its own environment "
                '(write "" for no text)')
            ],
        ),
        (
            "environment: {PASSWORD: true}",
            ['environment.PASSWORD: should be text or a number, not true or false; quote it, as in "true"'],
        ),
        ("environment: {PASSWORD: [hunter2]}", ["environment.PASSWORD: should be text, not a list"]),
        (
            "environment: {PASSWORD: $hunter2}",
            ["environment.PASSWORD: should be without variables; write the value, or $$ for a dollar sign"],
        ),
        (
            "test: {environment: ['A=${hunter2}']}",
            ["test.environment[0]: should be without variables; write the value, or $$ for a dollar sign"],
        ),
        ("environment: PASSWORD=hunter2", ["environment: should be a mapping, or a list of NAME=VALUE"]),
        ("environment: [=hunter2]", ["environment[0]: should have a name without spaces before the '='"]),
        ("environment: {PASS WORD=hunter2: x}",
         ["environment.PASS WORD: should have a name without spaces before the '='"]),
        ("build: {args: {A: [hunter2]}}", ["build.args.A: should be text, not a list"]),
        ("environment: {A: *hunter2}",
         ["line 1: should be quoted if it is text; '*' begins an alias, and no such anchor is set"]),
        ("environment: {A: !hunter2 x}", ["line 1: should not have a tag of its own"]),
        ("environment: {A: 'hunter2}", ["line 1: should have its quotes closed"]),
        ("environment: {A: hunter2, A: hunter3}", ["environment.A: should be said once, it is in line 1 already"]),
    ],
)  # fmt: skip
def test_a_value_of_the_environment_is_never_shown(complaints: Complain, text: str, messages: list[str]) -> None:
    assert complaints(text) == messages
    assert "hunter" not in "".join(messages)


def test_all_problems_of_a_file_come_in_its_order(complaints: Complain) -> None:
    text = """\
restart: never
volumes:
  - ./a:/a
  - x
test:
  prots: []
read_only: maybe
command: $X
ports: [http]
read_only: true
"""
    assert [line.partition(":")[0] for line in complaints(text)] == [
        "restart",
        "volumes[1]",
        "test.prots",
        "command",
        "ports[0]",
        "read_only",
    ]


def test_one_mistake_is_told_once(complaints: Complain) -> None:
    assert len(complaints("ports: ['${A}:${B}']")) == 1
    assert len(complaints("healthcheck:")) == 1
