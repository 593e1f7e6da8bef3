"""Logistic regression on centred and scaled embeddings, which are folded into its coefficients."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clr_search.cores import one_thread
from clr_search.serve.probe.temperature import scaled

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression


@dataclass(frozen=True, slots=True, eq=False)
class ScaledRegression:
    """A fitted logistic regression on centred and scaled embeddings.

    Attributes
    ----------
    mean : float array, shape (D,)
        Mean of the embeddings, which is subtracted.
    scale : float
        Number that the centred embeddings are divided by.
    model : LogisticRegression
        The fitted model of scikit-learn.
    temperature : float
        Number that the logits are divided by.
    """

    mean: NDArray[np.floating[Any]]
    scale: float
    model: LogisticRegression
    temperature: float = 1.0

    @classmethod
    def fit(
        cls,
        x: NDArray[np.floating[Any]],
        y: NDArray[Any],
        penalty: float,
        *,
        start: ScaledRegression | None = None,
    ) -> ScaledRegression:
        """Fit embeddings, shape (n, D), to their classes, shape (n,), with the L2 penalty λ.

        The fit starts from `start`, which it changes, if given: a solution for the same data with
        another penalty.
        """
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        mean = x.mean(axis=0)
        # One number for all features, since their relative sizes are part of the representation.
        scale = float(np.sqrt(((x - mean) ** 2).mean())) or 1.0
        if start is None:
            model = LogisticRegression(class_weight="balanced", max_iter=300, warm_start=True)
        else:
            model = start.model
        model.set_params(C=1 / (penalty * len(x)))
        # The products are small: a second thread gains little on an idle machine, and on a busy one
        # waiting for it made a fit of 20 ms an iteration take a second.
        with one_thread(), warnings.catch_warnings():
            # At the weakest penalties the loss is flat. The point where the fit stops is measured
            # like every other solution, so that a warning would be of no use.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit((x - mean) / scale, y)
        return cls(mean, scale, model)

    def probabilities(self, x: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the class probabilities, float64 (n, C), of embeddings, shape (n, D)."""
        result: NDArray[np.float64] = self.model.predict_proba((x - self.mean) / self.scale)
        return result if self.temperature == 1 else scaled(result, self.temperature)

    def classify(self, x: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """Return the numbers of the most probable classes, int64 (n,)."""
        best: NDArray[np.int64] = np.argmax(self.probabilities(x), axis=1)
        return best

    def folded(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return coefficients (C, D) and intercept (C,), float32, for unscaled embeddings.

        The softmax of their logits is what `probabilities` returns.
        """
        weights, bias = self.model.coef_ / self.scale, self.model.intercept_
        bias = bias - weights @ self.mean
        if len(weights) == 1:  # two classes: scikit-learn keeps one row, for a sigmoid
            weights = np.concatenate([-weights, weights]) / 2
            bias = np.concatenate([-bias, bias]) / 2
        weights, bias = weights / self.temperature, bias / self.temperature
        return weights.astype(np.float32), bias.astype(np.float32)
