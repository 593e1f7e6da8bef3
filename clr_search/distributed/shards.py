"""`Shards`: a folder with results of embedding, as Parquet files, and the encoder that made them.

    embedded/
      manifest.json             format, SHA-256 of the encoder, its dimension, the folders
      encoder.onnx
      part-000001.parquet       up to 4,096 files each: path, size, time, SHA-256, vector, …

A part has its name only when it is complete, and is never changed. A file that was embedded again,
since it has changed, stands in a later part, which counts. So a run that was cut short loses what
was not in a part yet, and the next one does only that.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clr_search.contract.model_file import ModelFile, read_model
from clr_search.distributed.rows import COLUMNS, NUMBERS, columns_of, results_of
from clr_search.errors import ClrSearchError, UsageError, reason_of, require
from clr_search.files.own import OwnFolder
from clr_search.index.catalog.paths import status_of
from clr_search.index.catalog.records import time_of
from clr_search.serve.pipeline import Embedded, Skipped

ROWS = 4096
"""Files in a part."""

_MANIFEST, _ENCODER = "manifest.json", "encoder.onnx"
_PART = re.compile(r"part-(\d{6,})\.parquet")
_FORMAT = 1


class Shards:
    """A folder of parts; open one with `opened`, or make it with `make`.

    Attributes
    ----------
    folder : OwnFolder
        The folder.
    model : ModelFile
        The encoder that made the vectors.
    roots : list of str
        The folders, and prefixes of stores, that were embedded; absolute.
    """

    def __init__(self, folder: OwnFolder, model: ModelFile, roots: list[str]) -> None:
        self.folder, self.model, self.roots = folder, model, roots
        self._dimension = model.card.embedding_dim

    @classmethod
    def opened(cls, path: Path) -> Shards:
        """Open a folder that `make` has made.

        Raises
        ------
        UsageError
            If there is none, or what it holds is not what `make` has written.
        """
        require("pyarrow", "parquet")
        try:
            folder = OwnFolder(path)
            told = json.loads((folder / _MANIFEST).read_bytes())
            known = told["format"] == _FORMAT and isinstance(told["roots"], list)
            sha256, roots = str(told["encoder_sha256"]), [str(root) for root in told["roots"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{path} holds no embeddings of build-index --to-parquet: {reason_of(error)}."
            ) from error
        if not known:
            raise UsageError(f"{path} was written by another version.", "Install that version.")
        model = read_model((folder / _ENCODER).path)
        if model.sha256 != sha256:
            raise UsageError(f"The encoder in {path} is not the one that made its vectors.")
        return cls(folder, model, roots)

    @classmethod
    def make(cls, path: Path, model: ModelFile, roots: Sequence[str]) -> Shards:
        """Make a folder for an encoder, or open the one that is there, and add folders to it.

        Raises
        ------
        UsageError
            If it holds vectors of another encoder, or something else.
        """
        require("pyarrow", "parquet")
        if path.exists() and any(path.iterdir()):
            shards = cls.opened(path)
            if shards.model.sha256 != model.sha256:
                raise UsageError(
                    f"{path} holds vectors of another encoder, {shards.model.card.name}.",
                    "Give that encoder, or another folder.",
                )
        else:
            folder = OwnFolder.make(path)
            (folder / _ENCODER).write(model.data)
            shards = cls(folder, model, [])
        shards.roots = list(dict.fromkeys([*shards.roots, *roots]))
        manifest = {
            "format": _FORMAT,
            "encoder_sha256": model.sha256,
            "encoder": model.card.name,
            "dimension": model.card.embedding_dim,
            "roots": shards.roots,
        }
        (shards.folder / _MANIFEST).write(json.dumps(manifest, indent=1))
        return shards

    def waiting(self, files: Iterable[tuple[str, os.stat_result | None]]) -> list[str]:
        """Return the paths of files that no part has as they are now.

        Parameters
        ----------
        files : iterable of (str, stat_result or None)
            Absolute paths, with what is known of them already; the others are looked at.
        """
        done: dict[str, tuple[int, int]] = {}
        for part in self._parts():
            columns = self._columns(part, ["path", "size", "mtime_ns"])
            for path, *state in zip(*columns.values(), strict=True):
                done[os.fsdecode(path)] = (int(state[0]), int(state[1]))
        left = []
        for path, told in files:
            status = told or status_of(path)
            now = None if status is None else (status.st_size, time_of(status))
            if now is None or done.get(path) != now:
                left.append(path)
        return left

    def keep(self, batches: Iterable[Sequence[Embedded | Skipped]]) -> Iterator[int]:
        """Write results into parts, as they come; yields the length of each list.

        What has come is written also where the next list fails, or the caller stops.
        """
        number = max(self._parts(), default=0)
        held: list[Embedded | Skipped] = []
        try:
            for batch in batches:
                held += batch
                while len(held) >= ROWS:
                    number += 1
                    self._write(number, held[:ROWS])
                    del held[:ROWS]
                yield len(batch)
        finally:
            if held:
                self._write(number + 1, held)

    def count(self) -> int:
        """Return the number of files."""
        names = (self._columns(part, ["path"])["path"] for part in self._parts())
        return len({name for part in names for name in part})

    def results(self) -> Iterator[list[Embedded | Skipped]]:
        """Yield the newest result of each file, a part at a time.

        Raises
        ------
        ClrSearchError
            If a part is damaged.
        """
        newest: dict[str, int] = {}
        for part in self._parts():
            newest |= dict.fromkeys(map(os.fsdecode, self._columns(part, ["path"])["path"]), part)
        for part in self._parts():
            try:
                results = results_of(self._columns(part, list(COLUMNS)))
            except (KeyError, TypeError, ValueError) as error:
                raise self._damaged(part, error) from error
            yield [result for result in results if newest[str(result.path)] == part]

    def _parts(self) -> list[int]:
        """Return the numbers of the parts, ascending."""
        found = map(_PART.fullmatch, self.folder.names())
        return sorted(int(name[1]) for name in found if name)

    def _write(self, number: int, results: Sequence[Embedded | Skipped]) -> None:
        """Write one part, which has its name when it is complete."""
        import pyarrow as pa
        from pyarrow.parquet import write_table

        columns = columns_of(results, self._dimension)
        vectors = columns.pop("vector")
        arrays: dict[str, Any] = {
            name: pa.array(values, pa.int64() if name in NUMBERS else None)
            for name, values in columns.items()
        }
        flat = pa.array(vectors.reshape(-1), pa.float32())
        arrays["vector"] = pa.FixedSizeListArray.from_arrays(flat, self._dimension)
        with (self.folder / f"part-{number:06d}.parquet").replacing() as file:
            write_table(pa.table(arrays), file)

    def _columns(self, part: int, names: list[str]) -> dict[str, Any]:
        """Return columns of a part: arrays, and lists of bytes and text."""
        import pyarrow as pa
        from pyarrow.parquet import read_table

        try:
            with (self.folder / f"part-{part:06d}.parquet").open() as file:
                table = read_table(file, columns=names)
            columns: dict[str, Any] = {n: table[n].to_pylist() for n in names if n != "vector"}
            if "vector" in names:
                flat = table["vector"].combine_chunks().flatten()
                values = np.asarray(flat.to_numpy(zero_copy_only=False), np.float32)
                columns["vector"] = values.reshape(len(table), self._dimension)
        except (pa.ArrowException, KeyError, ValueError) as error:
            raise self._damaged(part, error) from error
        return columns

    def _damaged(self, part: int, error: Exception) -> ClrSearchError:
        """Return the error of a part that cannot be read."""
        return ClrSearchError(
            f"{self.folder}/part-{part:06d}.parquet is damaged: {reason_of(error)}.",
            "Delete it, and run build-index --to-parquet again, which embeds what it held.",
        )
