from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from kharness.engine.build_streams import BuildKitStream, ClassicStream, fields
from kharness.errors import BuildError


def read(stream: ClassicStream | BuildKitStream, records: list[dict[str, Any]]) -> None:
    for record in records:
        stream.take(record)


# the classic builder


def said(*texts: str) -> list[dict[str, Any]]:
    return [{"stream": text} for text in texts]


CLASSIC = said(
    "Step 1/2 : FROM base",
    "\n",
    " ---> cb042fee018e\n",
    "Step 2/2 : RUN make",
    "\n",
    " ---> Running in 375648b7c401\n",
    "one\ntw",
    "o\n",
    "\x1b[91mto stderr\n\x1b[0m",
    "10%\r50%\r100%\n",
)


def test_the_classic_builders_steps_and_output_are_progress() -> None:
    lines: list[str] = []
    stream = ClassicStream("x:1", lines.append)
    read(
        stream,
        [
            *CLASSIC,
            *said("no end of line", "Removing intermediate container 375648b7c401\n", " ---> 1a392d45dc8f\n"),
            {"aux": {"ID": "sha256:aa"}},
            *said("Successfully built aa\n", "Successfully tagged x:1\n"),
        ],
    )
    assert stream.image == "sha256:aa"
    assert lines == [
        "Step 1/2 : FROM base",
        "Step 2/2 : RUN make",
        "one",
        "two",
        "to stderr",
        "100%",
        "no end of line",
    ]


def test_the_classic_builders_failing_step_is_named_with_its_last_lines() -> None:
    problem = "The command '/bin/sh -c make' returned a non-zero code: 7"
    with pytest.raises(BuildError) as caught:
        read(ClassicStream("x:1", None), [*CLASSIC, *said("last words"), {"error": problem, "errorDetail": {}}])
    assert str(caught.value).splitlines()[0] == 'image x:1 cannot be built: "RUN make" exited with 7'
    assert caught.value.tail == ("one", "two", "to stderr", "100%", "last words")


REPORT = tuple(f"prep+ a1 did sbin removed /sbin/{number}" for number in range(30))


def test_what_hardening_tells_is_progress_and_not_among_the_last_words_of_the_classic_builder() -> None:
    lines: list[str] = []
    text = "".join(f"{line}\n" for line in ("one", *REPORT))
    pieces = [text[start : start + 7] for start in range(0, len(text), 7)]
    with pytest.raises(BuildError) as caught:
        read(ClassicStream("x:1", lines.append), [*said("Step 1/1 : RUN x\n", *pieces), {"error": "no"}])
    assert tuple(lines[2:]) == REPORT
    assert caught.value.tail == ("one",)


def test_of_much_output_the_last_twenty_lines_are_kept() -> None:
    stream = ClassicStream("x:1", None)
    with pytest.raises(BuildError) as caught:
        read(stream, [*said("Step 1/1 : RUN x\n", "".join(f"{n}\n" for n in range(100))), {"error": "no"}])
    assert caught.value.tail == tuple(str(number) for number in range(80, 100))


