"""Comparison of a trained encoder with the same network untrained, and with colour histograms.

The untrained network has the initial weights of the same seed: its scores are what the structure of
the network reaches without training. The RGB histogram is the simplest baseline.
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
from clr_search.evaluate.baselines import chance_of, majority_of
from clr_search.evaluate.retrieval import leave_one_out, rgb_histogram
from clr_search.files.finding.image_file import ImageFile
from clr_search.progress import Reporter, Silent
from clr_search.serve.encoder import Encoder
from clr_search.serve.pipeline import Embedded, embed_files
from clr_search.serve.probe import fit_probe


@dataclass(frozen=True, slots=True)
class Row:
    """The scores of one encoder or histogram at finding pictures of the same folder.

    Attributes
    ----------
    name : str
        Name of the encoder or histogram.
    dimension : int
        Length of its vectors; 0 for chance and majority, which have none.
    recall_at_1 : float
        Share of queries whose nearest neighbour has their label (leave one out), in [0, 1].
    precision_at_10 : float
        Mean share of the ten nearest neighbours that have the label of the query, in [0, 1].
    mean_average_precision : float
        Mean of the average precision over the whole ranking, in [0, 1].
    knn_accuracy : float
        Accuracy of the weighted kNN classifier (InstDisc, arXiv 1805.01978), in [0, 1].
    probe_accuracy, probe_low, probe_high : float
        Accuracy of the linear probe on pictures that it was not fitted on, and its 95 % interval,
        in [0, 1].
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
        """Returns the fields as a dict of plain values, for JSON."""
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
        The pictures; those that have no label or cannot be read are left out.
    encoders : dict of str to path
        Names of the encoders, and the paths of their `encoder.onnx`.
    seed : int
        Seed of the split into pictures that the probe is fitted to and held-out ones.
    reporter : Reporter, optional
        The reporter that shows the progress; none if not given.

    Returns
    -------
    list of Row
        The scores of the histogram, those of the encoders in the order given, and what chance and
        the majority class come to, on the pictures that the histograms could be made of.

    Examples
    --------
    ::

        rows = compare(find_images(["/photos"]), {"trained": Path("encoder.onnx")})
        print(table(rows))
    """
    reporter = reporter or Silent()
    labelled = [file for file in files if file.label is not None]
    vectors, labels = histograms(labelled, reporter)
    rows = [score("RGB histogram", vectors, labels, seed)]
    for name, path in encoders.items():
        rows.append(score(name, *embeddings(labelled, name, path, reporter), seed))
    return [*rows, *baseline_rows(labels)]


Described = tuple[NDArray[np.float32], list[str]]
"""Vectors of pictures, float32 (N, D), and their N labels."""


def score(name: str, vectors: NDArray[np.float32], labels: list[str], seed: int = 0) -> Row:
    """Score the vectors of one encoder or histogram.

    Parameters
    ----------
    name : str
        Name of the encoder or histogram.
    vectors : float32 array, shape (N, D)
        Rows of unit length.
    labels : list of str, length N
        Classes of the pictures.
    seed : int
        Seed of the split into pictures that the probe is fitted to and held-out ones.

    Returns
    -------
    Row
        All scores, in [0, 1].

    Raises
    ------
    UsageError
        If no class has two pictures, or the probe cannot be fitted to so few.
    """
    retrieval = leave_one_out(vectors, labels)
    probe = fit_probe(vectors, labels, seed=seed)
    assert probe.accuracy is not None
    assert probe.interval is not None  # `fit_probe` holds pictures out to measure both
    return Row(
        name=name,
        dimension=vectors.shape[1],
        recall_at_1=retrieval.recall_at_1,
        precision_at_10=retrieval.precision_at_10,
        mean_average_precision=retrieval.mean_average_precision,
        knn_accuracy=retrieval.knn_accuracy,
        probe_accuracy=probe.accuracy,
        probe_low=probe.interval[0],
        probe_high=probe.interval[1],
    )


def baseline_rows(labels: Sequence[str]) -> list[Row]:
    """Return what the measures come to by chance, and by the majority class alone.

    Parameters
    ----------
    labels : sequence of str
        Classes of the pictures.

    Examples
    --------
    >>> [row.knn_accuracy for row in baseline_rows(["cat"] * 3 + ["dog"] * 2)]
    [0.5, 0.6]
    """
    sizes = np.unique(labels, return_counts=True)[1]
    return [
        Row(
            name,
            0,
            one.recall_at_1,
            one.precision_at_10,
            one.mean_average_precision,
            one.knn_accuracy,
            *[one.knn_accuracy] * 3,  # A probe guesses a class, as the kNN does.
        )
        for name, one in (("chance", chance_of(sizes)), ("majority", majority_of(sizes)))
    ]


def histograms(files: Sequence[ImageFile], reporter: Reporter) -> Described:
    """Returns colour histograms, float32 (N, 512), and labels of the pictures that can be read."""
    vectors, labels = [], []
    with reporter.task("Colour histograms", len(files), "images"):
        for file in files:
            reporter.advance()
            try:
                picture = images.load(file.path, at_least=128)
            except ImageError:
                continue  # the index counts and lists unreadable pictures
            vectors.append(rgb_histogram(picture.pixels))
            labels.append(str(file.label))
    return np.stack(vectors), labels


def embeddings(files: Sequence[ImageFile], name: str, path: Path, reporter: Reporter) -> Described:
    """Returns vectors, float32 (N, D), and labels of the pictures that can be read."""
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
    """Returns the scores as a Markdown table of percentages.

    Examples
    --------
    >>> print(table([Row("RGB histogram", 512, 0.5, 0.4, 0.3, 0.5, 0.625, 0.5, 0.75)]))
    | | R@1 | P@10 | mAP | kNN | linear probe (95 % interval) |
    |---|---|---|---|---|---|
    | RGB histogram | 50.0 | 40.0 | 30.0 | 50.0 | 62.5 (50.0–75.0) |
    """
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
        probe = f"{100 * row.probe_accuracy:.1f}"
        if row.probe_low < row.probe_high:
            probe += f" ({100 * row.probe_low:.1f}–{100 * row.probe_high:.1f})"
        lines.append(f"| {row.name} | {' | '.join([*cells, probe])} |")
    return "\n".join(lines)
