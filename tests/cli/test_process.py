"""The command as a process: what it imports, how it ends, what pipes see."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "clr_search"]
LISTING = """
import runpy, sys
try:
    runpy.run_module("clr_search", run_name="__main__")
finally:
    print(*sys.modules, file=sys.stderr)
"""


def modules(*arguments: object) -> set[str]:
    """Packages that a command has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", LISTING, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.split(".")[0] for name in done.stderr.splitlines()[-1].split()}


def test_help_imports_click_and_little_else() -> None:
    heavy = {"numpy", "PIL", "rich", "onnx", "onnxruntime", "faiss", "sklearn", "torch", "gradio"}
    assert modules("--help") & heavy == set()
    assert modules("search", "--help") & heavy == set()
    assert modules("train", "--help") & heavy == set()


def test_search_imports_no_torch(collection: Path, pictures: Path, tmp_path: Path) -> None:
    from PIL import Image

    other = tmp_path / "other.png"
    with Image.open(pictures / "red" / "red00.jpg") as picture:
        picture.rotate(5).save(other)
    loaded = modules("search", collection, other)
    assert "onnxruntime" in loaded
    assert loaded & {"torch", "torchvision", "sklearn", "gradio", "matplotlib", "rich"} == set()


@pytest.mark.skipif(os.name != "posix", reason="needs the time of child processes")
def test_help_is_quick() -> None:
    """0.3 s; of processor time, since tests run beside each other on machines of any load."""
    taken = []
    for _ in range(3):
        before = os.times()
        subprocess.run([*COMMAND, "--help"], check=True, capture_output=True)
        after = os.times()
        taken.append(after.children_user + after.children_system)
        taken[-1] -= before.children_user + before.children_system
    assert min(taken) < 0.3


@pytest.mark.parametrize(
    ("arguments", "code"), [((), 2), (("--help",), 0), (("nope",), 2), (("info", "nope"), 2)]
)
def test_exit_codes(arguments: tuple[str, ...], code: int) -> None:
    assert subprocess.run([*COMMAND, *arguments], capture_output=True).returncode == code


def test_a_closed_pipe_ends_it_quietly(collection: Path, pictures: Path) -> None:
    queries = sorted(map(str, pictures.rglob("*.*")))
    process = subprocess.Popen(
        [*COMMAND, "search", str(collection), *queries, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline())["query"] == queries[0]
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(30) == 1
    process.stderr.close()


@pytest.mark.skipif(os.name != "posix", reason="signals are different there")
def test_ctrl_c(tmp_path: Path) -> None:
    code = (
        "import clr_search.cli.doctor as doctor, time, sys\n"
        "def wait():\n    print('waiting', flush=True)\n    time.sleep(60)\n"
        "doctor.declared = wait\n"
        "from clr_search.cli.main import main\n"
        "sys.argv[1:] = ['doctor']\nmain()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"waiting\n"
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=30)
    assert (process.returncode, complaint) == (130, b"Interrupted.\n")


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text there")
def test_names_that_are_no_text_pass_through(
    tmp_path: Path, pictures: Path, tiny_encoder: Path
) -> None:
    odd = os.fsencode(tmp_path) + b"/mine/caf\xe9.jpg"
    (tmp_path / "mine").mkdir()
    for number, source in enumerate(sorted((pictures / "red").glob("*.jpg"))[:2]):
        target = odd if number == 0 else os.fsencode(tmp_path / "mine" / "plain.jpg")
        Path(os.fsdecode(target)).write_bytes(source.read_bytes())
    environment = os.environ | {"PYTHONUTF8": "1"}

    def run(*arguments: str) -> bytes:
        command = [*COMMAND, *arguments]
        done = subprocess.run(command, capture_output=True, cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("build-index", "mine", "--index", "a.clr", "--encoder", str(tiny_encoder))
    assert run("search", "a.clr", "mine/plain.jpg").rstrip().endswith(b"mine/caf\xe9.jpg")
    answer = json.loads(run("search", "a.clr", "mine/plain.jpg", "--json"))
    assert os.fsencode(answer["results"][0]["path"]) == odd
