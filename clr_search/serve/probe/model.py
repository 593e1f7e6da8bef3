"""`Probe` classifies pictures with a `probe.onnx`, an encoder and a classifier in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from clr_search.contract.model_file import NOVELTY, PROBABILITIES, Card, ModelFile, read_model
from clr_search.errors import UsageError
from clr_search.files.write import atomic_path, refuse_existing
from clr_search.serve.devices import AUTO
from clr_search.serve.encoder import Encoder
from clr_search.serve.inputs import Pictures, in_batches
from clr_search.serve.probe.fit import class_names
from clr_search.serve.probe.fitted import FittedProbe
from clr_search.serve.probe.verdict import Verdict, verdicts
from clr_search.serve.sessions import BATCH, Session


class Probe:
    """A validated `probe.onnx`, ready to classify pictures; it may be used from many threads.

    `Probe.fit` makes one of labelled pictures. It can be pickled, as an `Encoder` can.

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
    fitted : FittedProbe or None
        The measures of a probe that `fit` made; None for one that was read from a file.
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
        self._open(read_model(path), threads, device)

    def _open(
        self, model: ModelFile, threads: int | None, device: str, fitted: FittedProbe | None = None
    ) -> None:
        """Open a model file, which `fitted` was made into if that is known."""
        if not model.card.classes:
            raise UsageError(
                f"{model.path} is an encoder without classes.",
                "Make a classifier with: clr-search probe COLLECTION --out probe.onnx",
            )
        self._model = model
        self.fitted = fitted
        self.path = model.path
        self.sha256 = model.sha256
        self.card: Card = model.card
        self.classes = model.card.classes
        self.tells_unknown = model.card.novelty_refused is not None
        self._session = Session(model, threads, device)

    def __repr__(self) -> str:
        return f"Probe({str(self.path)!r}: {self.card.name}, {len(self.classes)} classes)"

    @classmethod
    def fit(
        cls,
        X: Pictures,  # noqa: N803  # the name that scikit-learn has made common
        y: Sequence[object],
        *,
        encoder: Encoder | Path | str | None = None,
        seed: int = 0,
        threads: int | None = None,
        device: str = AUTO,
    ) -> Probe:
        """Fit a classifier to labelled pictures; even one of each class is enough.

        Parameters
        ----------
        X : pictures, or float array of shape (N, D)
            N pictures, as `Encoder.encode` takes them, or their embeddings by the encoder.
        y : sequence of length N
            Names of their classes; numbers become texts. A picture without one (None, an empty
            text, NaN) is left out.
        encoder : Encoder or path, optional
            The encoder; the one that comes with the package by default.
        seed : int
            Seed of the folds of the cross-validation that measures it.
        threads, device
            As of `Probe`.

        Returns
        -------
        Probe
            The classifier; `save` writes it, and `fitted` has its measures.

        Raises
        ------
        UsageError
            If there are fewer than two classes, or X, y and the encoder do not fit together.
        ClrSearchError
            If a picture cannot be decoded.

        Examples
        --------
        ::

            probe = Probe.fit(["a.jpg", "b.jpg", "c.jpg", "d.jpg"], ["cat", "cat", "dog", "dog"])
            print(probe.fitted.accuracy, probe.fitted.interval, probe.fitted.majority)
            probe.predict("new.jpg")
            probe.save("cats-and-dogs.onnx")
        """
        from clr_search.serve.probe.few_shot import fit_shots
        from clr_search.serve.probe.graph import probe_model

        if not isinstance(encoder, Encoder):
            encoder = Encoder(encoder, threads=threads, device=device)
        vectors = X.astype(np.float32) if _is_vectors(X) else encoder.encode(X)
        fitted = fit_shots(vectors, class_names(y), seed=seed)
        probe = cls.__new__(cls)
        model = probe_model(fitted, encoder.model, Path("probe.onnx"))
        probe._open(model, threads, device, fitted)
        return probe

    def save(self, out: Path | str, *, force: bool = False) -> Path:
        """Write the probe to a file, which then is its `path`.

        Raises
        ------
        UsageError
            If `out` exists and `force` is False.
        """
        out = Path(out)
        refuse_existing(out, force=force)
        with atomic_path(out) as temporary:
            temporary.write_bytes(self._model.data)
        self.path = out
        return out

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
            As `Encoder.encode` takes them. A probe that was fitted takes embeddings, too.

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
        if _is_vectors(pictures):
            return self._of_vectors(pictures)
        names = [PROBABILITIES, NOVELTY] if self.tells_unknown else [PROBABILITIES]
        parts = [
            self._session.run_all(names, batch)
            for batch in in_batches(pictures, self.card.image_size, BATCH)
        ]
        empty = [np.empty((0, len(self.classes)), np.float32), np.empty(0, np.float32)]
        rows = [np.concatenate(part) for part in zip(*parts, strict=True)] if parts else empty
        return rows[0], rows[1] if self.tells_unknown else None

    def _of_vectors(
        self, vectors: NDArray[np.floating[Any]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return what `examine` does, of embeddings: the file takes pictures only."""
        if self.fitted is None or vectors.shape[1] != self.card.embedding_dim:
            raise UsageError(
                f"Expected pictures, but got a {vectors.dtype} array of shape {vectors.shape}.",
                "A probe that was read from a file takes pictures; one that was fitted also takes "
                f"embeddings, of length {self.card.embedding_dim}.",
            )
        x, novelty = vectors.astype(np.float64), self.fitted.novelty
        chances = self.fitted.estimator.probabilities(x).astype(np.float32)
        return chances, None if novelty is None else novelty.of(x).astype(np.float32)

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
    from clr_search.serve.probe.graph import probe_model

    out = Path(out)
    refuse_existing(out, force=force)
    model = read_model(encoder)
    if out.exists() and out.samefile(encoder):
        raise UsageError(f"{out} is the encoder.", "Choose another name for the probe.")
    with atomic_path(out) as temporary:
        temporary.write_bytes(probe_model(fitted, model, out).data)
    return out


def _is_vectors(X: object) -> TypeGuard[NDArray[np.floating[Any]]]:  # noqa: N803
    """Return whether these are embeddings, and no pictures: floating point, shape (N, D)."""
    return isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind == "f"
