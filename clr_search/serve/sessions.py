"""A validated model file in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clr_search.contract.model_file import IMAGES, ModelFile
from clr_search.contract.runtime import first_line
from clr_search.errors import ClrSearchError, UsageError
from clr_search.serve import devices

BATCH = 64
"""Most pictures in one run of the graph: bounds the memory of its activations."""


class Session:
    """ONNX Runtime over the very bytes that were validated; safe to run from many threads.

    Parameters
    ----------
    model : ModelFile
        As read by `contract.read_model`.
    threads : int, optional
        Threads of one run; all physical cores where not given.
    device : str
        See `devices.open_session`.

    Attributes
    ----------
    device : str
        ``cpu``, or ``cuda:N``.

    Raises
    ------
    UsageError
        If `threads` is below 1, there is no such device, or ONNX Runtime does not accept the graph.
    """

    def __init__(
        self, model: ModelFile, threads: int | None = None, device: str = devices.AUTO
    ) -> None:
        if threads is not None and threads < 1:
            raise UsageError(f"threads is {threads}; it must be 1 or more.")
        self._path = model.path
        try:
            self._session, self.device = devices.open_session(model.data, threads or 0, device)
        except UsageError:
            raise
        except Exception as error:  # its exceptions share no base class
            raise UsageError(
                f"{model.path} is not accepted by ONNX Runtime: {first_line(error)}.",
                "The file is damaged, or needs a newer onnxruntime; export it again, or update.",
            ) from error

    def run(self, output: str, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """One output for pictures of one size, shape (N, length of the output); see `run_all`."""
        return self.run_all([output], pixels)[0]

    def run_all(
        self, outputs: Sequence[str], pixels: NDArray[np.uint8]
    ) -> list[NDArray[np.float32]]:
        """Several outputs for pictures of one size, at most `BATCH` at a time.

        Parameters
        ----------
        outputs : sequence of str
            Names of outputs, such as `contract.EMBEDDING`.
        pixels : uint8 array, shape (N, H, W, 3)
            RGB; N ≥ 1.

        Returns
        -------
        list of float32 arrays, each of N rows

        Raises
        ------
        ClrSearchError
            If ONNX Runtime fails.
        """
        try:
            parts = [
                self._session.run(outputs, {IMAGES: pixels[start : start + BATCH]})
                for start in range(0, len(pixels), BATCH)
            ]
        except Exception as error:
            raise ClrSearchError(
                f"{self._path} failed in ONNX Runtime: {first_line(error)}."
            ) from error
        return [np.concatenate(rows) for rows in zip(*parts, strict=True)]
