"""Nothing that others have named reaches a terminal as it is."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clr_search.index import Index
from clr_search.progress import Lines
from clr_search.terminal import Escaping, escaping, printable

HOSTILE = "evil\x1b]0;owned\x07\x1b[2J\x1b[8m\x9b31m\u202egpj"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@settings(deadline=None)
@given(st.text(st.characters()) | st.text(st.sampled_from("\x1b[]\x07\x9b\n\ta\udc9b\u202e")))
def test_no_character_that_a_terminal_obeys_is_printable(text: str) -> None:
    assert not OBEYED.search(printable(text))
    assert not re.search(r"[\n\t]", printable(text, lines=False))
    assert printable(printable(text)) == printable(text)
    printable(text).encode()
    if text.isprintable() or text.isalnum():
        assert printable(text) == text


def test_escapes_say_what_was_there() -> None:
    assert printable("a\x1b[2J\u202eb\udc9b\n") == "a\\x1b[2J\\u202eb\\x9b\n"
    assert printable("a\tb\nc", lines=False) == "a\\tb\\nc"


def test_messages_are_escaped_in_logs_too() -> None:
    stream = io.StringIO()
    Lines(stream).message(HOSTILE)
    assert not OBEYED.search(stream.getvalue())


def test_bytes_do_not_pass_an_escaping_stream() -> None:
    stream = Escaping(io.TextIOWrapper(io.BytesIO()))
    assert not hasattr(stream, "buffer")
    with pytest.raises(TypeError):
        stream.write(b"\x1b")  # type: ignore[arg-type]


def test_the_streams_are_as_before_in_the_end() -> None:
    before = sys.stdout, sys.stderr
    with escaping():
        assert isinstance(sys.stderr, Escaping)
    assert (sys.stdout, sys.stderr) == before


# -- the command line


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, pictures: Path, tiny_encoder: Path) -> Path:
    """A folder with hostile names, its collection, and an encoder of a hostile name in its card."""
    folder = tmp_path_factory.mktemp("hostile")
    below = folder / "photos" / HOSTILE
    below.mkdir(parents=True)
    for number, path in enumerate(sorted(pictures.rglob("*.jpg"))[:4]):
        shutil.copy(path, below / f"{number}{HOSTILE}.jpg")
    (below / f"broken{HOSTILE}.jpg").write_bytes(b"no picture")
    encoder = folder / f"{HOSTILE}.onnx"
    model = onnx.load(str(tiny_encoder))
    for entry in model.metadata_props:
        if entry.key in {f"clr_search.{name}" for name in ("architecture", "training_data")}:
            entry.value = json.dumps(HOSTILE)
    onnx.save(model, str(encoder))
    with Index.create(folder / f"{HOSTILE}.clr", encoder) as index:
        index.update([folder / "photos"])
    return folder


def on_terminal(*arguments: str, where: Path, stop_at: bytes = b"") -> bytes:
    """What a command prints on a terminal of its own, by stdout and stderr."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "200"}
    process = subprocess.Popen(
        [sys.executable, "-m", "clr_search", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        cwd=where,
        env=environment,
    )
    os.close(theirs)
    printed = b""
    with contextlib.suppress(OSError):  # the terminal is gone
        while part := os.read(ours, 65536):
            printed += part
            if stop_at and stop_at in printed:
                break
    os.close(ours)
    process.terminate()
    process.wait(timeout=60)
    return printed


# Styles, the movements of a bar, and the cursor hidden meanwhile: all of them rich's own.
_OWN = re.compile(rb"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[[0-9]*[ABCDGK]|\r")

COMMANDS = [
    ["search", "{clr}", "{photo}"],
    ["search", "{clr}", "{photo}", "--json"],
    ["search", "{clr}", "--label", f"{HOSTILE}?", "{photo}"],
    ["search", "{clr}", f"{HOSTILE}.gif"],
    ["search", "{clr}", "{photo}", f"--{HOSTILE}"],
    [f"{HOSTILE}"],
    [f"--{HOSTILE}"],
    ["info", "{clr}"],
    ["info", "{onnx}"],
    ["info", f"{HOSTILE}.nothing", "--debug"],
    ["build-index", "photos", "--index", "{clr}"],
    ["remove", "{clr}", f"{HOSTILE}.jpg"],
    ["duplicates", "{clr}"],
    ["repair", "{clr}"],
]


@pytest.mark.skipif(os.name != "posix", reason="terminals are opened in POSIX's way")
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: printable(" ".join(command)))
def test_no_command_prints_what_a_terminal_obeys(hostile: Path, command: list[str]) -> None:
    values = {
        "clr": f"{HOSTILE}.clr",
        "onnx": f"{HOSTILE}.onnx",
        "photo": str(next((hostile / "photos").rglob("0*.jpg"))),
    }
    printed = on_terminal(*(part.format(**values) for part in command), where=hostile)
    text = _OWN.sub(b"", printed).decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    assert "evil" in text
    assert not OBEYED.search(text), printable(text)