def test_podmans_builder_speaks_almost_like_the_classic_one() -> None:
    records = said("STEP 1/2: FROM base\n", "STEP 2/2: RUN make\n", "last words\n")
    problem = 'building at STEP "RUN make": while running runtime: exit status 7\n'
    with pytest.raises(BuildError) as caught:
        read(ClassicStream("x:1", None), [*records, {"error": problem}])
    assert str(caught.value).splitlines()[0] == 'image x:1 cannot be built: "RUN make" exited with 7'
    assert caught.value.tail == ("last words",)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"message": "dockerfile parse error line 2: unknown instruction: RUNN"}], "dockerfile parse error line 2"),
        ([*said("Step 1/1 : COPY a /\n"), {"error": "COPY failed: no such file"}], '"COPY a /": COPY failed: no such'),
    ],
)
def test_the_classic_builders_other_failures_are_told_in_its_words(records: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(BuildError, match=f"image x:1 cannot be built: {message}"):
        read(ClassicStream("x:1", None), records)


# BuildKit


def varint(value: int) -> bytes:
    head = b""
    while value >= 0x80:
        head += bytes([value & 0x7F | 0x80])
        value >>= 7
    return head + bytes([value])


def message(*parts: tuple[int, int | bytes | str]) -> bytes:
    content = b""
    for number, value in parts:
        if isinstance(value, int):
            content += varint(number << 3) + varint(value)
        else:
            raw = value.encode() if isinstance(value, str) else value
            content += varint(number << 3 | 2) + varint(len(raw)) + raw
    return content


def trace(*parts: tuple[int, bytes]) -> dict[str, Any]:
    return {"id": "moby.buildkit.trace", "aux": b64encode(message(*parts)).decode()}


def vertex(digest: str, name: str, *, cached: bool = False, error: str = "") -> tuple[int, bytes]:
    parts: list[tuple[int, int | bytes | str]] = [(1, digest), (2, "its input"), (3, name), (5, message((1, 1)))]
    return (1, message(*parts, *([(4, 1)] if cached else []), *([(7, error)] if error else [])))


def log(digest: str, text: str) -> tuple[int, bytes]:
    return (3, message((1, digest), (2, message((1, 1))), (3, 2), (4, text)))


def test_fields_of_all_wire_types_are_read() -> None:
    content = message((1, 300), (2, b"ab")) + varint(3 << 3 | 1) + b"12345678" + varint(4 << 3 | 5) + b"1234"
    assert list(fields(content)) == [(1, 300), (2, b"ab"), (3, b"12345678"), (4, b"1234")]
    with pytest.raises(ValueError, match="wire type 3"):
        list(fields(varint(1 << 3 | 3)))


def test_buildkits_steps_and_output_are_progress() -> None:
    lines: list[str] = []
    stream = BuildKitStream("x:1", lines.append)
    read(
        stream,
        [
            trace(vertex("i", "[internal] load remote build context"), vertex("a", "[1/2] FROM base", cached=True)),
            trace(vertex("b", "[2/2] RUN make")),
            trace(log("b", "one\ntw")),
            trace(vertex("b", "[2/2] RUN make"), log("b", "o\n")),
            trace((2, message((1, "exporting layers")))),
            {"id": "moby.image.id", "aux": {"ID": "sha256:aa"}},
            {"stream": "Successfully tagged x:1\n"},
        ],
    )
    assert stream.image == "sha256:aa"
    assert lines == ["[1/2] FROM base (cached)", "[2/2] RUN make", "one", "two"]


def test_buildkits_failing_step_is_named_with_its_last_lines() -> None:
    problem = 'process "/bin/sh -c make" did not complete successfully: exit code: 7'
    records = [
        trace(vertex("b", "[build 2/3] RUN make"), vertex("c", "[other 2/2] RUN sleep")),
        trace(log("b", "one\n"), log("c", "other\n"), log("b", "last words")),
        trace(vertex("c", "[other 2/2] RUN sleep", error="context canceled")),
        trace(vertex("b", "[build 2/3] RUN make", error=problem)),
        {"error": f"failed to solve: {problem}"},
    ]
    with pytest.raises(BuildError) as caught:
        read(BuildKitStream("x:1", None), records)
    assert str(caught.value).splitlines()[0] == 'image x:1 cannot be built: "RUN make" exited with 7'
    assert caught.value.tail == ("one", "last words")


@pytest.mark.parametrize(
    ("loaded", "base"),
    [
        ("127.0.0.1:5000/web:1", "127.0.0.1:5000/web:1"),
        ("docker.io/library/alpine:3", "alpine:3"),
        ("docker.io/team/web:1", "team/web:1"),
    ],
)
def test_a_missing_base_is_named_as_the_dockerfile_names_it(loaded: str, base: str) -> None:
    problem = f"{loaded}: failed to resolve source metadata for {loaded}: not found"
    records = [
        trace(vertex("a", f"[internal] load metadata for {loaded}", error=problem)),
        {"error": f"failed to solve: {problem}"},
    ]
    with pytest.raises(BuildError) as caught:
        read(BuildKitStream("x:1", None), records)
    assert str(caught.value) == f'image x:1 cannot be built: "FROM {base}": {problem}'


def test_what_hardening_tells_is_progress_and_not_among_the_last_words_of_buildkit() -> None:
    lines: list[str] = []
    text = "".join(f"{line}\n" for line in ("one", *REPORT))
    pieces = [trace(log("b", text[start : start + 7])) for start in range(0, len(text), 7)]
    failed = trace(vertex("b", "[1/1] RUN x", error="no"))
    with pytest.raises(BuildError) as caught:
        read(BuildKitStream("x:1", lines.append), [trace(vertex("b", "[1/1] RUN x")), *pieces, failed, {"error": "no"}])
    assert tuple(lines[2:]) == REPORT
    assert caught.value.tail == ("one",)


def test_buildkits_other_failures_are_told_in_its_words() -> None:
    problem = "dockerfile parse error line 2: unknown instruction: RUNN"
    prefix = "failed to solve with frontend dockerfile.v0: failed to create LLB definition: "
    with pytest.raises(BuildError) as caught:
        read(BuildKitStream("x:1", None), [{"error": prefix + problem}])
    assert str(caught.value) == f"image x:1 cannot be built: {problem}"
