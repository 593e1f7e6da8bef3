"""The vectors of a teacher: it embeds every image once, before the training.

It sees each image as a search would show it, decoded from its file for its own size: of the squares
that a small student learns from, a large teacher finds less. Its vectors are kept beside the
decoded images, so that a run that goes on needs the teacher no more, and goes on with the very
numbers that it was begun with::

    run/cache/teacher.f16     float16 [N, D], rows of unit length, of the N usable images
    run/cache/teacher.json    fingerprint of the images, SHA-256 of the teacher; written last

This is the one module of training that needs ONNX Runtime, which runs the teacher.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clr_search.contract.shipped import DEFAULT, encoder_named
from clr_search.cores import usable_cores
from clr_search.errors import ClrSearchError, ImageError, UsageError
from clr_search.files.finding.image_file import ImageFile
from clr_search.files.own import OwnFolder
from clr_search.files.strict_json import parse_object
from clr_search.images import Frame, decode_square, read
from clr_search.progress import Reporter
from clr_search.train.data.collection import Collection, TeacherVectors
from clr_search.train.data.decode import CACHE, TEACHER_FACTS, TEACHER_VECTORS
from clr_search.train.settings.resolved import ResolvedConfig

_BATCH = 32  # images that pass through the teacher at once


def absolute_teacher(teacher: str | None) -> str | None:
    """The value of ``--teacher`` with an absolute path, which is what `config.json` holds."""
    return teacher if teacher in (None, DEFAULT) else str(Path(teacher).resolve())


def teacher_sha256(teacher: str) -> str:
    """SHA-256 of the file of a teacher, which is read and validated.

    Raises
    ------
    UsageError
        If it is no encoder under the contract; see `contract.model_file.read_model`.
    """
    from clr_search.contract.model_file import read_model

    return read_model(encoder_named(teacher)).sha256


def with_teacher(
    collection: Collection,
    files: Sequence[ImageFile],
    config: ResolvedConfig,
    folder: OwnFolder | Path,
    reporter: Reporter,
    *,
    resumed: bool = False,
) -> Collection:
    """The collection with the vectors of a teacher, of an earlier start of the run or new ones.

    Parameters
    ----------
    collection : Collection
        The decoded images.
    files : sequence of ImageFile
        The files that they were decoded from, the skipped ones included.
    config : ResolvedConfig
        Settings, with the teacher and the SHA-256 that its file must have, where it is needed.
    folder : OwnFolder or Path
        The run, in whose folder `CACHE` the vectors are kept.
    reporter : Reporter
        Receives the progress.
    resumed : bool
        Whether the run goes on, with vectors that must not be lost.

    Raises
    ------
    UsageError
        If the file of the teacher is needed, and is missing or another one; or a run that goes on
        has vectors of other images.
    ClrSearchError
        If the teacher fails, or gives vectors that are not finite.
    """
    teacher, sha256 = config.teacher, config.teacher_sha256
    assert teacher is not None
    assert sha256 is not None  # `begin` has read the file
    run = OwnFolder.at(folder)
    facts, stored = _facts(collection, sha256), _stored_facts(run)
    if resumed and stored and stored.get("images") != collection.fingerprint:
        raise UsageError(
            f"{run} cannot be resumed: its images are not those that its teacher has embedded.",
            "Bring them back, or train anew with another --out.",
        )
    kept = _mapped(run, len(collection)) if stored == facts else None
    if kept is None:
        paths = [files[row].path for row in collection.rows.tolist()]
        _embed_all(paths, _Teacher(teacher, sha256), facts, run, reporter)
        kept = _mapped(run, len(collection))
        assert kept is not None
    return replace(collection, teacher=TeacherVectors(torch.from_numpy(kept), sha256))


def _facts(collection: Collection, sha256: str) -> dict[str, Any]:
    return {"images": collection.fingerprint, "teacher": sha256}


def _stored_facts(run: OwnFolder) -> dict[str, Any]:
    """What the vectors of an earlier start are of; nothing where there are none."""
    file = run / f"{CACHE}/{TEACHER_FACTS}"
    try:
        return parse_object(file.read_text()) if file.exists() else {}
    except ValueError:
        return {}


def _mapped(run: OwnFolder, count: int) -> NDArray[np.float16] | None:
    """Map the vectors of so many images, if the file is whole."""
    file = run / f"{CACHE}/{TEACHER_VECTORS}"
    status = file.status()
    size = 0 if status is None else status.st_size
    if not size or size % (2 * count):
        return None
    with file.open() as opened:  # mode "c": torch warns of arrays that are read-only
        shape = (count, size // (2 * count))
        return np.memmap(opened, dtype=np.float16, mode="c", shape=shape)


class _Teacher:
    """The file of a teacher, opened to embed pictures."""

    def __init__(self, name: str, sha256: str) -> None:
        from clr_search.contract.model_file import read_model
        from clr_search.contract.runtime import first_line, open_session

        self._model = read_model(encoder_named(name))
        self.frame = self._model.card.frame
        if self._model.sha256 != sha256:
            raise UsageError(
                f"{self._model.path} is not the teacher that the run was begun with: its SHA-256 "
                f"is {self._model.sha256[:12]}…, not {sha256[:12]}….",
                "Bring that file back, or train anew with another --out.",
            )
        try:
            self._session = open_session(self._model.data)
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise UsageError(
                f"{self._model.path} is not accepted by ONNX Runtime: {first_line(error)}.",
                "The file is damaged, or needs a newer onnxruntime; export it again, or update.",
            ) from error

    def embed(self, squares: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Embed pictures, uint8 [n, S, S, 3], as float16 [n, D]."""
        from clr_search.contract.runtime import first_line, vectors

        path = self._model.path
        try:
            rows = vectors(self._session, squares)
        except Exception as error:
            raise ClrSearchError(f"{path} failed in ONNX Runtime: {first_line(error)}.") from error
        if rows.shape != (len(squares), self._model.card.embedding_dim):
            raise ClrSearchError(f"{path} gives vectors of another length than it says.")
        if not np.isfinite(rows).all():
            raise ClrSearchError(
                f"{path} gives numbers that are not finite, so it cannot teach.",
                "Take another encoder.",
            )
        return rows.astype(np.float16)


