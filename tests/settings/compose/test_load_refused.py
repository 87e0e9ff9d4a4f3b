"""What Compose refuses is refused here as well, with the file, the line and the key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kharness.errors import SettingsError
from kharness.settings.compose.load import load_compose
from tests.settings.compose.answers import ENVIRON

REFUSED = {
    "no image": "services: {a: {command: x}}",
    "an unknown key of a service": "services: {a: {image: a, comand: x}}",
    "an unknown key of the top": "services: {a: {image: a}}\nvolume: {}",
    "services as a list": "services: [a]",
    "a service as text": "services: {a: image}",
    "an image as a number": "services: {a: {image: 1}}",
    "a network that is not defined": "services: {a: {image: a, networks: [x]}}",
    "a volume that is not defined": "services: {a: {image: a, volumes: ['data:/data']}}",
    "a secret that is not defined": "services: {a: {image: a, secrets: [x]}}",
    "a config that is not defined": "services: {a: {image: a, configs: [x]}}",
    "a service that is not defined": "services: {a: {image: a, depends_on: [b]}}",
    "services that wait for each other": ("services: {a: {image: a, depends_on: [b]}, b: {image: b, depends_on: [a]}}"),
    "a network mode beside networks": "services: {a: {image: a, network_mode: host, networks: [x]}}\nnetworks: {x: }",
    "a port out of range": "services: {a: {image: a, ports: ['80:70000']}}",
    "a port that is none": "services: {a: {image: a, ports: ['eighty:80']}}",
    "ranges of two lengths": "services: {a: {image: a, ports: ['80-82:80-81']}}",
    "an address without brackets": "services: {a: {image: a, ports: ['::1:8080:80']}}",
    "a protocol that is none": "services: {a: {image: a, ports: ['80:80/icmp']}}",
    "a long port without a target": "services: {a: {image: a, ports: [{published: 80}]}}",
    "ports as text": "services: {a: {image: a, ports: '80:80'}}",
    "a duration without a unit": "services: {a: {image: a, healthcheck: {test: x, interval: '10'}}}",
    "a size that is none": "services: {a: {image: a, mem_limit: much}}",
    "privileged that is no boolean": "services: {a: {image: a, privileged: perhaps}}",
    "an unknown condition": "services: {a: {image: a, depends_on: {b: {condition: ready}}}, b: {image: b}}",
    "an environment of lists": "services: {a: {image: a, environment: {X: [1]}}}",
    "an unset variable that is required": "services: {a: {image: '${IMAGE:?say which}'}}",
    "a variable that is not closed": "services: {a: {image: '${IMAGE'}}",
    "a variable without a name": "services: {a: {image: 'a${}'}}",
    "a file of variables that is not there": "services: {a: {image: a, env_file: none.env}}",
    "an extended service that is not there": "services: {a: {image: a, extends: {service: b}}}",
    "an extended file that is not there": "services: {a: {extends: {file: none.yaml, service: b}}}",
    "services that extend each other": "services: {a: {extends: b}, b: {extends: a}}",
    "an included file that is not there": "include: [none.yaml]\nservices: {a: {image: a}}",
    "a mapping that is not closed": "services: {a: {image: a}",
    "a tab as indentation": "services:\n\ta: {image: a}",
    "a key twice": "services:\n  a: {image: a}\n  a: {image: b}",
    "an anchor that is not there": "services: {a: *x}",
    "a secret with two sources": "services: {a: {image: a}}\nsecrets: {s: {file: x, environment: Y}}",
    "a secret without a source": "services: {a: {image: a, secrets: [s]}}\nsecrets: {s: {}}",
    "an external volume with a driver": (
        "services: {a: {image: a, volumes: ['vol:/v']}}\nvolumes: {vol: {external: true, driver: local}}"
    ),
    "two kinds of Dockerfile": "services: {a: {build: {context: ., dockerfile: D, dockerfile_inline: FROM x}}}",
    "an unknown key of a build": "services: {a: {build: {context: ., dockerfil: D}}}",
    "a mount of an unknown type": "services: {a: {image: a, volumes: [{type: disk, source: /a, target: /b}]}}",
    "a mount of four parts": "services: {a: {image: a, volumes: ['/a:/b:ro:z']}}",
    "an unknown key of a mount": "services: {a: {image: a, volumes: [{type: bind, source: /a, target: /b, ro: true}]}}",
    "a device without a target": "services: {a: {image: a, devices: [{source: /dev/a}]}}",
    "a device of no capability": (
        "services: {a: {image: a, deploy: {resources: {reservations: {devices: [{count: 1}]}}}}}"
    ),
    "a count beside the devices' ids": ("services: {a: {image: a, gpus: [{count: 1, device_ids: ['0']}]}}"),
    "two replicas under one name": "services: {a: {image: a, container_name: aa, scale: 2}}",
    "a name of two containers": "services: {a: {image: a, container_name: aa}, b: {image: b, container_name: aa}}",
    "limits that contradict": ("services: {a: {image: a, mem_limit: 1g, deploy: {resources: {limits: {memory: 2g}}}}}"),
    "a scale that contradicts": "services: {a: {image: a, scale: 1, deploy: {replicas: 3}}}",
    "a soft limit without a hard one": "services: {a: {image: a, ulimits: {nofile: {soft: 1}}}}",
    "a quote that is not closed": 'services: {a: {image: a, command: "sh -c \'x"}}',
    "an unknown key of a health check": "services: {a: {image: a, healthcheck: {tests: x}}}",
    "an unknown way of a health check": "services: {a: {image: a, healthcheck: {test: [curl, x]}}}",
    "a user as a number": "services: {a: {image: a, user: 1000}}",
    "a dns_opt as text": "services: {a: {image: a, dns_opt: use-vc}}",
    "labels as text": "services: {a: {image: a, labels: x}}",
    "an unknown policy of pulling": "services: {a: {image: a, pull_policy: sometimes}}",
    "a name of a container with a space": "services: {a: {image: a, container_name: 'a b'}}",
    "a service with a space": "services: {'a b': {image: a}}",
    "a volume as text": "services: {a: {image: a}}\nvolumes: {vol: local}",
    "a service's namespace that is not there": "services: {a: {image: a, network_mode: 'service:b'}}",
    "a link to nothing": "services: {a: {image: a, links: [b]}}",
    "no services but text": "just text",
    "nothing": "",
    "a list of variables with numbers": "services: {a: {image: a, environment: [1]}}",
    "a host without an address": "services: {a: {image: a, extra_hosts: [only-a-name]}}",
}
"""Texts of a file, each with one fault."""
PLACE = re.compile(r"compose\.yaml: .*\bline \d+|none\.env: |compose\.yaml: should be a mapping, with services")


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_a_file_that_compose_refuses_is_refused_with_its_place(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "compose.yaml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_compose(folder, environ=ENVIRON)
    assert PLACE.search(str(caught.value)), str(caught.value)
