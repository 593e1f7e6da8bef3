"""`Probe` classifies pictures with a `probe.onnx`, an encoder and a classifier in one file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clr_search.contract.golden import check_golden, golden_picture
from clr_search.contract.model_file import (
    EMBEDDING,
    NOVELTY,
    PROBABILITIES,
    TOLERANCE,
    Card,
    read_model,
)
from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.write import atomic_path, refuse_existing
from clr_search.serve.devices import AUTO, CPU
from clr_search.serve.inputs import Pictures, in_batches
from clr_search.serve.probe.fit import FittedProbe
from clr_search.serve.probe.verdict import Verdict, verdicts
from clr_search.serve.sessions import BATCH, Session

_OTHER_VERSION = "Try another version of onnxruntime; see constraints.txt for a tested one."
# Relative: single precision loses digits in the difference of two squares.
_NOVELTY_TOLERANCE = 1e-3


class Probe:
    """A validated `probe.onnx`, ready to classify pictures; it may be used from many threads.

    Parameters
    ----------
    path : path
        A `probe.onnx`.
    threads : int, optional
        Number of threads that one run uses; all physical cores by default.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, as `Encoder` takes it.

    Attributes
    ----------
    path : Path
        The model file.
    sha256 : str
        SHA-256 of the file.
    card : Card
        The metadata of the file.
    classes : tuple of str
        C names, in the order of the probabilities.
    tells_unknown : bool
        Whether the file tells pictures of none of the classes; files of earlier releases, and of
        very few pictures, do not.

    Raises
    ------
    UsageError
        If the file is missing, truncated, breaks the contract, or is an encoder without classes; or
        if the device does not exist.
    """

    def __init__(self, path: Path | str, *, threads: int | None = None, device: str = AUTO) -> None:
        model = read_model(path)
        if not model.card.classes:
            raise UsageError(
                f"{model.path} is an encoder without classes.",
                "Make a classifier with: clr-search probe COLLECTION --out probe.onnx",
            )
        self.path = model.path
        self.sha256 = model.sha256
        self.card: Card = model.card
        self.classes = model.card.classes
        self.tells_unknown = model.card.novelty_refused is not None
        self._session = Session(model, threads, device)

    def __repr__(self) -> str:
        return f"Probe({str(self.path)!r}: {self.card.name}, {len(self.classes)} classes)"

    def predict_proba(self, pictures: Pictures) -> NDArray[np.float32]:
        """Return the class probabilities of pictures of any sizes.

        Parameters
        ----------
        pictures : picture or iterable of pictures
            As `Encoder.encode` takes them.

        Returns
        -------
        float32 array, shape (N, C)
            Rows sum to 1; columns in the order of `classes`.

        Raises
        ------
        UsageError
            If an item is not a picture, or is an array of another shape or dtype.
        ClrSearchError
            If a file cannot be decoded; the message names its path.
        """
        return self.examine(pictures)[0]

    def examine(self, pictures: Pictures) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return the class probabilities of pictures, and how unlike all classes they are.

        Parameters
        ----------
        pictures : picture or iterable of pictures
            As `Encoder.encode` takes them.

        Returns
        -------
        probabilities : float32 array, shape (N, C)
            The result of `predict_proba`; it assumes that the picture is of one of the classes.
        novelty : float32 array, shape (N,), or None
            Above 1, the picture counts as of none of the classes; the share
            `card.novelty_refused` of pictures of the classes is above 1 by mistake. None where
            the file has no such output.

        Raises
        ------
        UsageError, ClrSearchError
            As `predict_proba`.
        """
        names = [PROBABILITIES, NOVELTY] if self.tells_unknown else [PROBABILITIES]
        parts = [
            self._session.run_all(names, batch)
            for batch in in_batches(pictures, self.card.image_size, BATCH)
        ]
        empty = [np.empty((0, len(self.classes)), np.float32), np.empty(0, np.float32)]
        rows = [np.concatenate(part) for part in zip(*parts, strict=True)] if parts else empty
        return rows[0], rows[1] if self.tells_unknown else None

    def classify(self, pictures: Pictures) -> list[Verdict]:
        """Return a verdict on each picture: its likely classes, and whether it is of any of them.

        Parameters
        ----------
        pictures : picture or iterable of pictures
            As `Encoder.encode` takes them.

        Raises
        ------
        UsageError, ClrSearchError
            As `predict_proba`.
        """
        return self.verdicts(*self.examine(pictures))

    def verdicts(
        self, probabilities: NDArray[np.float32], novelty: NDArray[np.float32] | None
    ) -> list[Verdict]:
        """Return the verdicts on pictures, from the two results of `examine`."""
        return verdicts(self.classes, probabilities, novelty)

    def predict(self, pictures: Pictures) -> list[str]:
        """Return the name of the most probable class of each picture, as `predict_proba` has it."""
        return [self.classes[best] for best in self.predict_proba(pictures).argmax(axis=1)]


