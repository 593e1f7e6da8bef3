"""Instants at which a writer can be made to die.

A failpoint lies before and after each step that changes the disk: a file written (also half),
fsynced, renamed, its folder fsynced, deleted; a transaction begun, each of its statements, its
commit. They are numbered as they are met, so that an operation that is repeated meets the same
ones, and the n-th of them kills the process with SIGKILL.

A power cut takes more than a kill: what was not fsynced is lost. So with ``power`` the process
first undoes, of its own files, what the disk had not been told to keep: files are cut in half,
renames are taken back. SQLite's own files are left to SQLite, which runs with synchronous=FULL.
"""

from __future__ import annotations

import io
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clr_search.files.own import OwnFile, OwnFolder
from clr_search.index.catalog.sqlite.database import Database


class Failpoints:
    """Counts the failpoints of this process, and dies at one of them.

    Parameters
    ----------
    deadly : int or None
        Number of the failpoint to die at, from 0; None to live.
    power : bool
        Die as in a power cut.
    acknowledge : callable
        Called after each commit, as the caller of the library learns of it.
    """

    def __init__(
        self, deadly: int | None, *, power: bool, acknowledge: Callable[[Database], None]
    ) -> None:
        self.met: list[str] = []
        self._deadly, self._power, self._acknowledge = deadly, power, acknowledge
        self._unsynced: dict[Path, None] = {}
        self._renames: list[tuple[Path, Path, bytes | None]] = []

    def hit(self, name: str) -> None:
        """Pass a failpoint, or die."""
        self.met.append(name)
        if len(self.met) - 1 == self._deadly:
            if self._power:
                self._lose()
            os.kill(os.getpid(), signal.SIGKILL)

    def _lose(self) -> None:
        for path in self._unsynced:
            if path.exists():
                os.truncate(path, path.stat().st_size // 2)
        for source, target, before in reversed(self._renames):
            if target.exists():
                source.parent.mkdir(exist_ok=True)  # a folder whose deletion is not kept, either
                os.rename(target, source)  # noqa: PTH104
            if before is not None:
                target.write_bytes(before)

    def install(self) -> None:
        """Put the failpoints into the steps, for the rest of this process."""
        self._around_writes()
        self._around_names()
        self._around_transactions()

    def _around_writes(self) -> None:
        change, fsync = OwnFile.change, os.fsync

        def opened(file: OwnFile, flags: int = 0) -> io.BufferedRandom:
            handle = change(file, flags)
            if not flags & os.O_EXCL:
                return handle
            self.hit(f"before writing {_kind(file.path)}")
            self._unsynced[file.path] = None
            return _Halving(handle.detach(), lambda part: self.hit(part.format(_kind(file.path))))

        def synced(handle: int) -> None:
            fsync(handle)
            here = os.fstat(handle)
            for path in list(self._unsynced):
                if path.exists() and os.path.samestat(path.stat(), here):
                    del self._unsynced[path]
            self.hit("file fsynced")

        _put(OwnFile, change=opened)
        _put(os, fsync=synced)

    def _around_names(self) -> None:
        rename, unlink, sync = OwnFile.rename, OwnFile.delete, OwnFolder.sync

        def renamed(file: OwnFile, target: OwnFile) -> None:
            self.hit(f"before renaming to {_kind(target.path)}")
            before = target.read_bytes() if target.exists() else None
            rename(file, target)
            self._renames.append((file.path, target.path, before))
            self.hit(f"renamed to {_kind(target.path)}")

        def deleted(file: OwnFile) -> None:
            there = file.path.exists()
            if there:
                self.hit(f"before deleting {_kind(file.path)}")
            unlink(file)
            if there:
                self.hit(f"{_kind(file.path)} deleted")

        def folder_synced(folder: OwnFolder, sub: str = "") -> None:
            sync(folder, sub)
            within = folder.path / sub
            self._renames = [entry for entry in self._renames if entry[1].parent != within]
            self.hit("folder fsynced")

        _put(OwnFile, rename=renamed, delete=deleted)
        _put(OwnFolder, sync=folder_synced)

    def _around_transactions(self) -> None:
        writing, rows, compact = Database.writing, Database.rows, Database.compact

        @contextmanager
        def transaction(database: Database) -> Iterator[None]:
            self.hit("before a transaction")
            with writing(database):
                self.hit("transaction begun")
                yield
                self.hit("before the commit")
            self._acknowledge(database)
            self.hit("committed")

        def statement(database: Database, sql: str, *values: object) -> Any:
            done = rows(database, sql, *values)
            if not sql.startswith("SELECT"):
                self.hit("statement")
            return done

        def compacted(database: Database) -> None:
            self.hit("before compacting")
            compact(database)
            self.hit("compacted")

        _put(Database, writing=transaction, rows=statement, compact=compacted)


class _Halving(io.BufferedRandom):
    """A new file that stops after half of each write, and after all of it."""

    def __init__(self, raw: io.RawIOBase, hit: Callable[[str], None]) -> None:
        super().__init__(raw)
        self._hit = hit

    def write(self, data: Any) -> int:
        """Write in two parts, each of which has reached the file when the failpoint is met."""
        whole = memoryview(data).cast("B")
        for part, name in (
            (whole[: len(whole) // 2], "half of {} written"),
            (whole[len(whole) // 2 :], "{} written"),
        ):
            super().write(part)
            self.flush()
            self._hit(name)
        return len(whole)


def _put(owner: object, **steps: Callable[..., Any]) -> None:
    """Replace functions of a module, or methods of a class, for the rest of this process."""
    for name, step in steps.items():
        setattr(owner, name, step)


def _kind(path: Path) -> str:
    """A name that is the same in every run."""
    for kind in ("encoder.next.onnx", "encoder.onnx", "faiss"):
        if kind in path.name:
            return kind
    return re.sub(r"^\.(.*)\.[0-9a-f]{8}\.tmp$", r"\1", path.name)
