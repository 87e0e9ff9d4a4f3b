from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from time import perf_counter

import pytest

from kharness.errors import SettingsError
from kharness.settings.compose.load import load_compose
from kharness.settings.compose.project import ComposeProject


def load(folder: Path, files: Mapping[str, str], *profiles: str, **environ: str) -> ComposeProject:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(dedent(text))
    return load_compose(folder, environ=environ, profiles=profiles)


def problems(folder: Path, files: Mapping[str, str], **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(folder, files, **environ)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_the_callers_environment_wins_over_env_files(tmp_path: Path) -> None:
    project = load(
        tmp_path,
        {
            ".env": "TAG=1\nNAME=env\n",
            "a.env": "A=$TAG\nB=file\n",
            "compose.yaml": """
                services:
                  web: {image: "$NAME:$TAG", env_file: [a.env, {path: no.env, required: false}],
                        environment: [B=own, TAG, GONE]}
            """,
        },
        NAME="caller",
    )
    assert project.services["web"]["image"] == "caller:1"
    assert project.services["web"]["environment"] == {"A": "1", "B": "own", "TAG": "1", "GONE": None}


@pytest.mark.parametrize(
    ("environ", "expected"), [({}, "said"), ({"COMPOSE_PROJECT_NAME": "env"}, "env"), ({"N": "x"}, "x")]
)
def test_the_projects_name_is_the_environments_or_the_files(
    tmp_path: Path, environ: dict[str, str], expected: str
) -> None:
    project = load(tmp_path, {"compose.yaml": 'name: "${N:-said}"\nservices: {a: {image: b}}\n'}, **environ)
    assert project.name == expected
    assert project.networks == {"default": {"name": f"{expected}_default", "ipam": {}}}


def test_files_are_merged_in_their_order(tmp_path: Path) -> None:
    files = {
        "compose.yaml": "services: {a: {image: b, ports: [80:80]}}",
        "compose.override.yml": "services: {a: {image: c, ports: !reset []}}",
        "other.yaml": "services: {z: {image: z}}",
    }
    assert load(tmp_path, files).services["a"] == {
        "command": None,
        "entrypoint": None,
        "image": "c",
        "networks": {"default": None},
    }
    both = load(tmp_path, files, COMPOSE_FILE="compose.yaml:other.yaml")
    assert list(both.services) == ["a", "z"]
    assert "ports" in both.services["a"]


def test_services_extend_others_with_the_paths_of_their_file(tmp_path: Path) -> None:
    project = load(
        tmp_path,
        {
            "sub/base.yaml": "services: {base: {build: ., volumes: ['./x:/x'], env_file: a.env}}",
            "sub/a.env": "A=1",
            "compose.yaml": """
                services:
                  web: {extends: {file: sub/base.yaml, service: base}, environment: {B: 2}}
                  two: {extends: web, image: two}
            """,
        },
    )
    two = project.services["two"]
    assert two["build"] == {"context": f"{tmp_path}/sub", "dockerfile": "Dockerfile"}
    assert [mount["source"] for mount in two["volumes"]] == [f"{tmp_path}/sub/x"]
    assert two["environment"] == {"A": "1", "B": "2"}


def test_included_files_have_their_own_directory_and_variables(tmp_path: Path) -> None:
    project = load(
        tmp_path,
        {
            "sub/compose.yaml": "services: {inc: {image: 'i:$V', volumes: ['./q:/q']}}",
            "sub/.env": "V=7\n",
            "compose.yaml": "include: [sub/compose.yaml]\nservices: {a: {image: b, depends_on: [inc]}}",
        },
    )
    assert project.services["inc"]["image"] == "i:7"
    assert [mount["source"] for mount in project.services["inc"]["volumes"]] == [f"{tmp_path}/sub/q"]
    assert project.services["a"]["depends_on"] == {"inc": {"condition": "service_started", "required": True}}


def test_profiles_and_namespaces_decide_what_is_needed(tmp_path: Path) -> None:
    files = {
        "compose.yaml": """
            services:
              vpn: {image: v}
              app: {image: a, network_mode: "service:vpn"}
              dbg: {image: d, profiles: [debug]}
        """
    }
    project = load(tmp_path, files)
    assert list(project.services) == ["vpn", "app"]
    assert list(project.disabled) == ["dbg"]
    assert list(project.services["app"]["depends_on"]) == ["vpn"]
    assert list(load(tmp_path, files, "debug").services) == ["vpn", "app", "dbg"]


def test_an_octal_number_stays_as_it_is_written_and_is_remarked(tmp_path: Path) -> None:
    project = load(tmp_path, {"compose.yaml": "services: {a: {image: b, environment: {UMASK: 022, ON: true}}}"})
    assert project.services["a"]["environment"] == {"UMASK": "022", "ON": "true"}
    assert len(project.remarks) == 1
    assert "UMASK" in str(project.remarks[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("services: {a: {image: '${GONE:?set it}'}}", "services.a.image (line 1): should have the variable GONE set"),
        ("include: [no.yaml]", "include[0] (line 1): should name files that are there"),
        ("include: [compose.yaml]", "include[0] (line 1): should not lead back"),
        ("services: {a: {extends: a}}", "services.a.extends (line 1): should not lead back"),
        ("services: {a: {extends: {file: no.yaml, service: a}}}", "services.a.extends (line 1): should name a file"),
        ("services: {a: {extends: b}}", "services.a.extends (line 1): should name a service"),
        ("services: {a: {image: i, depends_on: [b]}}", "services.a.depends_on (line 1): should name a service"),
        (
            "services: {a: {image: i, depends_on: [a]}}",
            "services.a.depends_on (line 1): should not be a circle: a -> a",
        ),
        ("services: {a: {image: i, networks: [b]}}", "services.a.networks (line 1): should name what is defined"),
        ("services:\n  a: {}\n  a: {}\n", "services.a (line 3): should be said once"),
        ("services:\n\ta: {}\n", "line 2: should be indented with spaces"),
        ("[]", "should be a mapping"),
        ("service: {}", "service (line 1): is not a key"),
        ("services: []", "services (line 1): should be a mapping"),
        ("services: {a: 1}", "services.a (line 1): should be a mapping"),
        ("services: {a: {image: b, env_file: no.env}}", ""),
    ],
)
def test_a_bad_file_is_told_by_line_and_key(tmp_path: Path, text: str, expected: str) -> None:
    (found,) = problems(tmp_path, {"compose.yaml": text})
    assert expected in found


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    files = {"compose.yaml": "services: {a: {image: '${}'}}", "compose.override.yaml": "x: 1\nname: '${'\n"}
    assert len(problems(tmp_path, files)) == 3


@pytest.mark.parametrize(
    "data",
    [
        b"x-0: &a0 [x, x]\n" + b"".join(b"x-%d: &a%d [%s]\n" % (n, n, b"*a%d, " % (n - 1) * 9) for n in range(1, 12)),
        b"services: {a: {image: b}}\n# " + b"x" * 5_000_000,
        b"\x7fELF\0\1",
        b"services: {a: {image: \xff}}",
        "services: {}".encode("utf-16"),
    ],
    ids=["bomb", "large", "binary", "latin", "utf16"],
)
def test_what_is_no_compose_file_is_refused_quickly(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "compose.yaml").write_bytes(data)
    began = perf_counter()
    with pytest.raises(SettingsError):
        load_compose(tmp_path, environ={})
    assert perf_counter() - began < 2


GOOD = b"""
x-base: &base {restart: always, environment: {A: 1}}
services:
  web:
    <<: *base
    image: "a/b:${TAG:-1}"
    ports: ["80:80"]
    depends_on: {db: {condition: service_healthy}}
    networks: [front]
    build: {context: ., args: [A=1]}
  db:
    extends: {service: log}
    volumes: [data:/data, ./x:/x:ro]
    profiles: []
  log: {image: c, env_file: [{path: a.env, required: false}], labels: [a=b], logging: {driver: none}}
networks: {front: {}}
volumes: {data: }
"""
PIECES = (b":", b"- ", b"[]", b"{}", b"null", b"1", b"!reset ", b"\t", b"\n", b"${A", b"&a ", b"*base", b"\xff", b'"')


def mutated(chance: random.Random) -> bytes:
    data = bytearray(GOOD)
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(data))
        end = start + chance.randint(0, 10)
        data[start:end] = chance.choice((chance.choice(PIECES), b"", bytes(data[start:end]) * 2))
    return bytes(data)


def test_nothing_but_a_settings_error_comes_of_two_thousand_mutations(tmp_path: Path) -> None:
    chance = random.Random(14)
    (tmp_path / "compose.override.yaml").write_bytes(GOOD)
    read = 0
    for _ in range(2000):
        (tmp_path / "compose.yaml").write_bytes(mutated(chance))
        began = perf_counter()
        try:
            load_compose(tmp_path, environ={})
            read += 1
        except SettingsError:
            pass
        assert perf_counter() - began < 2
    assert 0 < read < 2000
