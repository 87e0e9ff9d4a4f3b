"""pytest over the folder of a Compose project: its services run as one stack, and its tests are given them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from kharness.engine.api import Engine
from kharness.plan import labels
from kharness.plan.gate.result import ServiceVerdict, SessionResult
from tests.projects import Project, Result

COMPOSE = """\
    services:
      web:
        image: {image}
        command: [sh, -c, "mkdir -p /www && echo hello > /www/index.html && exec httpd -f -p 8080 -h /www"]
        expose: [8080]
        restart: unless-stopped
        depends_on:
          prepare: {{condition: service_completed_successfully}}
          db: {{condition: service_healthy}}
        networks: [front, back]
        x-kharness:
          expect:
            http: [{{path: /, text: hello}}]
      db:
        image: {image}
        command: [sh, -c, "mkdir -p /www && echo up > /www/up && exec httpd -f -p 9000 -h /www"]
        restart: unless-stopped
        healthcheck: {{test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1:9000/up"], interval: 1s}}
        volumes: ["data:/data"]
        networks: {{back: {{aliases: [database]}}}}
      prepare:
        image: {image}
        command: [sh, -c, "echo prepared > /data/ready"]
        restart: "no"
        volumes: ["data:/data"]
        networks: [back]
    volumes: {{data: {{}}}}
    networks: {{front: {{}}, back: {{}}}}
    """
TESTS = """\
    import pytest

    def test_the_stack_has_all_services(stack):
        assert sorted(stack) == ["db", "prepare", "web"]
        assert list(stack)[-1] == "web"

    def test_services_find_each_other_by_name_and_alias(stack):
        for name in ("db", "database"):
            assert stack["web"].exec("wget", "-q", "-O", "-", f"http://{name}:9000/up").stdout == "up\\n"

    def test_a_shared_volume_is_one(stack):
        assert stack["db"].exec("cat", "/data/ready").stdout == "prepared\\n"

    @pytest.mark.service("db")
    def test_of_a_service_by_mark(container, stack):
        assert container is stack["db"]
    """
OF_WEB = """\
    def test_over_http(http):
        assert http.get("/").text == "hello\\n"

    def test_alone(container, private_container):
        private_container.kill()
        assert container.is_running
    """


@pytest.fixture
def shop(project: Project, busybox: str) -> Project:
    """A project of three services beside container directories, and not among them."""
    files = {
        "compose.yaml": COMPOSE.format(image=busybox),
        "tests/test_shop.py": TESTS,
        "tests/web/test_web.py": OF_WEB,
    }
    for name, text in files.items():
        target = project.path / folder(project) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(dedent(text))
    return project


def folder(project: Project) -> str:
    return f"{project.prefix}shop"


def run(shop: Project, *args: str) -> Result:
    return shop.pytest(folder(shop), *args)


def result(shop: Project) -> SessionResult:
    found = SessionResult.from_json((shop.path / "result.json").read_text())
    assert found is not None
    return found


def left(engine: Engine, shop: Project) -> list[str]:
    ours = {labels.PROJECT: folder(shop)}
    return [
        *(each.name for each in engine.containers(labels=ours)),
        *(each.name for each in engine.networks(labels=ours)),
        *(each.name for each in engine.volumes(labels=ours)),
    ]


def cleaned(engine: Engine, shop: Project) -> None:
    for image in engine.images():
        for tag in image.tags:
            if f"/{folder(shop)}-" in tag:
                engine.untag(tag)


def test_a_project_is_tested_as_one_stack_of_which_nothing_is_left(shop: Project, engine: Engine) -> None:
    try:
        done = run(shop, "--ready")
        assert done.status == 0, done.output
        assert done.outcomes()["passed"] == 7
        assert f"{folder(shop)} (db, prepare, web) as one stack: 7 passed" in done.output
        assert "the data of db, prepare were not looked at" in done.output
        assert left(engine, shop) == []
    finally:
        cleaned(engine, shop)


def test_the_result_of_a_project_says_what_was_decided(shop: Project, engine: Engine) -> None:
    try:
        done = run(shop, "--ready", "--kharness-json=result.json", "-n", "2")
        assert done.status == 0, done.output
        found = result(shop)
        assert found.status == 0
        assert [each.name for each in found.services] == [folder(shop)]
        assert found.services[0].verdict is ServiceVerdict.PASSED
        assert sorted(found.services[0].images) == ["db", "prepare", "web"]
        assert len(found.services[0].tests) == 7
        assert f"{folder(shop)}: passed 7 tests as one stack; images: db " in done.output
    finally:
        cleaned(engine, shop)


@pytest.mark.parametrize(
    ("test", "args", "reason"),
    [
        ("def test_it(stack): assert not stack", (), "1 test failed: test_more.py::test_it"),
        ("def test_it(stack): assert stack", ("-k", "test_it"), "the selection was partial: -k test_it (command line)"),
        ("def test_it(stack): stack['web'].kill()", (), "after its last test the test instance of web "),
        ("import nothing_of_this_name", (), "collection failed: "),
        (
            "from pathlib import Path\ndef test_it(stack): (Path(__file__).parent / 'conftest.py').write_text('X = 1')",
            (),
            "or tests changed after the session began",
        ),
        ("import os\ndef test_it(stack): os._exit(3)", ("-n", "1"), "a test worker crashed: "),
    ],
)
def test_a_project_is_refused_with_its_reasons(
    shop: Project, engine: Engine, test: str, args: tuple[str, ...], reason: str
) -> None:
    (shop.path / folder(shop) / "tests" / "test_more.py").write_text(f"{test}\n")
    try:
        done = run(shop, "--ready", "--kharness-json=result.json", *args)
        found = result(shop).services
        assert [each.verdict for each in found] == [ServiceVerdict.REFUSED], done.output
        assert any(reason in each for each in found[0].reasons), found[0].reasons
        assert f"{folder(shop)}: not ready for promotion" in done.output
        assert left(engine, shop) == []
    finally:
        cleaned(engine, shop)


def test_a_project_without_a_test_is_refused_unless_its_file_says_that_it_needs_none(
    shop: Project, engine: Engine
) -> None:
    place = shop.path / folder(shop)
    for test in ("tests/test_shop.py", "tests/web/test_web.py"):
        (place / test).unlink()
    text = (place / "compose.yaml").read_text()
    (place / "compose.yaml").write_text(text.partition("    x-kharness:")[0] + text[text.index("  db:\n    image") :])
    policy = {"KHARNESS_POLICY": "baseline"}
    try:
        shop.pytest(folder(shop), "--ready", "--kharness-json=result.json", environ=policy)
        assert "no test ran" in result(shop).services[0].reasons
        (place / "kharness.yaml").write_text("gate: {tests: none}\n")
        done = shop.pytest(folder(shop), "--ready", "--kharness-json=result.json", environ=policy)
        found = result(shop).services[0]
        assert "no test ran" not in found.reasons
        said = "no test vouches for it, only checks and its health: gate.tests is none"
        assert found.remarks == (said,)
        assert said in done.output
    finally:
        cleaned(engine, shop)


def test_workers_of_xdist_launch_a_project_once(shop: Project, engine: Engine) -> None:
    try:
        done = run(shop, "--ready", "-n", "2", "-v")
        assert done.status == 0, done.output
        assert done.outcomes()["passed"] == 7
        assert len({line.split("]")[0] for line in done.output.splitlines() if "PASSED" in line}) == 1
        assert left(engine, shop) == []
    finally:
        cleaned(engine, shop)


def test_container_directories_and_a_project_are_tested_in_one_session(
    shop: Project, engine: Engine, busybox: str
) -> None:
    settings = f"image: {busybox}\ncommand: [sh, -c, 'exec sleep 1000']\nrestart: unless-stopped\ninit: true\n"
    shop.add("box", {"settings.yaml": settings, "test_box.py": "def test_it(container):\n    container.exec('true')\n"})
    try:
        done = shop.pytest("containers", folder(shop), "--ready", "-n", "2")
        assert done.status == 0, done.output
        assert done.outcomes()["passed"] == 8
        assert left(engine, shop) == []
    finally:
        cleaned(engine, shop)


def test_a_stack_that_cannot_be_launched_is_told_once_and_leaves_nothing(shop: Project, engine: Engine) -> None:
    file = shop.path / folder(shop) / "compose.yaml"
    file.write_text(file.read_text().replace("echo prepared > /data/ready", "echo no luck; exit 3"))
    try:
        done = run(shop, "--ready")
        assert done.status == 1
        assert done.output.count("prepare: others need it to complete successfully, and it exited with 3") >= 1
        assert "the first of its tests says why" in done.output
        assert left(engine, shop) == []
    finally:
        cleaned(engine, shop)


def test_a_test_of_no_service_has_no_container(shop: Project, engine: Engine) -> None:
    (shop.path / folder(shop) / "tests" / "test_shop.py").write_text("def test_it(container):\n    pass\n")
    (shop.path / folder(shop) / "tests" / "web" / "test_web.py").unlink()
    try:
        done = run(shop, "--ready")
        assert done.status == 1
        assert "this test belongs to no service" in done.output
    finally:
        cleaned(engine, shop)


def test_production_that_does_not_run_is_said(shop: Project) -> None:
    file = shop.path / folder(shop) / "tests" / "test_shop.py"
    file.write_text("import pytest\n\n@pytest.mark.in_prod\ndef test_it(stack):\n    pass\n")
    done = run(shop, "--in-prod")
    assert done.status == 1
    assert "production does not run: there is no container of it" in done.output


@pytest.mark.parametrize("flag", ["--promote", "--launch", "--keep"])
def test_what_a_project_cannot_have_is_refused_before_anything_is_launched(shop: Project, flag: str) -> None:
    done = run(shop, "--ready", flag)
    assert done.status == 4
    assert f"{flag} does not work on a Compose project" in done.output


def test_without_a_mode_a_compose_file_means_nothing(shop: Project) -> None:
    (shop.path / folder(shop) / "tests" / "test_shop.py").write_text("def test_it(stack):\n    pass\n")
    done = run(shop)
    assert "fixture 'stack' not found" in done.output
    assert "Compose project" not in done.output


def test_a_broken_file_is_a_usage_error_that_names_it(shop: Project) -> None:
    file = shop.path / folder(shop) / "compose.yaml"
    file.write_text("services: {web: {image: x, expose: [nothing]}}\n")
    done = run(shop, "--ready")
    assert done.status == 4
    assert f"{file}: services.web.expose" in done.output


def test_a_project_s_own_compose_file_does_not_make_its_container_directories_a_stack(
    project: Project, busybox: str, tmp_path: Path
) -> None:
    del tmp_path
    project.add("web", {"settings.yaml": f"image: {busybox}\ncommand: [sleep, '100']\nrestart: unless-stopped\n"})
    (project.path / "compose.yaml").write_text("services: {other: {image: x}}\n")
    done = project.pytest("containers", "--ready", "--collect-only", "-q")
    assert "Compose project" not in done.output
