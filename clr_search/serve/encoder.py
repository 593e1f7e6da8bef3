"""`Encoder` embeds pictures: it runs `encoder.onnx`, which turns each into a unit vector."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clr_search.contract.golden import check_golden, golden_picture
from clr_search.contract.model_file import EMBEDDING, Card, ModelFile, read_model
from clr_search.contract.shipped import encoder_named, shipped_encoder
from clr_search.serve.devices import AUTO
from clr_search.serve.inputs import Errors, Pictures, check_squares, in_batches
from clr_search.serve.sessions import BATCH, Session


class Encoder:
    """A validated `encoder.onnx`, ready to embed pictures; it may be used from many threads.

    It can be pickled: the model file travels inside, so that another process, or another machine,
    needs no file of it.

    Parameters
    ----------
    path : path or ModelFile, optional
        An `encoder.onnx`, or a `probe.onnx`, which contains an encoder; or one that was read
        already. Without it, and by the name ``"default"`` where there is no such file, the encoder
        that comes with the package is opened.
    threads : int, optional
        Number of threads that one run uses; all physical cores by default.
    device : str
        ``cpu``, ``cuda``, ``cuda:N`` with the number of a GPU, or ``auto``, which chooses CUDA
        where ONNX Runtime has it and can start it, else the processor. The vectors of the two
        differ in the last digits.

    Attributes
    ----------
    model : ModelFile
        The model file as it was read and validated.
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
        if path is None:
            path = shipped_encoder()
        elif not isinstance(path, ModelFile):
            path = encoder_named(str(path))
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

    def encode(self, pictures: Pictures, *, errors: Errors = "raise") -> NDArray[np.float32]:
        """Embed pictures of any sizes.

        Parameters
        ----------
        pictures : picture or iterable of pictures
            Each picture is a path, the bytes of a file, a file object that is open for bytes, a
            Pillow image, a uint8 RGB array of shape (h, w, 3), or a tensor of shape (3, h, w),
            uint8 or from 0 to 1; kinds and sizes may be mixed. An array of shape (N, h, w, 3), a
            tensor of shape (N, 3, h, w) and an array of N paths are N pictures.
        errors : "raise", "skip" or callable
            What is done about a picture that cannot be read. With ``"skip"``, it has no row in the
            result, and a warning names it. A function is called with its position among the
            pictures and the error, and it has no row either.

        Returns
        -------
        float32 array, shape (N, D)
            Rows of unit L2 norm, in the order of the pictures; N is 1 for a single picture.

        Raises
        ------
        UsageError
            If an item is not a picture, or is an array of another shape or dtype.
        ClrSearchError
            If a picture cannot be decoded and `errors` is ``"raise"``; the message names its path.

        Examples
        --------
        The rows and the paths of what can be read belong together::

            failed = {}
            rows = encoder.encode(paths, errors=failed.setdefault)
            read = [path for at, path in enumerate(paths) if at not in failed]
        """
        squares = in_batches(pictures, self.image_size, BATCH, errors)
        batches = [self.encode_squares(batch) for batch in squares]
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
