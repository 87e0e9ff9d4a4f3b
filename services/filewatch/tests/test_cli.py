from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filewatch.rules import FORMS
from fw_running import FAST, SERVICE, Running, until

Serve = Callable[..., Running]


def run(*arguments: object, script: bool = False) -> tuple[int, str, str]:
    command = [sys.executable, str(SERVICE / "filewatch")] if script else [sys.executable, "-m", "filewatch"]
    done = subprocess.run(
        [*command, *map(str, arguments)],
        cwd="/" if script else SERVICE,
        capture_output=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def config(tmp_path: Path, rules: str) -> Path:
    file = tmp_path / "filewatch.toml"
    file.write_text(f"[rules]\n{rules}\n".replace("@", str(tmp_path)))
    return file


@pytest.mark.parametrize("script", [False, True])
def test_once_prints_the_result_and_exits_with_it(tmp_path: Path, *, script: bool) -> None:
    file = config(tmp_path, '"@/a" = 100')
    assert run("--config", file, "--once", script=script) == (1, f"ERROR\n{tmp_path}/a: missing\n", "")
    (tmp_path / "a").touch()
    assert run("--config", file, "--once", script=script) == (0, "all ok\n", "")


def test_once_can_print_any_name(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9-\xc3\xbc")
    (tmp_path / name).touch()
    os.utime(tmp_path / name, (0, 0))
    code, out, _ = run("--config", config(tmp_path, '"@/caf*" = 100'), "--once")
    assert code == 1
    assert f"{tmp_path}/caf\\xe9-ü: too old" in out


def test_a_wrong_configuration_is_told_whole_and_exits_with_2(tmp_path: Path) -> None:
    file = config(tmp_path, '"a" = 5\n"@/b" = "x"')
    for mode in ("--once", "--check"):
        code, out, err = run("--config", file, mode)
        assert (code, out) == (2, "")
        assert err.splitlines() == [
            f"filewatch: {file}: rules.'a': should be an absolute path below /",
            f"filewatch: {file}: rules.'{tmp_path}/b': should be {FORMS}, not 'x'",
        ]
    assert run("--config", file)[0] == 2


def test_check_says_nothing_about_a_right_configuration(tmp_path: Path) -> None:
    assert run("--config", config(tmp_path, '"@/a" = 5'), "--check") == (0, "", "")


@pytest.mark.parametrize("arguments", [[], ["--once"], ["--wrong"], ["--config", "x", "--once", "--check"]])
def test_arguments_that_say_too_little_or_too_much_exit_with_2(arguments: list[str]) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert "usage:" in err


def test_a_probe_exits_with_what_is_answered(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    running = serve(FAST + '[rules]\n"@/a" = 100\n')
    until(lambda: running.get()[0] == 200)
    base = f"http://127.0.0.1:{running.port}"
    assert run("--probe", f"{base}/healthz") == (0, "all ok\n", "")
    assert run("--probe", f"{base}/") == (0, "200 OK\n", "")
    (tmp_path / "a").unlink()
    until(lambda: running.get()[0] == 503)
    assert run("--probe", f"{base}/healthz") == (1, "", f"ERROR\n{tmp_path}/a: missing\n")
    assert run("--probe", f"{base}/")[0] == 0


def test_a_probe_of_nothing_or_of_silence_fails_in_time(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    running = serve(FAST + '[rules]\n"@/a" = 100\n')
    running.process.send_signal(19)  # SIGSTOP: it listens, and does not answer
    began = time.monotonic()
    code, _, err = run("--probe", f"http://127.0.0.1:{running.port}/healthz", "--timeout", "0.5")
    assert code == 1
    assert "timed out" in err
    assert time.monotonic() - began < 20
    running.process.kill()
    running.process.wait()
    assert run("--probe", f"http://127.0.0.1:{running.port}/healthz")[0] == 1


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "127.0.0.1:80", "http://", "http://x:99999/"])
def test_a_probe_of_what_is_no_http_address_exits_with_2(url: str) -> None:
    code, _, err = run("--probe", url)
    assert code == 2
    assert err.startswith("filewatch: --probe: ")
