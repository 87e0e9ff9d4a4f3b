"""The units of Compose."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kharness.settings.model import Settings

Read = Callable[[str], Settings]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1048576", 1 << 20),
        ("'1048576'", 1 << 20),
        ("2b", 2),
        ("1024k", 1 << 20),
        ("1kb", 1024),
        ("512m", 512 << 20),
        ("512M", 512 << 20),
        ("512mb", 512 << 20),
        ("1gb", 1 << 30),
        ("1GiB", 1 << 30),
        ("1.5g", 3 << 29),
        ("2 t", 2 << 40),
    ],
)
def test_a_size_is_read_in_compose_s_units(read: Read, text: str, size: int) -> None:
    assert read(f"mem_limit: {text}").mem_limit == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1m30s", 90.0),
        ("1h", 3600.0),
        ("500ms", 0.5),
        ("2us", 2e-6),
        ("1.5h", 5400.0),
        ("7d", 604800.0),
        ("1w", 604800.0),
        ("1h5m30s20ms", 3930.02),
        ("30", 30.0),
        ("2.5", 2.5),
        ("'30'", 30.0),
        ("0", 0.0),
    ],
)
def test_a_duration_is_read_in_seconds(read: Read, text: str, seconds: float) -> None:
    assert read(f"stop_grace_period: {text}").stop_grace_period == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["0o1777", "01777", "1777", "'1777'", '"0o1777"', '"01777"'])
def test_a_mode_is_octal_however_it_is_written(read: Read, text: str) -> None:
    settings = read(f"volumes: [{{type: tmpfs, target: /x, tmpfs: {{mode: {text}}}}}]")
    assert settings.volumes[0].mode == 0o1777


@pytest.mark.parametrize(("text", "cpus"), [("2", 2.0), ("0.5", 0.5), ("'1.5'", 1.5)])
def test_cpus_are_a_number_or_its_text(read: Read, text: str, cpus: float) -> None:
    assert read(f"cpus: {text}").cpus == cpus


@pytest.mark.parametrize(("text", "limit"), [("100", 100), ("'100'", 100), ("-1", -1)])
def test_a_pids_limit_is_a_number_or_its_text(read: Read, text: str, limit: int) -> None:
    assert read(f"pids_limit: {text}").pids_limit == limit


@pytest.mark.parametrize(("text", "swap"), [("2g", 2 << 30), ("-1", -1), ("'-1'", -1)])
def test_swap_may_be_without_limit(read: Read, text: str, swap: int) -> None:
    assert read(f"mem_limit: 1g\nmemswap_limit: {text}").memswap_limit == swap


@pytest.mark.parametrize(("text", "user"), [("1000", "1000"), ("1000:1000", "1000:1000"), ("web:www", "web:www")])
def test_a_user_may_be_a_number(read: Read, text: str, user: str) -> None:
    assert read(f"user: {text}").user == user
