"""What training has brought: retrieval with h, with the same network untrained, and by colour.

The untrained network starts from the same seed; what it scores is what its structure alone knows.
The RGB histogram is what a person would try first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search import images
from clr_search.errors import ImageError
from clr_search.evaluate.retrieval import leave_one_out, rgb_histogram
from clr_search.files.find import ImageFile
from clr_search.progress import Reporter, Silent
from clr_search.serve.encoder import Encoder
from clr_search.serve.pipeline import Embedded, embed_files
from clr_search.serve.probe import fit_probe


@dataclass(frozen=True, slots=True)
class Row:
    """One way of describing pictures, and how well it finds pictures of the same folder.

    Attributes
    ----------
    name : str
        Of the description.
    dimension : int
        Length of its vectors.
    recall_at_1 : float
        Leave-one-out: share of queries whose nearest neighbour has their label.
    precision_at_10 : float
        Mean share of the ten nearest that have the query's label.
    mean_average_precision : float
        Over the whole ranking.
    knn_accuracy : float
        Weighted kNN classifier (InstDisc, arXiv 1805.01978).
    probe_accuracy, probe_low, probe_high : float
        Linear probe on pictures kept aside, with its 95 % interval.
    """

    name: str
    dimension: int
    recall_at_1: float
    precision_at_10: float
    mean_average_precision: float
    knn_accuracy: float
    probe_accuracy: float
    probe_low: float
    probe_high: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def compare(
    files: Sequence[ImageFile],
    encoders: dict[str, Path],
    *,
    seed: int = 0,
    reporter: Reporter | None = None,
) -> list[Row]:
    """Score an RGB histogram and some encoders on pictures whose folders are their labels.

    Parameters
    ----------
    files : sequence of ImageFile
        The pictures; those without a label or broken are left out.
    encoders : dict of str to path
        Name and `encoder.onnx`.
    seed : int
        Seed of the split that the probe is measured on.
    reporter : Reporter, optional
        Progress.

    Returns
    -------
    list of Row
        The histogram first, then the encoders in the order given.
    """
    reporter = reporter or Silent()
    labelled = [file for file in files if file.label is not None]
    rows = [score("RGB histogram", *histograms(labelled, reporter), seed)]
    for name, path in encoders.items():
        rows.append(score(name, *embeddings(labelled, name, path, reporter), seed))
    return rows


Described = tuple[NDArray[np.float32], list[str]]


def score(name: str, vectors: NDArray[np.float32], labels: list[str], seed: int = 0) -> Row:
    """Score one description.

    Parameters
    ----------
    name : str
        Of the description.
    vectors : float32 array, shape (N, D)
        Rows of unit length.
    labels : list of str, length N
        Classes.
    seed : int
        Seed of the split that the probe is measured on.
    """
    found = leave_one_out(vectors, labels)
    probe = fit_probe(vectors, labels, seed=seed)
    assert probe.accuracy is not None
    assert probe.interval is not None  # it holds pictures out
    return Row(
        name=name,
        dimension=vectors.shape[1],
        recall_at_1=found.recall_at_1,
        precision_at_10=found.precision_at_10,
        mean_average_precision=found.mean_average_precision,
        knn_accuracy=found.knn_accuracy,
        probe_accuracy=probe.accuracy,
        probe_low=probe.interval[0],
        probe_high=probe.interval[1],
    )


def histograms(files: Sequence[ImageFile], reporter: Reporter) -> Described:
    """Colour histograms, float32 (N, 512), and labels of the pictures that can be read."""
    vectors, labels = [], []
    with reporter.task("Colour histograms", len(files), "images"):
        for file in files:
            reporter.advance()
            try:
                picture = images.load(file.path, at_least=128)
            except ImageError:
                continue  # counted and listed by the index
            vectors.append(rgb_histogram(picture.pixels))
            labels.append(str(file.label))
    return np.stack(vectors), labels


def embeddings(files: Sequence[ImageFile], name: str, path: Path, reporter: Reporter) -> Described:
    """Vectors, float32 (N, D), and labels of the pictures that can be read."""
    label_of = {file.path: str(file.label) for file in files}
    vectors, labels = [], []
    with reporter.task(f"Embedding, {name}", len(files), "images"):
        for batch in embed_files(Encoder(path), (file.path for file in files)):
            reporter.advance(len(batch))
            for result in batch:
                if isinstance(result, Embedded):
                    vectors.append(result.vector)
                    labels.append(label_of[result.path])
    return np.stack(vectors), labels


def table(rows: Sequence[Row]) -> str:
    """A Markdown table of percentages."""
    lines = [
        "| | R@1 | P@10 | mAP | kNN | linear probe (95 % interval) |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        shares = (
            row.recall_at_1,
            row.precision_at_10,
            row.mean_average_precision,
            row.knn_accuracy,
        )
        cells = [f"{100 * share:.1f}" for share in shares]
        probe = (
            f"{100 * row.probe_accuracy:.1f} ({100 * row.probe_low:.1f}–{100 * row.probe_high:.1f})"
        )
        lines.append(f"| {row.name} | {' | '.join([*cells, probe])} |")
    return "\n".join(lines)
