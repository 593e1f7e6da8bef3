"""Writing files and folders whole."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clr_search.errors import UsageError
from clr_search.files.write import (
    atomic_folder,
    atomic_path,
    refuse_existing,
    sha256_bytes,
    sha256_file,
    write_atomically,
)


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


@settings(deadline=None)  # a disk takes its time
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_writes_and_overwrites(first: bytes, second: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "sub" / "file"
        write_atomically(target, first)
        write_atomically(target, second)
        assert target.read_bytes() == second
        assert list(target.parent.iterdir()) == [target]


def test_text_is_utf_8(tmp_path: Path) -> None:
    write_atomically(tmp_path / "t", "Größe\n")
    assert (tmp_path / "t").read_bytes() == "Größe\n".encode()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_temporary_file_is_hidden_and_beside(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "picture.png") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")  # so that no search for images finds it
        temporary.write_bytes(b"x")


def test_killed_while_writing_leaves_old_or_new(tmp_path: Path) -> None:
    target = tmp_path / "file"
    size = 3_000_000
    write_atomically(target, b"0" * size)
    code = f"""
import itertools
from collections.abc import Callable
from pathlib import Path
from clr_search.files.write import write_atomically
for digit in itertools.cycle(b"123456789"):
    write_atomically(Path({str(target)!r}), bytes([digit]) * {size})
    print("written", flush=True)
"""
    for pause in (0.0, 0.003, 0.011, 0.02):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        content = target.read_bytes()
        assert len(content) == size
        assert len(set(content)) == 1


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "site"
    for content in ("one", "two"):
        with atomic_folder(target) as folder:
            (folder / content).write_text(content)
            assert content not in [path.name for path in target.glob("*")]
        assert [path.name for path in target.iterdir()] == [content]
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_fails_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "site"
    touch(target / "old")

    def interrupted() -> None:
        with atomic_folder(target) as folder:
            touch(folder / "new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == [target]
    rename = Path.rename

    def failing(path: Path, to: Path) -> Path:
        if path.suffix == ".tmp":
            raise OSError("no")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="no"), atomic_folder(target) as folder:
        touch(folder / "new")
    assert [path.name for path in target.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("moment", ["while it is filled", "between the renamings"])
def test_killed_the_old_folder_is_there_and_the_next_call_tidies(
    tmp_path: Path, moment: str
) -> None:
    target = tmp_path / "site"
    touch(target / "old", tmp_path / ".site.mine.tmp" / "kept")
    code = f"""
import os, sys
from collections.abc import Callable
from pathlib import Path
from clr_search.files.write import atomic_folder
rename = Path.rename
def killing(path, to):
    rename(path, to)
    os.kill(os.getpid(), 9)
Path.rename = killing
with atomic_folder(Path(sys.argv[1])) as folder:
    (folder / "new").touch()
    if {moment == "while it is filled"}:
        os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", code, target], check=False)
    assert done.returncode == -signal.SIGKILL
    left = [path for path in tmp_path.iterdir() if (path / "old").exists()]
    assert len(left) == 1
    assert (left[0] == target) == (moment == "while it is filled")
    for _ in range(2):  # one beside the missing folder is kept until there is a new one
        with atomic_folder(target) as folder:
            touch(folder / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".site.mine.tmp", "site"]


def test_refuse_existing(tmp_path: Path) -> None:
    target = tmp_path / "out"
    refuse_existing(target, force=False)
    target.mkdir()
    refuse_existing(target, force=False)  # an empty folder is no loss
    touch(target / "file")
    for existing in (target, target / "file"):
        with pytest.raises(UsageError) as caught:
            refuse_existing(existing, force=False)
        assert caught.value.what == f"{existing} exists already."
        assert "--force" in caught.value.remedy
        refuse_existing(existing, force=True)


@given(st.binary(max_size=1000))
def test_hashes(data: bytes) -> None:
    import tempfile

    with tempfile.NamedTemporaryFile() as handle:
        handle.write(data)
        handle.flush()
        expected = hashlib.sha256(data).hexdigest()
        assert sha256_bytes(data) == sha256_file(Path(handle.name)) == expected