def save_probe(fitted: FittedProbe, encoder: Path, out: Path, *, force: bool = False) -> Path:
    """Write `probe.onnx`; the file is checked before it gets its final name.

    Parameters
    ----------
    fitted : FittedProbe
        A probe fitted on embeddings of this encoder.
    encoder : Path
        The `encoder.onnx`.
    out : Path
        The file to write.
    force : bool
        Whether to overwrite `out`.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    UsageError
        If `out` exists and `force` is False, or the encoder is not one that `fitted` belongs to.
    ClrSearchError
        If ONNX Runtime does not give scikit-learn's probabilities to `contract.TOLERANCE`.
    """
    from clr_search.serve.probe.graph import with_classifier

    out = Path(out)
    refuse_existing(out, force=force)
    model = read_model(encoder)
    dimension = fitted.coefficients.shape[1]
    if model.card.classes:
        raise UsageError(f"{encoder} is a probe itself.", "Give the encoder it was made from.")
    if model.card.embedding_dim != dimension:
        raise UsageError(
            f"{encoder} gives vectors of length {model.card.embedding_dim}, but the probe was "
            f"fitted on vectors of length {dimension}.",
            "Give the encoder that made these vectors.",
        )
    if out.exists() and out.samefile(encoder):
        raise UsageError(f"{out} is the encoder.", "Choose another name for the probe.")
    data = with_classifier(
        model,
        fitted.classes,
        fitted.coefficients,
        fitted.intercept,
        fitted.accuracy,
        fitted.novelty,
    )
    with atomic_path(out) as temporary:
        temporary.write_bytes(data)
        _check(temporary, fitted)
    return out


def _check(path: Path, fitted: FittedProbe) -> None:
    """Check that the file is valid, keeps its golden vector, and gives scikit-learn's numbers."""
    model = read_model(path)
    session = Session(model, device=CPU)  # This checks the file, not a device.
    picture = golden_picture(model.card.golden_size)
    check_golden(model, session.run(EMBEDDING, picture[None])[0])
    noise = np.random.default_rng(0).integers(0, 256, (16, 40, 56, 3), np.uint8)
    noise[:8] = noise[:8, :1, :1]  # Half of the pictures are plain colours.
    embedding = session.run(EMBEDDING, noise).astype(np.float64)
    expected = fitted.estimator.probabilities(embedding)
    difference = float(np.abs(session.run(PROBABILITIES, noise) - expected).max())
    if not difference <= TOLERANCE:
        raise ClrSearchError(
            f"ONNX Runtime gives probabilities that differ from scikit-learn's by {difference:.1e} "
            f"(allowed {TOLERANCE:.0e}), so the probe was not written.",
            _OTHER_VERSION,
        )
    if fitted.novelty is None:
        return
    novelty = fitted.novelty.of(embedding)
    errors = np.abs(session.run(NOVELTY, noise) - novelty) / np.maximum(novelty, 1)
    difference = float(errors.max())
    if not difference <= _NOVELTY_TOLERANCE:
        raise ClrSearchError(
            f"ONNX Runtime gives distances to the classes that differ from numpy's by "
            f"{difference:.1e} (allowed {_NOVELTY_TOLERANCE:.0e}), so the probe was not written.",
            _OTHER_VERSION,
        )
