"""`Encoder` embeds pictures: it runs `encoder.onnx`, which turns each into a unit vector."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clr_search.contract.golden import check_golden, golden_picture
from clr_search.contract.model_file import EMBEDDING, Card, ModelFile, read_model
from clr_search.contract.shipped import shipped_encoder
from clr_search.serve.devices import AUTO
from clr_search.serve.inputs import Pictures, check_squares, in_batches
from clr_search.serve.sessions import BATCH, Session


class Encoder:
    """A validated `encoder.onnx`, ready to embed pictures; it may be used from many threads.

    Parameters
    ----------
    path : path or ModelFile, optional
        An `encoder.onnx`, or a `probe.onnx`, which contains an encoder; or one that was read
        already. Without it, the encoder that comes with the package is opened.
    threads : int, optional
        Number of threads that one run uses; all physical cores by default.
    device : str
        ``cpu``, ``cuda``, ``cuda:N`` with the number of a GPU, or ``auto``, which chooses CUDA
        where ONNX Runtime has it and can start it, else the processor. The vectors of the two
        differ in the last digits.

    Attributes
    ----------
    model : ModelFile
        The model file as it was read.
    path : Path
        Its path.
    sha256 : str
        SHA-256 of the file. An index accepts vectors of this file only.
    card : Card
        The metadata of the file.
    image_size : int
        S, the side in pixels of the square that the encoder sees.
    dimension : int
        D, the length of a vector.
    device : str
        The device in use: ``cpu`` or ``cuda:N``.

    Raises
    ------
    UsageError
        If the file is missing, truncated, breaks the contract (see
        `contract.model_file.read_model`), or is not accepted by ONNX Runtime; or if the device does
        not exist.

    Examples
    --------
    The encoder that comes with the package embeds two grey pictures::

        encoder = Encoder()
        vectors = encoder.encode(np.full((2, 120, 160, 3), 128, np.uint8))
        vectors.shape  # (2, encoder.dimension)
    """

    def __init__(
        self,
        path: Path | str | ModelFile | None = None,
        *,
        threads: int | None = None,
        device: str = AUTO,
    ) -> None:
        path = shipped_encoder() if path is None else path
        self.model = path if isinstance(path, ModelFile) else read_model(path)
        self.path = self.model.path
        self.sha256 = self.model.sha256
        self.card: Card = self.model.card
        self.image_size = self.card.image_size
        self.dimension = self.card.embedding_dim
        self._session = Session(self.model, threads, device)
        self.device = self._session.device

    def __repr__(self) -> str:
        size = self.image_size
        return f"Encoder({str(self.path)!r}: {self.card.name}, {size}×{size} → {self.dimension})"

    def with_threads(self, threads: int) -> Encoder:
        """Return the same encoder on the same device, with another number of threads a run.

        The model file is not read again.

        Raises
        ------
        UsageError
            If `threads` is below 1.
        """
        other = copy.copy(self)
        other._session = Session(self.model, threads, self.device)
        return other

    def encode(self, pictures: Pictures) -> NDArray[np.float32]:
        """Embed pictures of any sizes.

        Parameters
        ----------
        pictures : picture or iterable of pictures
            Each picture is a uint8 RGB array of shape (h, w, 3), a Pillow image or a path; kinds
            and sizes may be mixed. An array of shape (N, h, w, 3) is N pictures.

        Returns
        -------
        float32 array, shape (N, D)
            Rows of unit L2 norm; N is 1 for a single picture.

        Raises
        ------
        UsageError
            If an item is not a picture, or is an array of another shape or dtype.
        ClrSearchError
            If a file cannot be decoded; the message names its path.
        """
        batches = [
            self.encode_squares(batch) for batch in in_batches(pictures, self.image_size, BATCH)
        ]
        return np.concatenate(batches) if batches else np.empty((0, self.dimension), np.float32)

    def encode_squares(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed pictures that are squares of the encoder's size, such as `images.square` makes.

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
            If the array has another shape or dtype.
        ClrSearchError
            If ONNX Runtime fails.
        """
        check_squares(pixels, self.image_size)
        if not len(pixels):
            return np.empty((0, self.dimension), np.float32)
        return self._session.run(EMBEDDING, pixels)

    def check(self) -> float:
        """Embed the golden picture with the whole graph, and compare with the vector in the card.

        Returns
        -------
        float
            Largest absolute difference; at most what `contract.golden.tolerance_of` allows.

        Raises
        ------
        ClrSearchError
            If the difference is larger.
        """
        picture = golden_picture(self.card.golden_size)
        return check_golden(self.model, self._session.run(EMBEDDING, picture[None])[0])
