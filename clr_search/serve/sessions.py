"""`Session` runs a validated model file with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clr_search.contract.model_file import IMAGES, ModelFile
from clr_search.contract.runtime import first_line, out_of_memory
from clr_search.errors import ClrSearchError, UsageError
from clr_search.serve import devices

BATCH = 64
"""Largest number of pictures in one run of the graph; it bounds the memory of the activations."""


class Session:
    """An ONNX Runtime session over the very bytes that were validated.

    It may be run from many threads at once. Pickled, it is the model file with its settings, and is
    opened anew where it is unpickled: what ONNX Runtime holds cannot be pickled.

    Parameters
    ----------
    model : ModelFile
        A file that `contract.model_file.read_model` returned.
    threads : int, optional
        Number of threads that one run uses; all physical cores by default.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, as `devices.open_session` takes it.

    Attributes
    ----------
    device : str
        The device in use: ``cpu`` or ``cuda:N``.

    Raises
    ------
    UsageError
        If `threads` is below 1, the device does not exist, or ONNX Runtime does not accept the
        graph.
    """

    def __init__(
        self, model: ModelFile, threads: int | None = None, device: str = devices.AUTO
    ) -> None:
        if threads is not None and threads < 1:
            raise UsageError(f"threads is {threads}; it must be 1 or more.")
        self._path = model.path
        self._opened_with = (model, threads, device)
        try:
            self._session, self.device = devices.open_session(model.data, threads or 0, device)
        except UsageError:
            raise
        except Exception as error:  # ONNX Runtime's exceptions share no base class.
            raise UsageError(
                f"{model.path} is not accepted by ONNX Runtime: {first_line(error)}.",
                "The file is damaged, or needs a newer onnxruntime; export it again, or update.",
            ) from error

    def __reduce__(self) -> tuple[type[Session], tuple[ModelFile, int | None, str]]:
        return Session, self._opened_with

    def run(self, output: str, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute one output for pictures of one size; `run_all` describes the arguments.

        Returns
        -------
        float32 array, shape (N, length of the output)
            One row a picture; shape (N,) for an output of one number a picture.
        """
        return self.run_all([output], pixels)[0]

    def run_all(
        self, outputs: Sequence[str], pixels: NDArray[np.uint8]
    ) -> list[NDArray[np.float32]]:
        """Compute several outputs for pictures of one size, at most `BATCH` pictures at a time.

        Parameters
        ----------
        outputs : sequence of str
            Names of outputs, such as `contract.model_file.EMBEDDING`.
        pixels : uint8 array, shape (N, H, W, 3)
            RGB; N ≥ 1.

        Returns
        -------
        list of float32 arrays, each of N rows
            The outputs, in the order of their names.

        Raises
        ------
        ClrSearchError
            If ONNX Runtime fails.
        """
        try:
            batches = [
                self._session.run(outputs, {IMAGES: pixels[start : start + BATCH]})
                for start in range(0, len(pixels), BATCH)
            ]
        except Exception as error:
            if out_of_memory(error):
                raise ClrSearchError(
                    f"{self._path} needs more memory for these pictures than a session may take.",
                    "Give it fewer or smaller pictures at a time; if it is not your own export, do "
                    "not use it.",
                ) from error
            raise ClrSearchError(
                f"{self._path} failed in ONNX Runtime: {first_line(error)}."
            ) from error
        return [np.concatenate(rows) for rows in zip(*batches, strict=True)]
