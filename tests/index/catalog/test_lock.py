from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clr_search.errors import ClrSearchError, UsageError
from clr_search.files import nofollow
from clr_search.index.catalog import lock
from clr_search.index.catalog.lock import WriterLock

HOLD = (
    "import sys; from pathlib import Path; from clr_search.index.catalog.lock import WriterLock\n"
    + ("held = WriterLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()")
)


def test_a_second_writer_is_told_who_holds_it(tmp_path: Path) -> None:
    first = WriterLock(tmp_path / "lock")
    with pytest.raises(UsageError, match=f"is being written to by process {os.getpid()} since"):
        WriterLock(tmp_path / "lock")
    first.release()
    WriterLock(tmp_path / "lock").release()


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=f"process {holder.pid}"):
            WriterLock(tmp_path / "lock")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    WriterLock(tmp_path / "lock").release()


def test_a_folder_that_may_not_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(at: object, flags: int, path: Path) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(nofollow, "open_file", refused)
    with pytest.raises(ClrSearchError, match="lock cannot be written: Read-only file system"):
        WriterLock(tmp_path / "lock")


def test_a_file_system_without_locks_is_not_called_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(file: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock, "lock", refused)
    with pytest.raises(ClrSearchError, match="cannot be locked against a second writer"):
        WriterLock(tmp_path / "lock")
