"""`encoder.onnx` in use: pictures to unit vectors."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clr_search.contract.golden import check_golden, golden_picture
from clr_search.contract.model_file import EMBEDDING, Card, read_model
from clr_search.contract.shipped import shipped_encoder
from clr_search.serve.devices import AUTO
from clr_search.serve.inputs import Pictures, check_squares, in_batches
from clr_search.serve.sessions import BATCH, Session


class Encoder:
    """An encoder under the contract; safe to use from many threads.

    Parameters
    ----------
    path : path, optional
        An `encoder.onnx`, or a `probe.onnx`, which holds one; where not given, the encoder that
        comes with the package.
    threads : int, optional
        Threads of one run; all physical cores where not given.
    device : str
        ``cpu``, ``cuda`` or as ``cuda:1``; ``auto`` is CUDA where ONNX Runtime has it and can start
        it, else the processor. Vectors of the two differ in the last digits.

    Attributes
    ----------
    path : Path
    sha256 : str
        SHA-256 of the file; an index belongs to it.
    card : Card
        What the file says of itself.
    image_size : int
        S: pictures are seen as squares of this side.
    dimension : int
        D: length of a vector.
    device : str
        ``cpu``, or ``cuda:N``.

    Raises
    ------
    UsageError
        If the file is missing, truncated, outside the contract (see `contract.read_model`), or not
        accepted by ONNX Runtime; or there is no such device.
    """

    def __init__(
        self, path: Path | str | None = None, *, threads: int | None = None, device: str = AUTO
    ) -> None:
        self._model = read_model(shipped_encoder() if path is None else path)
        self.path = self._model.path
        self.sha256 = self._model.sha256
        self.card: Card = self._model.card
        self.image_size = self.card.image_size
        self.dimension = self.card.embedding_dim
        self._session = Session(self._model, threads, device)
        self.device = self._session.device

    def __repr__(self) -> str:
        size = self.image_size
        return f"Encoder({str(self.path)!r}: {self.card.name}, {size}×{size} → {self.dimension})"

    def with_threads(self, threads: int) -> Encoder:
        """The same encoder on the same device, with other threads a run; no file is read again.

        Raises
        ------
        UsageError
            If `threads` is below 1.
        """
        other = copy.copy(self)
        other._session = Session(self._model, threads, self.device)
        return other

    def encode(self, pictures: Pictures) -> NDArray[np.float32]:
        """Embed pictures of any sizes.

        Parameters
        ----------
        pictures : picture or iterable of pictures
            Each a uint8 RGB array of shape (h, w, 3), a Pillow image or a path; kinds and sizes may
            be mixed. An array of shape (N, h, w, 3) is N pictures.

        Returns
        -------
        float32 array, shape (N, D)
            Rows of unit L2 norm; N is 1 for a single picture.

        Raises
        ------
        UsageError
            If something is no picture, or an array of another shape or type.
        ClrSearchError
            If a file cannot be decoded; it names the path.
        """
        parts = [
            self.encode_squares(batch) for batch in in_batches(pictures, self.image_size, BATCH)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.dimension), np.float32)

    def encode_squares(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed pictures that are cut to squares already, as by `images.square`.

        Parameters
        ----------
        pixels : uint8 array, shape (N, S, S, 3)
            RGB.

        Returns
        -------
        float32 array, shape (N, D)
            Rows of unit L2 norm.

        Raises
        ------
        UsageError
            If the array has another shape or type.
        """
        check_squares(pixels, self.image_size)
        if not len(pixels):
            return np.empty((0, self.dimension), np.float32)
        return self._session.run(EMBEDDING, pixels)

    def check(self) -> float:
        """Embed the golden picture with the whole graph and compare with the vector in the card.

        Returns
        -------
        float
            Largest absolute difference; at most `golden.tolerance_of` the file.

        Raises
        ------
        ClrSearchError
            If the difference is larger.
        """
        picture = golden_picture(self.card.golden_size)
        return check_golden(self._model, self._session.run(EMBEDDING, picture[None])[0])