def _embed_all(
    paths: Sequence[Path],
    teacher: _Teacher,
    facts: Mapping[str, Any],
    run: OwnFolder,
    reporter: Reporter,
) -> None:
    """Let the teacher embed all images, and write its vectors, and then the facts about them."""
    (run / f"{CACHE}/{TEACHER_FACTS}").delete()
    with (
        reporter.task("Asking the teacher", len(paths), "images"),
        (run / f"{CACHE}/{TEACHER_VECTORS}").replacing() as file,
        ThreadPoolExecutor(usable_cores()) as pool,
    ):
        for start in range(0, len(paths), _BATCH):
            squares = _squares(paths[start : start + _BATCH], teacher.frame, pool)
            file.write(teacher.embed(squares).tobytes())
            reporter.advance(len(squares))
    (run / f"{CACHE}/{TEACHER_FACTS}").write(json.dumps(facts))


def _squares(paths: Sequence[Path], frame: Frame, pool: Executor) -> NDArray[np.uint8]:
    """Pictures as the teacher sees them in a search, uint8 [n, S, S, 3], from their files."""

    def decoded(path: Path) -> NDArray[np.uint8]:
        try:
            return decode_square(read(path)[0], frame).pixels
        except ImageError as error:
            raise ClrSearchError(
                f"{path} was read a moment ago, and cannot be any more: {error.what}.",
                "Leave the pictures as they are while a training begins, and start it again.",
            ) from error

    return np.stack(list(pool.map(decoded, paths)))
