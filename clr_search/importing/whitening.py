"""Vectors of an imported encoder are whitened on pictures, half the way, as those of an export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.contract.runtime import vectors
from clr_search.cores import one_thread
from clr_search.errors import ImageError, UsageError
from clr_search.export.resize import Part
from clr_search.files.finding.find import find_images
from clr_search.images import Frame, decode_square, read
from clr_search.importing.wrap import whitening_part
from clr_search.progress import Reporter

POWER = 0.5
"""Degree of the whitening, as `export.descriptor.POWER`; that module needs torch."""

MOST_PICTURES = 10_000
"""Largest number of pictures that are measured; of more, a sample evenly spread over the list."""

_VARIANCE_FLOOR = 1e-6
"""Least variance of an axis, relative to the largest."""

_BATCH = 32


@dataclass(frozen=True, slots=True)
class Whitening:
    """What whitens, and the number of pictures that it was measured on."""

    part: Part
    pictures: int


def whitened(
    session: Any, frame: Frame, dimension: int, folders: Sequence[Path], reporter: Reporter
) -> Whitening:
    """Measure the vectors of pictures, and make the nodes that whiten them.

    Raises
    ------
    UsageError
        If no more than `dimension` pictures can be read, which would not determine the axes.
    """
    files = find_images(folders)
    sample = files[:: -(-len(files) // MOST_PICTURES)] if files else []
    rows = []
    with reporter.task("Whitening", len(sample), "images"):
        for start in range(0, len(sample), _BATCH):
            squares = []
            for file in sample[start : start + _BATCH]:
                try:
                    squares.append(decode_square(read(file.path)[0], frame).pixels)
                except ImageError:
                    continue
            if squares:
                rows.append(vectors(session, np.stack(squares)))
            reporter.advance(len(sample[start : start + _BATCH]))
    count = sum(map(len, rows))
    if count <= dimension:
        raise UsageError(
            f"Whitening {dimension} numbers needs more pictures than {dimension}, and {count} can "
            "be read.",
            "Give a folder with more pictures, or leave --whiten out.",
        )
    mean, axes = principal_axes(np.concatenate(rows).astype(np.float64))
    return Whitening(whitening_part(mean, axes), count)


def principal_axes(
    rows: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the principal axes of rows, each damped according to its variance.

    Parameters
    ----------
    rows : float64 array, shape (N, D)

    Returns
    -------
    mean : float64 array, shape (D,)
    axes : float64 array, shape (D, D)
        The axes as columns, the largest variance first, divided by variance^(POWER / 2); the
        largest entry of each is positive.

    Examples
    --------
    >>> mean, axes = principal_axes(np.array([[-16.0, -1], [-16, 1], [16, -1], [16, 1]]))
    >>> ((np.array([16.0, 0]) - mean) @ axes).round(2).tolist()
    [3.72, 0.0]
    """
    mean = rows.mean(axis=0)
    with one_thread():
        variances, axes = np.linalg.eigh(np.cov(rows.T))
    variances, axes = variances[::-1], axes[:, ::-1]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    damped = np.maximum(variances, _VARIANCE_FLOOR * variances[0]) ** (-POWER / 2)
    return mean, axes * signs * damped
